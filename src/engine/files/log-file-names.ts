/**
 * Every file name below a data directory is built and parsed here.
 *
 * A name that ends in "~" is unfinished or abandoned work: never data, free to be removed. "~" is
 * not allowed in topic names, so no topic can be taken for one.
 */
import { join } from 'node:path';

export const SEGMENT_SUFFIX = '.log';
export const OFFSET_INDEX_SUFFIX = '.index';
export const TIME_INDEX_SUFFIX = '.timeindex';
export const SUMMARY_SUFFIX = '.summary';
export const SEARCH_SUFFIX = '.search';
export const SWAP_SUFFIX = '.swap';
export const JOURNAL_SUFFIX = '.journal';
export const CLEANED_NAME = 'cleaned';
export const PRODUCERS_NAME = 'producers';

/** Zero-padded so that names sort as numbers do; 20 digits as in Kafka. */
export function paddedNumber(value: number): string {
  return String(value).padStart(20, '0');
}

export const lockPath = (data: string) => join(data, 'seglog.lock');
export const metaPath = (data: string) => join(data, 'meta.json');
/** Written last on a clean close, removed before the first write (see clean-marker.ts). */
export const cleanMarkerPath = (data: string) => join(data, 'clean-shutdown');
/** Where `repair` keeps the bytes that it cut. */
export const repairDirectory = (data: string) => join(data, 'repair');
export const journalDirectory = (data: string) => join(data, 'journal');
export const journalPath = (data: string, sequence: number) =>
  join(journalDirectory(data), paddedNumber(sequence) + JOURNAL_SUFFIX);
/** A journal file that is made and preallocated, but has no sequence yet. */
export const spareJournalPath = (data: string) => join(journalDirectory(data), `spare${JOURNAL_SUFFIX}~`);

export const MAX_TOPIC_NAME_LENGTH = 249;
/** Whether a topic may have this name: those that Kafka takes too. */
export function isTopicName(name: unknown): name is string {
  return (
    typeof name === 'string' &&
    name.length <= MAX_TOPIC_NAME_LENGTH &&
    /^[a-zA-Z0-9._-]+$/.test(name) &&
    name !== '.' &&
    name !== '..'
  );
}

export const topicsDirectory = (data: string) => join(data, 'topics');
export const topicDirectory = (data: string, topic: string) => join(topicsDirectory(data), topic);
/** A topic in the making; renamed to its name as the last step. */
export const newTopicDirectory = (data: string, topicId: string) =>
  join(topicsDirectory(data), `new-${topicId}~`);
/** A topic being deleted; renamed to this as the first step. */
export const deletedTopicDirectory = (data: string, topicId: string) =>
  join(topicsDirectory(data), `deleted-${topicId}~`);
export const topicFilePath = (topicDir: string) => join(topicDir, 'topic.json');

export const partitionDirectory = (topicDir: string, partition: number) => join(topicDir, String(partition));
export const checkpointPath = (partitionDir: string) => join(partitionDir, 'checkpoint');
export const logStartPath = (partitionDir: string) => join(partitionDir, 'log-start');
export const cleanedPath = (partitionDir: string) => join(partitionDir, CLEANED_NAME);
export const producersPath = (partitionDir: string) => join(partitionDir, PRODUCERS_NAME);
export const gapsPath = (partitionDir: string) => join(partitionDir, 'gaps.json');
/** The next segment's file, made ahead of need; renamed to its base offset when the log rolls. */
export const preparedSegmentPath = (partitionDir: string) => join(partitionDir, 'next.log~');
export const segmentPath = (partitionDir: string, baseOffset: number) =>
  join(partitionDir, paddedNumber(baseOffset) + SEGMENT_SUFFIX);
export const offsetIndexPath = (partitionDir: string, baseOffset: number) =>
  join(partitionDir, paddedNumber(baseOffset) + OFFSET_INDEX_SUFFIX);
export const timeIndexPath = (partitionDir: string, baseOffset: number) =>
  join(partitionDir, paddedNumber(baseOffset) + TIME_INDEX_SUFFIX);
export const summaryPath = (partitionDir: string, baseOffset: number) =>
  join(partitionDir, paddedNumber(baseOffset) + SUMMARY_SUFFIX);
/** What searching knows of a sealed segment; made and read by who searches. */
export const searchPath = (partitionDir: string, baseOffset: number) =>
  join(partitionDir, paddedNumber(baseOffset) + SEARCH_SUFFIX);

/** A segment that is being written to take the place of others. */
export const rewrittenPath = (partitionDir: string, baseOffset: number) =>
  join(partitionDir, `${paddedNumber(baseOffset)}.rewritten~`);
/** A segment that takes the place of all that begin in [baseOffset, endOffset): see segment-swap.ts. */
export interface SegmentSwap {
  baseOffset: number;
  endOffset: number;
  /** The other one of its two names. */
  again: boolean;
}

/** Its file, until it gets the name of the first of those segments. */
export const swapPath = (partitionDir: string, { baseOffset, endOffset, again }: SegmentSwap) =>
  join(
    partitionDir,
    `${paddedNumber(baseOffset)}-${paddedNumber(endOffset)}${again ? '.again' : ''}${SWAP_SUFFIX}`,
  );

/** What the name of a swap file says; undefined for any other name. */
export function parseSwapName(name: string): SegmentSwap | undefined {
  const match = /^(\d{20})-(\d{20})(\.again)?\.swap$/.exec(name);
  if (match === null) return undefined;
  const baseOffset = Number(match[1]);
  const endOffset = Number(match[2]);
  const again = match[3] !== undefined;
  return Number.isSafeInteger(endOffset) && baseOffset < endOffset
    ? { baseOffset, endOffset, again }
    : undefined;
}

export function isUnfinished(name: string): boolean {
  return name.endsWith('~');
}

/** Whether a name directly below a data directory is one that is given here. */
export function isOwnName(name: string): boolean {
  const paths = [lockPath, metaPath, cleanMarkerPath, journalDirectory, topicsDirectory, repairDirectory];
  return isUnfinished(name) || paths.some((path) => path('') === name);
}

/** The number of "00000000000000000042.log" for the suffix ".log"; undefined for any other name. */
export function parseNumberedName(name: string, suffix: string): number | undefined {
  if (!name.endsWith(suffix)) return undefined;
  const digits = name.slice(0, -suffix.length);
  if (!/^\d{20}$/.test(digits)) return undefined;
  const value = Number(digits);
  return Number.isSafeInteger(value) ? value : undefined;
}

/** Base offsets of the segments among the names in a partition's directory, in order. */
export function segmentBases(names: readonly string[]): number[] {
  return names
    .map((name) => parseNumberedName(name, SEGMENT_SUFFIX))
    .filter((base) => base !== undefined)
    .sort((a, b) => a - b);
}

/** The partition number of a directory name, undefined for any other name. */
export function parsePartitionName(name: string): number | undefined {
  return /^(0|[1-9]\d{0,4})$/.test(name) ? Number(name) : undefined;
}
