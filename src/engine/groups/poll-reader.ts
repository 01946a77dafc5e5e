/**
 * Reads on in several partitions, fairly: they take turns, each turn is a share of what may be read, and the next reading
 * begins with the partition after the one that came last. What a turn leaves over goes to those that have more.
 */
import { isSeglogError } from '../common/errors.ts';
import type { Engine } from '../engine.ts';
import { batchBaseOffset, batchSize } from '../format/record-batch.ts';
import { takeRecords } from './record-range.ts';
import type {
  PartitionOffset,
  PollError,
  PolledPartition,
  RecordReader,
  RecordShare,
  ShareRead,
} from './types.ts';

export interface FairReading {
  /** Those that have records. */
  readonly partitions: PolledPartition[];
  /** Where to go on, in the order of the places: the end of what was read, or passed over because nothing is there. */
  readonly positions: PartitionOffset[];
  readonly errors: PollError[];
  /** The first of them as it was thrown. */
  readonly failure: unknown;
  /** The place that the next reading is to begin with. */
  readonly next: number;
}

/** `first`: the place to begin with. `reader`: what reads, if not the engine into memory. */
export async function readFairly(
  engine: Engine,
  places: readonly PartitionOffset[],
  first: number,
  allowance: RecordShare,
  reader?: RecordReader,
): Promise<FairReading> {
  reader?.begin();
  const left = { ...allowance };
  const all = places.map((place, at) => new PlaceReader(engine, place, at, reader));
  const start = places.length === 0 ? 0 : first % places.length;
  let open = [...all.slice(start), ...all.slice(0, start)].filter((reader) => reader.hasMore);
  let next = start;
  while (open.length > 0 && left.bytes > 0 && left.records > 0) {
    const share = {
      bytes: Math.max(1, Math.floor(left.bytes / open.length)),
      records: Math.max(1, Math.floor(left.records / open.length)),
    };
    for (const reader of open) {
      if (left.bytes <= 0 || left.records <= 0) break;
      await reader.read(share, left);
      next = (reader.at + 1) % places.length;
    }
    open = open.filter((reader) => reader.hasMore && !reader.isBlocked);
  }
  // One that had no place for its next record gets all of it the next time.
  const blocked = all.find((reader) => reader.isBlocked && reader.polled === undefined);
  if (blocked !== undefined) next = blocked.at;
  return {
    partitions: all.flatMap((reader) => reader.polled ?? []),
    positions: all.map((reader) => reader.position),
    errors: all.flatMap((reader) => reader.error ?? []),
    failure: all.find((reader) => reader.failure !== undefined)?.failure,
    next,
  };
}

/** One partition while it is read on. */
class PlaceReader {
  readonly at: number;
  failure: unknown;
  /** Its next record is larger than what was left. */
  isBlocked = false;
  readonly #reader: RecordReader | undefined;
  #records = 0;
  readonly #engine: Engine;
  readonly #place: PartitionOffset;
  readonly #chunks: Buffer[] = [];
  /** Where its records end, and what was looked at. */
  #endOffset: number;
  #offset: number;
  #highWatermark: number;

  constructor(engine: Engine, place: PartitionOffset, at: number, reader: RecordReader | undefined) {
    this.#engine = engine;
    this.#reader = reader;
    this.#place = place;
    this.at = at;
    this.#endOffset = place.offset;
    this.#offset = place.offset;
    this.#highWatermark = engine.offsets(place.topic, place.partition).highWatermark;
  }

  get hasMore(): boolean {
    return this.failure === undefined && this.#highWatermark > this.#offset;
  }

  get position(): PartitionOffset {
    return { ...this.#place, offset: this.#offset };
  }

  get polled(): PolledPartition | undefined {
    if (this.#records === 0) return undefined;
    const { topic, partition, offset } = this.#place;
    return {
      topic,
      partition,
      offset,
      endOffset: this.#endOffset,
      chunks: this.#chunks,
      highWatermark: this.#highWatermark,
    };
  }

  get error(): PollError | undefined {
    if (!isSeglogError(this.failure)) return undefined;
    const { topic, partition } = this.#place;
    const { code, message, details } = this.failure;
    return { topic, partition, code, message, details };
  }

  /** Reads until there are records, or the end is reached. */
  async read(share: RecordShare, left: RecordShare): Promise<void> {
    try {
      for (let found = 0; found === 0 && this.hasMore && !this.isBlocked; ) {
        const bounds = {
          bytes: Math.min(share.bytes, left.bytes),
          records: Math.min(share.records, left.records),
        };
        const { position, records, bytes } = await this.#readShare(bounds);
        this.isBlocked = position === this.#offset;
        this.#offset = position;
        found = records;
        if (found === 0) continue;
        this.#records += found;
        this.#endOffset = position;
        left.bytes -= bytes;
        left.records -= found;
      }
    } catch (error) {
      if (!isSeglogError(error)) throw error;
      this.failure = error;
    }
  }

  async #readShare(share: RecordShare): Promise<ShareRead> {
    const { topic, partition } = this.#place;
    const offset = this.#offset;
    if (this.#reader !== undefined) {
      const read = await this.#reader.read({ topic, partition, offset }, share);
      this.#highWatermark = this.#engine.offsets(topic, partition).highWatermark;
      return read;
    }
    const result = await this.#engine.read(topic, partition, { offset, maxBytes: share.bytes });
    const { chunks, records, endOffset } = takeRecords(result.chunks, offset, share.records);
    this.#highWatermark = result.highWatermark;
    if (records > 0) this.#add(chunks, offset);
    return { position: endOffset ?? result.nextOffset, records, bytes: result.bytes };
  }

  /** A batch that was read before up to `from` is there already. */
  #add(chunks: readonly Buffer[], from: number): void {
    const [first, ...others] = chunks;
    const isThere = this.#chunks.length > 0 && batchBaseOffset(first!, 0) < from;
    const rest = isThere ? first!.subarray(batchSize(first!, 0)) : first!;
    if (rest.length > 0) this.#chunks.push(rest);
    this.#chunks.push(...others);
  }
}
