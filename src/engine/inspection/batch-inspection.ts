/** Checks what a checksum does not: that the records of a batch can be decoded and are what its header says. */
import { isSeglogError } from '../common/errors.ts';
import {
  batchBaseTimestamp,
  batchLastOffsetDelta,
  batchMaxTimestamp,
  batchRecordCount,
  batchSize,
} from '../format/record-batch.ts';
import { visitRecords } from '../format/record-batch-reader.ts';

/** Why a whole, checked batch cannot be read or leads reads astray; undefined when it is in order. */
export function inspectRecords(buffer: Buffer, at: number): string | undefined {
  let least = Number.POSITIVE_INFINITY;
  let most = Number.NEGATIVE_INFINITY;
  try {
    visitRecords(buffer.subarray(at, at + batchSize(buffer, at)), 0, (_offset, timestamp) => {
      if (timestamp < least) least = timestamp;
      if (timestamp > most) most = timestamp;
    });
  } catch (error) {
    if (isSeglogError(error)) return `its records cannot be read: ${error.message}`;
    throw error;
  }
  const count = batchRecordCount(buffer, at);
  if (count === 0) return undefined;
  // Compaction takes records out and leaves the header's times as they were.
  const complete = count === batchLastOffsetDelta(buffer, at) + 1;
  const base = batchBaseTimestamp(buffer, at);
  const max = batchMaxTimestamp(buffer, at);
  const agree = complete ? least === base && most === max : least >= base && most <= max;
  return agree ? undefined : 'the timestamps of its records are not those of its header';
}
