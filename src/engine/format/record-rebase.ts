/**
 * Gives records of a batch another base timestamp: a batch is written before it is known which of its timestamps is the
 * smallest. Nothing but the timestamp deltas and the records' lengths changes.
 */
import { ByteCursor, readVarint, readVarlong, varlongSize, writeVarint, writeVarlong } from './varint.ts';

/** Bytes that a record gets longer by when its timestamp delta does: that by up to 7, and the length before it by one. */
export const MAX_REBASE_GROWTH = 8;

/**
 * Writes the records in `source[from … end)`, with `shift` added to each timestamp delta, to the same place of `target`;
 * returns where they end there.
 */
export function rebaseRecords(
  source: Buffer,
  from: number,
  end: number,
  shift: number,
  target: Buffer,
): number {
  const records = new ByteCursor(source, from, end);
  let at = from;
  while (records.at < records.end) {
    const length = readVarint(records);
    const recordEnd = records.at + length;
    records.at++;
    const delta = readVarlong(records);
    at = writeVarint(target, at, length - varlongSize(delta) + varlongSize(delta + shift));
    target[at++] = 0;
    at = writeVarlong(target, at, delta + shift);
    at += source.copy(target, at, records.at, recordEnd);
    records.at = recordEnd;
  }
  return at;
}
