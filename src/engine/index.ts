/** The engine's door: what other folders, and programs that embed seglog, may use. */

export { InlineTaskRunner } from './background/inline-runner.ts';
export type { TaskOptions, TaskRunner } from './background/task.ts';
export type { TaskTable } from './background/task-table.ts';
export { WorkerPool } from './background/worker-pool.ts';
export { answerTasks } from './background/worker-thread.ts';
export { murmur2, partitionForKey } from './commit/partitioner.ts';
export { PendingAppend } from './commit/pending-append.ts';
export { type Clock, systemClock } from './common/clock.ts';
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  errnoOf,
  isSeglogError,
  SeglogError,
} from './common/errors.ts';
export { type Logger, silentLogger } from './common/logger.ts';
export { nearestName } from './common/nearest-name.ts';
export {
  ENGINE_SETTINGS,
  type EngineSettings,
  parseSetting,
  resolveSettings,
  type Setting,
  type SettingTable,
  type SettingValue,
  type SettingValues,
  type TextSetting,
  TOPIC_SETTINGS,
  type TopicSettings,
} from './common/settings.ts';
export type * from './common/types.ts';
export { FORMAT_VERSION } from './directory/meta-file.ts';
export { checkTopicName } from './directory/topic.ts';
export { Engine } from './engine.ts';
export type { EngineOptions } from './engine-open.ts';
export { blockingFileSystem } from './files/blocking-file-system.ts';
export { DescriptorCache, type FileLease } from './files/descriptor-cache.ts';
export { readFully } from './files/file-operations.ts';
export type {
  DirectoryLock,
  FileHandle,
  FileStatus,
  FileSystem,
  OpenMode,
  ReadableFile,
  SpaceStatus,
} from './files/file-system.ts';
export { nodeFileSystem } from './files/node-file-system.ts';
export { type BatchView, batchRecords, viewBatch } from './format/batch-view.ts';
export {
  BATCH_HEADER_BYTES,
  batchBaseOffset,
  batchNextOffset,
  batchSize,
  batchUncompressedBytes,
  checkBatch,
} from './format/record-batch.ts';
export {
  decodeHeaders,
  decodeRecords,
  type RecordVisitor,
  visitRecords,
} from './format/record-batch-reader.ts';
export { RecordCursor } from './format/record-cursor.ts';
export {
  decodeSearchHead,
  encodeSearchFile,
  isSearchPart,
  SEARCH_PREAMBLE_BYTES,
  type SearchFileHead,
  type SearchFileIdentity,
  searchFileBytes,
  searchHeadBytes,
} from './format/search-file.ts';
export { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from './format/segment-header.ts';
export { GroupCoordinator } from './groups/group-coordinator.ts';
export { parseDuration } from './groups/requests.ts';
export type * from './groups/types.ts';
export { dumpFile } from './inspection/dump.ts';
export type { DumpItem, DumpOptions } from './inspection/dump-item.ts';
export { repairDirectory } from './inspection/repair.ts';
export type { RepairAction, RepairLoss, RepairOptions, RepairReport } from './inspection/repair-report.ts';
export { verifyDirectory } from './inspection/verify.ts';
export type {
  FindingSeverity,
  InspectionProgress,
  VerifyCounts,
  VerifyFinding,
  VerifyOptions,
  VerifyReport,
} from './inspection/verify-report.ts';
export { type WalkRequest, walkBatches } from './rewrite/segment-walk.ts';
export type { TaskContext } from './rewrite/task-context.ts';
