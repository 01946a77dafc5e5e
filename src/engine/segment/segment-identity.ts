/**
 * Whether a segment's file is the one that belongs there: its header names the topic, the partition and the base offset.
 *
 * A file that says it is of another place is *misplaced*: none of its batches counts here. A header that fails its checks
 * says nothing; the batches, each of which is checked by itself, are served all the same.
 */

import { errnoOf } from '../common/errors.ts';
import type { DamagedRange } from '../common/types.ts';
import type { DescriptorCache } from '../files/descriptor-cache.ts';
import { readFully } from '../files/file-operations.ts';
import type { ReadableFile } from '../files/file-system.ts';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';

/** The partition that a file belongs to. */
export interface PartitionIdentity {
  /** 32 hexadecimal digits. */
  topicId: string;
  partition: number;
}

/** Where a segment's file belongs. */
export interface SegmentIdentity extends PartitionIdentity {
  baseOffset: number;
}

export interface IdentityFault {
  kind: 'misplaced' | 'header';
  /** What is wrong, for a sentence: "the segment's header …". */
  reason: string;
}

/** Null when the file is the right one. Throws UNSUPPORTED_VERSION when it is of a newer version. */
export async function checkIdentity(
  file: ReadableFile,
  expected: SegmentIdentity,
): Promise<IdentityFault | null> {
  const header = decodeSegmentHeader(await readFully(file, SEGMENT_HEADER_BYTES, 0));
  if (typeof header === 'string')
    return { kind: 'header', reason: `the segment's header is damaged (${header})` };
  const { topicId, partition, baseOffset } = header;
  const same =
    topicId === expected.topicId && partition === expected.partition && baseOffset === expected.baseOffset;
  if (same) return null;
  const owner = `partition ${partition} of the topic with id ${topicId}, base offset ${baseOffset}`;
  return { kind: 'misplaced', reason: `the segment's file is misplaced: it is of ${owner}` };
}

/** When a segment's file was made, by its header; undefined where that fails its checks, or is not there any more. */
export async function segmentMadeAt(files: DescriptorCache, path: string): Promise<number | undefined> {
  const lease = await files.lease(path).catch((error: unknown) => {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return undefined;
  });
  if (lease === undefined) return undefined;
  try {
    const header = decodeSegmentHeader(await readFully(lease.file, SEGMENT_HEADER_BYTES, 0));
    return typeof header === 'string' ? undefined : header.createdAt;
  } finally {
    lease.release();
  }
}

/** A damaged header as health tells it: a range without offsets, since the batches are served. */
export function damagedHeader(baseOffset: number, fault: IdentityFault): DamagedRange {
  return {
    firstOffset: baseOffset,
    endOffset: baseOffset,
    segment: baseOffset,
    startPosition: 0,
    endPosition: SEGMENT_HEADER_BYTES,
    reason: `${fault.reason}; its batches are served`,
  };
}
