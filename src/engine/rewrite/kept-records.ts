/**
 * The records of one batch that stay: where each lies in the batch's records, decompressed. Columns of numbers that are
 * used again for the next batch, 24 bytes for each record of the largest batch so far.
 */
import type { RecordCursor } from '../format/record-cursor.ts';

const FIRST_CAPACITY = 1024;

export class KeptRecords {
  /** What positions are of. */
  buffer: Buffer = Buffer.alloc(0);
  /** Of the batch, which timestamp deltas are relative to. */
  baseTimestamp = 0;
  count = 0;
  /** Of all of them, as they are. */
  bytes = 0;
  minTimestamp = 0;
  maxTimestamp = 0;
  /** Records with a null value: those that the key map speaks of, and those behind them. */
  mappedTombstones = 0;
  laterTombstones = 0;
  starts = new Int32Array(FIRST_CAPACITY);
  /** Behind timestamp and offset. */
  bodies = new Int32Array(FIRST_CAPACITY);
  ends = new Int32Array(FIRST_CAPACITY);
  offsetDeltas = new Int32Array(FIRST_CAPACITY);
  timestamps = new Float64Array(FIRST_CAPACITY);

  get tombstones(): number {
    return this.mappedTombstones + this.laterTombstones;
  }

  /** Makes room for the records of the batch that a cursor has been opened on. */
  clear({ buffer, baseTimestamp }: RecordCursor): void {
    this.buffer = buffer;
    this.baseTimestamp = baseTimestamp;
    this.count = 0;
    this.bytes = 0;
    this.minTimestamp = Number.POSITIVE_INFINITY;
    this.maxTimestamp = Number.NEGATIVE_INFINITY;
    this.mappedTombstones = 0;
    this.laterTombstones = 0;
  }

  /** Adds the record that the cursor is at; `settle` says whether it stays. */
  add(record: RecordCursor): void {
    const i = this.count;
    if (i === this.starts.length) this.#grow();
    this.starts[i] = record.start;
    this.bodies[i] = record.bodyStart;
    this.ends[i] = record.end;
    this.offsetDeltas[i] = record.offsetDelta;
    this.timestamps[i] = record.timestamp;
    this.count = i + 1;
  }

  /** Of the records that were added from number `first` on, those stay that have a one in `stays`. */
  settle(first: number, stays: Uint8Array): void {
    const { starts, bodies, ends, offsetDeltas, timestamps, count } = this;
    let { minTimestamp, maxTimestamp, bytes } = this;
    let to = first;
    for (let i = first; i < count; i++) {
      if (stays[i - first] === 0) continue;
      const start = starts[i]!;
      const end = ends[i]!;
      const timestamp = timestamps[i]!;
      starts[to] = start;
      bodies[to] = bodies[i]!;
      ends[to] = end;
      offsetDeltas[to] = offsetDeltas[i]!;
      timestamps[to] = timestamp;
      if (timestamp < minTimestamp) minTimestamp = timestamp;
      if (timestamp > maxTimestamp) maxTimestamp = timestamp;
      bytes += end - start;
      to++;
    }
    this.minTimestamp = minTimestamp;
    this.maxTimestamp = maxTimestamp;
    this.bytes = bytes;
    this.count = to;
  }

  #grow(): void {
    const capacity = this.starts.length * 2;
    const larger = <T extends Int32Array | Float64Array>(column: T, empty: T): T => {
      empty.set(column);
      return empty;
    };
    this.starts = larger(this.starts, new Int32Array(capacity));
    this.bodies = larger(this.bodies, new Int32Array(capacity));
    this.ends = larger(this.ends, new Int32Array(capacity));
    this.offsetDeltas = larger(this.offsetDeltas, new Int32Array(capacity));
    this.timestamps = larger(this.timestamps, new Float64Array(capacity));
  }
}
