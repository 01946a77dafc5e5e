/** The engine's door: what other folders, and programs that embed seglog, may use. */
export { type Clock, systemClock } from './clock.ts';
export { dumpFile } from './dump.ts';
export type { DumpItem, DumpOptions } from './dump-item.ts';
export { Engine } from './engine.ts';
export type { EngineOptions } from './engine-open.ts';
export {
  ERROR_CODES,
  type ErrorCode,
  type ErrorDetails,
  errnoOf,
  isSeglogError,
  SeglogError,
} from './errors.ts';
export type {
  DirectoryLock,
  FileHandle,
  FileStatus,
  FileSystem,
  OpenMode,
  SpaceStatus,
} from './file-system.ts';
export { type Logger, silentLogger } from './logger.ts';
export { FORMAT_VERSION } from './meta-file.ts';
export { nodeFileSystem } from './node-file-system.ts';
export { murmur2, partitionForKey } from './partitioner.ts';
export { PendingAppend } from './pending-append.ts';
export { decodeHeaders, decodeRecords, type RecordVisitor, visitRecords } from './record-batch-reader.ts';
export { repairDirectory } from './repair.ts';
export type { RepairAction, RepairLoss, RepairOptions, RepairReport } from './repair-report.ts';
export {
  ENGINE_SETTINGS,
  type EngineSettings,
  nearestName,
  parseSetting,
  resolveSettings,
  type Setting,
  type SettingTable,
  type SettingValue,
  TOPIC_SETTINGS,
  type TopicSettings,
} from './settings.ts';
export { checkTopicName } from './topic.ts';
export type * from './types.ts';
export { verifyDirectory } from './verify.ts';
export type {
  FindingSeverity,
  InspectionProgress,
  VerifyCounts,
  VerifyFinding,
  VerifyOptions,
  VerifyReport,
} from './verify-report.ts';
