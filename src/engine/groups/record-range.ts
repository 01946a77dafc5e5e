/** Counts records in batches, and finds where so many of them end, without decoding a batch that has all of its records. */
import {
  batchBaseOffset,
  batchLastOffset,
  batchLastOffsetDelta,
  batchRecordCount,
  batchSize,
} from '../format/record-batch.ts';
import { visitRecords } from '../format/record-batch-reader.ts';

export interface RecordRange {
  /** Whole batches. */
  readonly chunks: Buffer[];
  /** How many of their records lie in the range. */
  readonly records: number;
  /** The end of the range where it is not all there is; undefined otherwise. */
  readonly endOffset: number | undefined;
}

/** The first records from `from` on, at most `maxRecords`, which is at least 1. */
export function takeRecords(chunks: readonly Buffer[], from: number, maxRecords: number): RecordRange {
  const taken: Buffer[] = [];
  let records = 0;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; at += batchSize(chunk, at)) {
      const count = countRecords(chunk, at, from);
      if (records + count <= maxRecords) {
        records += count;
        continue;
      }
      const rest = maxRecords - records;
      const end = rest > 0 ? at + batchSize(chunk, at) : at;
      if (end > 0) taken.push(chunk.subarray(0, end));
      return { chunks: taken, records: maxRecords, endOffset: offsetAfter(chunk, at, from, rest) };
    }
    taken.push(chunk);
  }
  return { chunks: taken, records, endOffset: undefined };
}

/** After compaction a batch may have fewer records than offsets. */
function isDense(chunk: Buffer, at: number): boolean {
  return batchRecordCount(chunk, at) === batchLastOffsetDelta(chunk, at) + 1;
}

function countRecords(chunk: Buffer, at: number, from: number): number {
  if (batchBaseOffset(chunk, at) >= from) return batchRecordCount(chunk, at);
  if (isDense(chunk, at)) return Math.max(0, batchLastOffset(chunk, at) + 1 - from);
  let count = 0;
  visitRecords(chunk.subarray(at, at + batchSize(chunk, at)), from, () => {
    count++;
  });
  return count;
}

/** The offset after the first `count` records of a batch that has more of them. */
function offsetAfter(chunk: Buffer, at: number, from: number, count: number): number {
  const first = Math.max(batchBaseOffset(chunk, at), from);
  if (count === 0 || isDense(chunk, at)) return first + count;
  let end = first;
  let left = count;
  visitRecords(chunk.subarray(at, at + batchSize(chunk, at)), from, (offset) => {
    end = offset + 1;
    left--;
    return left > 0;
  });
  return end;
}
