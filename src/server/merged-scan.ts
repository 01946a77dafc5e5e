/**
 * Reads a range of time over all partitions of a topic as one sequence.
 *
 * In each partition the range is one of offsets: from the first record with a timestamp of at least `from`
 * to the first with one of at least `until`. So adjoining ranges neither overlap nor leave anything out, and
 * a record that came late is given where it lies, among its neighbours. Over the partitions records are
 * merged by the running maximum of the timestamps, then by partition, then by offset: a partition's own
 * order always stays as it is.
 *
 * That order is total, so the last record given names the place to go on at (a cursor), however many
 * partitions there are.
 */
import type { Engine } from '../engine/index.ts';
import type { OutputBuffer } from './output-buffer.ts';
import { type MergePosition, PartitionCursor } from './partition-cursor.ts';
import { type ScanLimits, scanTurns } from './partition-scan.ts';
import type { RecordWriter } from './record-formats.ts';

/** What all partitions of a merge read ahead, together. */
export const MERGE_MEMORY_BYTES = 8 * 1024 * 1024;
const MIN_PIECE_BYTES = 4 * 1024;
const MAX_PIECE_BYTES = 256 * 1024;
/** What one step writes at most, give or take a record. */
const STEP_BYTES = 256 * 1024;

export interface MergeRange {
  topic: string;
  partitions: number;
  from: number | undefined;
  until: number | undefined;
  after: MergePosition | undefined;
}

export class MergedScan {
  /** Behind the record written last. */
  position: MergePosition | undefined;
  /** Records written so far. */
  records = 0;
  readonly #engine: Engine;
  readonly #range: MergeRange;
  readonly #limits: ScanLimits;
  readonly #out: OutputBuffer;
  readonly #write: RecordWriter;
  /** A binary heap; the cursor with the next record is first. */
  readonly #heap: PartitionCursor[] = [];
  /** Cursors that have to read on before it is known which record is next. */
  readonly #exhausted: PartitionCursor[] = [];
  #sentBytes = 0;
  #full = false;

  constructor(engine: Engine, range: MergeRange, limits: ScanLimits, out: OutputBuffer, write: RecordWriter) {
    this.#engine = engine;
    this.#range = range;
    this.#limits = limits;
    this.#out = out;
    this.#write = write;
    this.position = range.after;
  }

  /** Finds the range of each partition. */
  async open(): Promise<void> {
    const { topic, partitions } = this.#range;
    const pieceBytes = Math.min(
      MAX_PIECE_BYTES,
      Math.max(MIN_PIECE_BYTES, Math.floor(MERGE_MEMORY_BYTES / partitions)),
    );
    for (let partition = 0; partition < partitions; partition++) {
      const [start, end] = await this.#bounds(partition);
      const after = this.#range.after;
      const max = after?.partition === partition ? after.maxTimestamp : Number.NEGATIVE_INFINITY;
      if (start < end)
        this.#exhausted.push(
          new PartitionCursor(this.#engine, topic, partition, start, end, max, pieceBytes),
        );
    }
  }

  /** True when the range is read to its end; false as well when a limit ended it before. */
  get complete(): boolean {
    return this.#heap.length === 0 && this.#exhausted.length === 0;
  }

  get done(): boolean {
    return this.#full || this.complete;
  }

  /** What was written so far has left the output buffer. */
  sent(bytes: number): void {
    this.#sentBytes += bytes;
  }

  /** Reads on where nothing is left in memory and writes some records; false when all is done. */
  async step(): Promise<boolean> {
    if (this.done) return false;
    for (let cursor = this.#exhausted.at(-1); cursor !== undefined; cursor = this.#exhausted.at(-1)) {
      // A turn for each, since there may be thousands of them.
      const filled = await scanTurns.run(() => cursor!.fill());
      this.#exhausted.pop();
      if (filled) this.#push(cursor);
    }
    const { length } = this.#out;
    while (this.#exhausted.length === 0 && this.#out.length - length < STEP_BYTES && this.#writeNext());
    return !this.done;
  }

  /** Writes the next record; false when there is none, or when a limit is reached. */
  #writeNext(): boolean {
    const cursor = this.#heap[0];
    if (cursor === undefined) return false;
    const { maxRecords, maxBytes, separator } = this.#limits;
    const out = this.#out;
    const before = out.length;
    if (this.records > 0 && separator !== undefined) out.byte(separator);
    cursor.write(out, this.#write);
    if (this.records >= maxRecords || (this.records > 0 && this.#sentBytes + out.length > maxBytes)) {
      out.truncate(before);
      this.#full = true;
      return false;
    }
    this.records++;
    this.position = cursor.position;
    this.#advance(cursor);
    return true;
  }

  #advance(cursor: PartitionCursor): void {
    if (!cursor.advance()) {
      this.#exhausted.push(cursor);
      const last = this.#heap.pop()!;
      if (last === cursor) return;
      this.#heap[0] = last;
    }
    this.#sink();
  }

  async #bounds(partition: number): Promise<[start: number, end: number]> {
    const { topic, from, until, after } = this.#range;
    const engine = this.#engine;
    const at = (timestamp: number) => engine.offsetForTimestamp(topic, partition, timestamp);
    const { logStartOffset, highWatermark } = engine.offsets(topic, partition);
    const end = until === undefined ? highWatermark : await at(until);
    let start = from === undefined ? logStartOffset : await at(from);
    if (after !== undefined) {
      const resumed = after.partition === partition ? after.nextOffset : undefined;
      start = Math.max(
        start,
        resumed ?? (await at(after.maxTimestamp + (partition < after.partition ? 1 : 0))),
      );
    }
    return [start, end];
  }

  #push(cursor: PartitionCursor): void {
    const heap = this.#heap;
    let at = heap.push(cursor) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!cursor.isBefore(heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = cursor;
  }

  /** Moves the first cursor to where it belongs. */
  #sink(): void {
    const heap = this.#heap;
    const cursor = heap[0]!;
    let at = 0;
    for (;;) {
      let child = at * 2 + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && heap[child + 1]!.isBefore(heap[child]!)) child++;
      if (!heap[child]!.isBefore(cursor)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = cursor;
  }
}
