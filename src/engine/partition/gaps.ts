/**
 * The record of what `seglog repair` gave up: ranges of offsets that hold nothing any more, with the owner's consent.
 * Reads pass over them. A JSON file beside the segments, replaced as one step, for people to read as well.
 *
 * A gap counts only where nothing valid is stored: it may be recorded before the bytes are gone, and a segment that is
 * restored from a backup later is read. All below the end of a gap was acknowledged once: the log never ends below it.
 */
import { SeglogError } from '../common/errors.ts';
import type { OffsetGap } from '../common/types.ts';
import { type FileContent, readWholeFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { gapsPath } from '../files/log-file-names.ts';
import { checkJsonVersion, decodeJsonFile, encodeJsonFile } from '../format/json-file.ts';
import type { GapRange } from '../rewrite/rewrite-request.ts';
import type { PartitionIdentity } from '../segment/segment-identity.ts';

export const GAPS_VERSION = 1;

/** In offset order, none when there is no file. CORRUPT_MESSAGE when it is damaged, UNSUPPORTED_VERSION when it is newer. */
export async function readGaps(
  fileSystem: FileSystem,
  partitionDir: string,
  owner: PartitionIdentity,
): Promise<OffsetGap[]> {
  const path = gapsPath(partitionDir);
  const bytes = await readWholeFile(fileSystem, path);
  return bytes === undefined ? [] : decodeGaps(bytes, path, owner);
}

export function decodeGaps(bytes: Buffer, path: string, owner: PartitionIdentity): OffsetGap[] {
  const file = decodeJsonFile(bytes);
  if (typeof file === 'string') throw damaged(path, file);
  const { version, topicId, partition, gaps } = file;
  if (!checkJsonVersion(version, GAPS_VERSION, path)) throw damaged(path, 'it has no version');
  if (topicId !== owner.topicId || partition !== owner.partition)
    throw damaged(path, 'it is of another partition');
  if (!Array.isArray(gaps) || !gaps.every(isGap)) throw damaged(path, 'it does not list gaps');
  return gaps.sort((a, b) => a.firstOffset - b.firstOffset);
}

export function gapsFile(
  partitionDir: string,
  { topicId, partition }: PartitionIdentity,
  gaps: readonly OffsetGap[],
): FileContent {
  const file = { version: GAPS_VERSION, topicId, partition, gaps };
  return { path: gapsPath(partitionDir), buffers: [encodeJsonFile(file)] };
}

/** The end of the recorded gaps that `offset` lies in, one behind the other; `offset` itself when it lies in none. */
export function endOfGaps(gaps: readonly OffsetGap[], offset: number): number {
  let end = offset;
  for (const gap of gaps) if (gap.firstOffset <= end && end < gap.endOffset) end = gap.endOffset;
  return end;
}

/** Gaps as a task gets them. */
export const gapRanges = (gaps: readonly OffsetGap[]): GapRange[] =>
  gaps.map(({ firstOffset, endOffset }) => ({ first: firstOffset, end: endOffset }));

/** The offset below which gaps show that the log was acknowledged. */
export function lastGapEnd(gaps: readonly OffsetGap[]): number {
  return gaps.reduce((most, gap) => Math.max(most, gap.endOffset), 0);
}

function isGap(value: unknown): value is OffsetGap {
  if (typeof value !== 'object' || value === null) return false;
  const gap = value as OffsetGap;
  return (
    Number.isSafeInteger(gap.firstOffset) &&
    Number.isSafeInteger(gap.endOffset) &&
    0 <= gap.firstOffset &&
    gap.firstOffset < gap.endOffset &&
    Number.isSafeInteger(gap.bytes) &&
    typeof gap.reason === 'string' &&
    typeof gap.repairedAt === 'string' &&
    (gap.keptAs === null || typeof gap.keptAs === 'string')
  );
}

function damaged(path: string, what: string): SeglogError {
  return new SeglogError('CORRUPT_MESSAGE', `${path} is damaged: ${what}; run "seglog repair"`);
}
