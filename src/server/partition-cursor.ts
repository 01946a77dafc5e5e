/** One partition of a merge: a piece of it in memory, and the record that is next. */
import { type Engine, visitRecords } from '../engine/index.ts';
import type { OutputBuffer } from './output-buffer.ts';
import type { RecordWriter } from './record-formats.ts';

/** Numbers that are kept of each record in memory. */
const FIELDS = 7;
const MIN_READ_BYTES = 4 * 1024;

/** The place behind a record. */
export interface MergePosition {
  /** The running maximum of timestamps in its partition, there. */
  maxTimestamp: number;
  partition: number;
  nextOffset: number;
}

export class PartitionCursor {
  readonly #engine: Engine;
  readonly #topic: string;
  readonly #partition: number;
  readonly #end: number;
  readonly #into: Buffer;
  #nextRead: number;
  #maxTimestamp: number;
  /** Of each record in memory: offset, timestamp, key start and end, value start and end, headers start. */
  #fields: number[] = [];
  #chunks: Buffer[] = [];
  #current = 0;
  /** Bytes of the batches in memory; they may be many times what was read. */
  #heldBytes = 0;
  /** How much is read at a time: less than there is room for where it decompresses to more. */
  #readBytes: number;
  /** The first record that was read and not kept. */
  #stoppedAt = 0;

  constructor(
    engine: Engine,
    topic: string,
    partition: number,
    start: number,
    end: number,
    maxTimestamp: number,
    pieceBytes: number,
  ) {
    this.#engine = engine;
    this.#topic = topic;
    this.#partition = partition;
    this.#nextRead = start;
    this.#end = end;
    this.#maxTimestamp = maxTimestamp;
    this.#into = Buffer.allocUnsafeSlow(pieceBytes);
    this.#readBytes = pieceBytes;
  }

  isBefore(other: PartitionCursor): boolean {
    if (this.#maxTimestamp !== other.#maxTimestamp) return this.#maxTimestamp < other.#maxTimestamp;
    return this.#partition < other.#partition;
  }

  /** Reads until there is a record; false at the end of the range. */
  async fill(): Promise<boolean> {
    this.#fields = [];
    this.#chunks = [];
    this.#current = 0;
    this.#heldBytes = 0;
    while (this.#fields.length === 0 && this.#nextRead < this.#end) {
      const options = { offset: this.#nextRead, into: this.#into.subarray(0, this.#readBytes) };
      const result = await this.#engine.read(this.#topic, this.#partition, options);
      const whole = result.chunks.every((chunk) => visitRecords(chunk, this.#nextRead, this.#keep));
      if (result.nextOffset <= this.#nextRead) break;
      // What is left of the piece was read in vain.
      if (!whole) this.#readBytes = Math.max(MIN_READ_BYTES, this.#readBytes >>> 1);
      this.#nextRead = whole ? result.nextOffset : this.#stoppedAt;
    }
    if (this.#fields.length === 0) return false;
    this.#noteTimestamp();
    return true;
  }

  readonly #keep = (offset: number, timestamp: number, chunk: Buffer, ...positions: number[]): boolean => {
    const begun = chunk === this.#chunks.at(-1);
    if (offset >= this.#end || (!begun && this.#heldBytes >= this.#into.length)) {
      this.#stoppedAt = offset;
      return false;
    }
    if (!begun) this.#heldBytes += chunk.length;
    this.#fields.push(offset, timestamp, ...positions);
    this.#chunks.push(chunk);
    return true;
  };

  #noteTimestamp(): void {
    this.#maxTimestamp = Math.max(this.#maxTimestamp, this.#fields[this.#current * FIELDS + 1]!);
  }

  /** Writes the current record. */
  write(out: OutputBuffer, write: RecordWriter): void {
    const at = this.#current * FIELDS;
    const [offset, timestamp, keyStart, keyEnd, valueStart, valueEnd, headersStart] = this.#fields.slice(
      at,
      at + FIELDS,
    );
    const chunk = this.#chunks[this.#current]!;
    write(
      out,
      this.#partition,
      offset!,
      timestamp!,
      chunk,
      keyStart!,
      keyEnd!,
      valueStart!,
      valueEnd!,
      headersStart!,
    );
  }

  /** The place behind the current record. */
  get position(): MergePosition {
    const nextOffset = this.#fields[this.#current * FIELDS]! + 1;
    return { maxTimestamp: this.#maxTimestamp, partition: this.#partition, nextOffset };
  }

  /** Goes to the next record in memory; false when there is none. */
  advance(): boolean {
    this.#current++;
    if (this.#current >= this.#chunks.length) return false;
    this.#noteTimestamp();
    return true;
  }
}
