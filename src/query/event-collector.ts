/** EventCollector: keeps the first events of what a scan finds, as many as are wanted and as many bytes. */
import { BoundedHeap } from './bounded-heap.ts';
import { isBehind, type PartitionBound } from './event-order.ts';
import type { RecordSink } from './record-search.ts';
import type { EventsWanted, FoundEvents } from './scan-request.ts';

interface Kept extends PartitionBound {
  readonly value: Buffer;
}

export class EventCollector implements RecordSink {
  readonly #wanted: EventsWanted;
  readonly #kept: BoundedHeap<Kept>;
  #bytes = 0;
  /** The first one for which there was no room: whatever comes behind it is not wanted either. */
  #bound: PartitionBound | undefined;

  constructor(wanted: EventsWanted) {
    const { order, limit } = wanted;
    this.#wanted = wanted;
    const sign = order === 'asc' ? 1 : -1;
    this.#kept = new BoundedHeap(limit, (a, b) => sign * (a.timestamp - b.timestamp || a.offset - b.offset));
  }

  wants(timestamp: number, offset: number): boolean {
    const { order, after } = this.#wanted;
    if (after !== null && !isBehind(order, after, timestamp, offset)) return false;
    const bound = this.#bound ?? (this.#kept.isFull ? this.#kept.last : undefined);
    return bound === undefined || !isBehind(order, bound, timestamp, offset);
  }

  /** Whether events of a time in [from, to] may be wanted. */
  wantsTimes(from: number, to: number): boolean {
    const bound = this.#bound ?? (this.#kept.isFull ? this.#kept.last : undefined);
    if (bound === undefined) return true;
    return this.#wanted.order === 'asc' ? from <= bound.timestamp : to >= bound.timestamp;
  }

  found(timestamp: number, offset: number, bytes: Buffer, start: number, end: number): void {
    const value = Buffer.from(bytes.subarray(start, end));
    this.#bytes += value.length;
    const dropped = this.#kept.push({ timestamp, offset, value });
    if (dropped !== undefined) this.#bytes -= dropped.value.length;
    while (this.#bytes > this.#wanted.maxBytes && this.#kept.size > 1) {
      this.#bound = this.#kept.pop()!;
      this.#bytes -= (this.#bound as Kept).value.length;
    }
  }

  result(): FoundEvents {
    const kept = this.#kept.sorted();
    const ends = new Uint32Array(kept.length);
    const bytes = Buffer.allocUnsafeSlow(this.#bytes);
    let end = 0;
    for (const [i, { value }] of kept.entries()) {
      bytes.set(value, end);
      end += value.length;
      ends[i] = end;
    }
    return {
      timestamps: Float64Array.from(kept, ({ timestamp }) => timestamp),
      offsets: Float64Array.from(kept, ({ offset }) => offset),
      ends,
      bytes,
      more: this.#bound !== undefined,
    };
  }
}
