/**
 * Settles a recovered tail where there is no space to write it anew: what stands in the segments' files is made durable
 * where it stands, and what only the journal has is served from memory until there is space to drain it.
 *
 * A sync alone would not do: one may have failed before the crash, and the system answers the next one with success. So
 * the bytes that were found are written over themselves, which takes no space, and synced then. A crash in the middle
 * changes nothing: each sector holds the same bytes before and after.
 *
 * Where that finds no space all the same (a hole in a file, a file system that writes elsewhere), nothing is cut, the log
 * is served up to there, and the partition takes no appends until it is opened again.
 */
import { isOutOfSpace, removeIfExists, writeFully } from '../files/file-operations.ts';
import type { FileHandle } from '../files/file-system.ts';
import { batchSize } from '../format/record-batch.ts';
import { encodeSegmentHeader } from '../format/segment-header.ts';
import type { TailBatch } from '../partition/partition-log.ts';
import { emptyStats, IndexWriter, LogSegment } from '../segment/log-segment.ts';
import { emptyIndexes, newSegment, removeDerivedFiles } from '../segment/segment-files.ts';
import { batchFacts } from '../segment/segment-scanner.ts';
import type { FoundLog } from './recovery-find.ts';
import type { RecoveryRequest, SettledLog } from './recovery-request.ts';
import { cutFile } from './recovery-rewrite.ts';
import type { RecoveredRun } from './recovery-scan.ts';
import { walkBatches } from './segment-writer.ts';

const FENCED =
  'the disk is full, and what a crash left could not be put in order: free space and start again, nothing is lost';

export async function settleInPlace(request: RecoveryRequest, found: FoundLog): Promise<SettledLog> {
  const { context, directory, topic, partition } = request;
  const { first, kept, scan } = found;
  const segments = found.segments.slice(0, first);
  const unused: LogSegment[] = [];
  const rest: RecoveredRun[] = [];
  let syncedOffset = kept.endOffset;
  for (const segment of found.segments.slice(first)) {
    const target = segment === found.segments[first] ? kept : freshSegment(segment);
    const runs = scan.runs.filter((run) => run.segment === segment);
    const placed = rest.length === 0 && segment.exists ? await placeRuns(request, found, target, runs) : 0;
    if (placed > 0) syncedOffset = target.endOffset;
    rest.push(...runs.slice(placed));
    if (target.stats.batches > 0) segments.push(target);
    else if (segment.exists) unused.push(segment);
  }
  // What the journal has is durable, or can be made so; what stands behind it in a file only is not.
  const served = await countJournaled(request, rest);
  const fenced = served === rest.length ? null : FENCED;
  const tail = await readTail(request, segments, rest.slice(0, served));
  if (fenced === null) await cutEnds(request, found, segments, unused);
  await context.fileSystem.syncDirectory(directory);
  let durableOffset = tail.at(-1)?.facts.nextOffset ?? syncedOffset;
  if (fenced === null) {
    // Behind a gap at the log's end the next segment begins.
    if (segments.length === 0 || durableOffset !== scan.endOffset)
      segments.push(newSegment(directory, scan.endOffset));
    durableOffset = scan.endOffset;
    if (tail.length === 0) syncedOffset = scan.endOffset;
  } else if (segments.length === 0) {
    segments.push(newSegment(directory, durableOffset));
  }
  segments.at(-1)!.sealed = false;
  context.logger.warn(
    { topic: topic.name, partition, logEndOffset: scan.endOffset, durableOffset, inMemory: tail.length },
    'no space: what a crash left was made durable where it stands',
  );
  return { segments, syncedOffset, durableOffset, tail, fenced };
}

function freshSegment({ path, baseOffset }: LogSegment): LogSegment {
  const segment = new LogSegment(path, emptyStats(baseOffset), true);
  segment.indexWriter = new IndexWriter(emptyIndexes(baseOffset), Number.NEGATIVE_INFINITY);
  return segment;
}

/** Makes runs of one segment durable where they belong in its file, as far as there is space. Resolves with how many are. */
async function placeRuns(
  request: RecoveryRequest,
  found: FoundLog,
  target: LogSegment,
  runs: readonly RecoveredRun[],
): Promise<number> {
  if (runs.length === 0) return 0;
  const { context, directory, topic } = request;
  const interval = topic.settings['index.interval.bytes'];
  target.indexWriter ??= new IndexWriter(
    await context.indexCache.load(directory, target, interval),
    target.stats.bytes - interval,
  );
  const before = { ...target.stats };
  const lease = await context.files.lease(target.path);
  try {
    if (hasLostHeader(found, target)) await writeHeader(request, lease.file, target);
    let placed = 0;
    while (placed < runs.length && (await placeRun(request, lease.file, target, runs[placed]!))) placed++;
    await lease.file.sync();
    return placed;
  } catch (error) {
    if (!isOutOfSpace(error)) throw error;
    // Nobody knows what of it is on disk.
    Object.assign(target.stats, before);
    return 0;
  } finally {
    lease.release();
  }
}

/** False when it does not fit there, or there is no space. */
async function placeRun(
  request: RecoveryRequest,
  file: FileHandle,
  target: LogSegment,
  run: RecoveredRun,
): Promise<boolean> {
  if (!run.fits || run.position !== target.stats.bytes) return false;
  const before = { ...target.stats };
  const write = (batches: Buffer) => writeBatches(request, file, target, batches);
  try {
    if (run.journaled !== null) await write(await run.journaled.read());
    else await walkBatches(file, run.position, run.position + run.bytes, write);
    return true;
  } catch (error) {
    if (!isOutOfSpace(error)) throw error;
    Object.assign(target.stats, before);
    return false;
  }
}

async function writeBatches(
  { context, topic }: RecoveryRequest,
  file: FileHandle,
  target: LogSegment,
  batches: Buffer,
): Promise<void> {
  await writeFully(file, [batches], target.stats.bytes);
  const now = context.clock.now();
  for (let at = 0; at < batches.length; at += batchSize(batches, at))
    target.note(batchFacts(batches, at), now, topic.settings['index.interval.bytes']);
}

/** Above the recovery point a header that fails its checks may never have reached the disk, as its batches. */
function hasLostHeader({ scan, recoveryPoint }: FoundLog, { baseOffset }: LogSegment): boolean {
  return scan.faulty.some(
    ({ segment, fault }) =>
      fault.kind === 'header' && segment.baseOffset === baseOffset && baseOffset >= recoveryPoint,
  );
}

function writeHeader(
  { context, topic, partition }: RecoveryRequest,
  file: FileHandle,
  { baseOffset }: LogSegment,
): Promise<void> {
  const createdAt = context.clock.now();
  const header = encodeSegmentHeader({ topicId: topic.id, partition, baseOffset, createdAt });
  return writeFully(file, [header], 0);
}

/** How many of these runs, from the first one on, are safe in the journal. */
async function countJournaled({ journal }: RecoveryRequest, runs: readonly RecoveredRun[]): Promise<number> {
  const inFile = runs.findIndex((run) => run.journaled === null);
  const count = inFile < 0 ? runs.length : inFile;
  return count > 0 && (await journal.makeDurable()) ? count : 0;
}

/** Batches that only the journal has, to be drained to their segments; adds the segments that have no file yet. */
async function readTail(
  { directory }: RecoveryRequest,
  segments: LogSegment[],
  runs: readonly RecoveredRun[],
): Promise<TailBatch[]> {
  const tail: TailBatch[] = [];
  for (const { segment: found, journaled } of runs) {
    let segment = segments.at(-1);
    if (segment?.baseOffset !== found.baseOffset) {
      segment = newSegment(directory, found.baseOffset);
      segments.push(segment);
    }
    const bytes = await journaled!.read();
    tail.push({ bytes, facts: batchFacts(bytes, 0), segment });
  }
  return tail;
}

/** Bytes that were never acknowledged, or that only the journal has whole, go; so do files in which nothing counts. */
async function cutEnds(
  { context, directory, topic, partition }: RecoveryRequest,
  { first, scan }: FoundLog,
  segments: readonly LogSegment[],
  unused: readonly LogSegment[],
): Promise<void> {
  const { fileSystem, files, logger } = context;
  for (const segment of segments.slice(first)) {
    if (!segment.exists) continue;
    const { baseOffset, stats, path } = segment;
    const bytes = (await fileSystem.status(path))!.size - stats.bytes;
    if (bytes === 0) continue;
    await cutFile(context, segment);
    const fields = { topic: topic.name, partition, offset: scan.endOffset, segment: baseOffset };
    logger.warn({ ...fields, position: stats.bytes, bytes }, 'cut off bytes that do not count');
  }
  for (const { path, baseOffset } of unused) {
    files.forget(path);
    await removeIfExists(fileSystem, path);
    await removeDerivedFiles(fileSystem, directory, baseOffset);
  }
}
