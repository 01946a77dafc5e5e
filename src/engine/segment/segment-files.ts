/**
 * The derived files beside a segment: `.index`, `.timeindex` and `.summary`, and the `.search` of who searches. All of them can
 * be made again from the `.log` file with identical answers; a missing or damaged one is no loss.
 */
import type { DescriptorCache } from '../files/descriptor-cache.ts';
import { type FileContent, readWholeFile, removeIfExists } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import {
  offsetIndexPath,
  searchPath,
  segmentPath,
  summaryPath,
  timeIndexPath,
} from '../files/log-file-names.ts';
import { OffsetIndex } from '../format/offset-index.ts';
import { SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import { decodeSidecar, encodeSidecar } from '../format/sidecar.ts';
import { TimeIndex } from '../format/time-index.ts';
import {
  addBatch,
  emptyStats,
  IndexWriter,
  isSegmentStats,
  LogSegment,
  type SegmentIndexes,
  type SegmentStats,
} from './log-segment.ts';
import { refuseNewerSearchFile } from './search-file-check.ts';
import { batchFacts, SegmentScanner } from './segment-scanner.ts';

export function emptyIndexes(baseOffset: number): SegmentIndexes {
  return { offsets: OffsetIndex.empty(baseOffset), times: TimeIndex.empty(baseOffset) };
}

/** A segment that has no file yet: it gets one when the first bytes are written. */
export function newSegment(partitionDir: string, baseOffset: number): LogSegment {
  const segment = new LogSegment(segmentPath(partitionDir, baseOffset), emptyStats(baseOffset), false);
  segment.indexWriter = new IndexWriter(emptyIndexes(baseOffset), Number.NEGATIVE_INFINITY);
  segment.identityChecked = true;
  return segment;
}

/** The files of these segments; `bytes` of their stats is the size of the file. */
export async function listSegments(
  fileSystem: FileSystem,
  directory: string,
  bases: readonly number[],
): Promise<LogSegment[]> {
  const segments: LogSegment[] = [];
  for (const base of bases) {
    const path = segmentPath(directory, base);
    const status = await fileSystem.status(path);
    segments.push(new LogSegment(path, { ...emptyStats(base), bytes: status?.size ?? 0 }, true));
  }
  return segments;
}

/** Both indexes as files, as they are for the log below `stats.endOffset`. */
export function indexFiles(
  partitionDir: string,
  indexes: SegmentIndexes,
  stats: SegmentStats,
): FileContent[] {
  const { baseOffset, endOffset, bytes } = stats;
  return [
    { path: offsetIndexPath(partitionDir, baseOffset), buffers: indexes.offsets.encode(endOffset, bytes) },
    { path: timeIndexPath(partitionDir, baseOffset), buffers: indexes.times.encode(endOffset, bytes) },
  ];
}

export function summaryFile(partitionDir: string, stats: SegmentStats): FileContent {
  return { path: summaryPath(partitionDir, stats.baseOffset), buffers: [encodeSidecar('summary', stats)] };
}

/** The indexes on disk, if both are whole and cover the log below `stats.endOffset`, no more and no less. */
export async function readIndexes(
  fileSystem: FileSystem,
  partitionDir: string,
  stats: SegmentStats,
): Promise<SegmentIndexes | undefined> {
  const { baseOffset, endOffset, bytes } = stats;
  const offsetBytes = await readWholeFile(fileSystem, offsetIndexPath(partitionDir, baseOffset));
  const timeBytes = await readWholeFile(fileSystem, timeIndexPath(partitionDir, baseOffset));
  if (offsetBytes === undefined || timeBytes === undefined) return undefined;
  const offsets = OffsetIndex.decode(offsetBytes, baseOffset);
  const times = TimeIndex.decode(timeBytes, baseOffset);
  if (offsets === undefined || times === undefined) return undefined;
  const covers = (file: { coveredEndOffset: number; coveredEndPosition: number }) =>
    file.coveredEndOffset === endOffset && file.coveredEndPosition === bytes;
  return covers(offsets) && covers(times) ? { offsets: offsets.index, times: times.index } : undefined;
}

/** Throws UNSUPPORTED_VERSION when a derived file of a segment is of a newer version: then it is not to be replaced. */
export async function refuseNewerFiles(
  fileSystem: FileSystem,
  partitionDir: string,
  baseOffset: number,
): Promise<void> {
  const check = async (path: string, decode: (bytes: Buffer) => unknown) => {
    const bytes = await readWholeFile(fileSystem, path);
    if (bytes !== undefined) decode(bytes);
  };
  await check(offsetIndexPath(partitionDir, baseOffset), (bytes) => OffsetIndex.decode(bytes, baseOffset));
  await check(timeIndexPath(partitionDir, baseOffset), (bytes) => TimeIndex.decode(bytes, baseOffset));
  await check(summaryPath(partitionDir, baseOffset), (bytes) => decodeSummary(bytes, baseOffset));
  await refuseNewerSearchFile(fileSystem, searchPath(partitionDir, baseOffset));
}

/** The summary of a sealed segment, if it is whole and says of it what its neighbour and its size say. */
export async function readSummary(
  fileSystem: FileSystem,
  partitionDir: string,
  baseOffset: number,
): Promise<SegmentStats | undefined> {
  const bytes = await readWholeFile(fileSystem, summaryPath(partitionDir, baseOffset));
  const stats = bytes === undefined ? undefined : decodeSummary(bytes, baseOffset);
  if (stats === undefined) return undefined;
  const status = await fileSystem.status(segmentPath(partitionDir, baseOffset));
  return status?.size === stats.bytes ? stats : undefined;
}

/** The summary of the segment at `baseOffset`, undefined when it is damaged or of another segment. */
export function decodeSummary(bytes: Buffer, baseOffset: number): SegmentStats | undefined {
  const stats = decodeSidecar<SegmentStats>('summary', bytes);
  return isSegmentStats(stats) && stats.baseOffset === baseOffset ? stats : undefined;
}

export async function removeDerivedFiles(
  fileSystem: FileSystem,
  partitionDir: string,
  baseOffset: number,
): Promise<void> {
  await removeIfExists(fileSystem, offsetIndexPath(partitionDir, baseOffset));
  await removeIfExists(fileSystem, timeIndexPath(partitionDir, baseOffset));
  await removeIfExists(fileSystem, summaryPath(partitionDir, baseOffset));
  await removeIfExists(fileSystem, searchPath(partitionDir, baseOffset));
}

/** The segment itself goes last: while it is there, the others can be made from it. */
export async function removeSegment(
  fileSystem: FileSystem,
  partitionDir: string,
  baseOffset: number,
): Promise<void> {
  await removeDerivedFiles(fileSystem, partitionDir, baseOffset);
  await removeIfExists(fileSystem, segmentPath(partitionDir, baseOffset));
}

export interface RebuiltSegment {
  stats: SegmentStats;
  indexes: SegmentIndexes;
}

/**
 * Walks a segment up to `endPosition`, or to where `limitOffset` begins, and makes its indexes and counters anew.
 * Damaged batches are passed over: what lies behind them is indexed too, and whoever reads the range meets it there. What lies
 * behind the batch that ends at `limitOffset` is not of this segment, whatever it is.
 */
export async function rebuildSegment(
  files: DescriptorCache,
  path: string,
  baseOffset: number,
  endPosition: number,
  intervalBytes: number,
  limitOffset = Number.POSITIVE_INFINITY,
): Promise<RebuiltSegment> {
  const stats = emptyStats(baseOffset);
  const indexes = emptyIndexes(baseOffset);
  const writer = new IndexWriter(indexes, Number.NEGATIVE_INFINITY);
  let end = SEGMENT_HEADER_BYTES;
  const lease = await files.lease(path);
  try {
    const scanner = new SegmentScanner(lease.file, SEGMENT_HEADER_BYTES, endPosition);
    for (;;) {
      const batch = await scanner.peek();
      if (batch === null) break;
      if (batch.fault !== null) {
        const next = await scanner.findNext(stats.endOffset, limitOffset);
        scanner.position = next < 0 ? endPosition : next;
        continue;
      }
      const facts = batchFacts(batch.buffer, batch.at);
      if (facts.baseOffset >= limitOffset) break;
      if (facts.baseOffset < stats.endOffset || facts.nextOffset > limitOffset) {
        // Whole, but not of this place in the log: nothing leads there.
        scanner.skip(batch);
        continue;
      }
      addBatch(stats, facts, facts.maxTimestamp);
      writer.note(facts, scanner.position, stats.maxTimestamp, intervalBytes);
      scanner.skip(batch);
      end = scanner.position;
    }
    stats.bytes = stats.endOffset === limitOffset ? end : scanner.position;
  } finally {
    lease.release();
  }
  return { stats, indexes };
}
