/** IngestBatch: the events of one request, and where in the input they stand. */
import { countLines, lineEndWithin } from './line-joiner.ts';
import type { ProduceBatch } from './produce-batch.ts';

export interface IngestBatch extends ProduceBatch {
  /** Positions in the input, in bytes; the end is exclusive. What lies between them and is no event was left out. */
  readonly start: number;
  readonly end: number;
  /** The line of the input that the n-th line of the body stands for, from 1. */
  lineOf(n: number): number;
  split(): [IngestBatch, IngestBatch] | undefined;
}

const CONTENT_TYPE = 'application/x-ndjson';
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** Lines that are events as they stand: the body is the input. */
export class RawBatch implements IngestBatch {
  readonly contentType = CONTENT_TYPE;
  readonly start: number;
  readonly firstLine: number;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, start: number, firstLine: number) {
    this.#bytes = bytes;
    this.start = start;
    this.firstLine = firstLine;
  }

  get inputBytes(): number {
    return this.#bytes.length;
  }

  get end(): number {
    return this.start + this.#bytes.length;
  }

  get lastLine(): number {
    return this.firstLine + countLines(this.#bytes) - 1;
  }

  lineOf(n: number): number {
    return this.firstLine + n - 1;
  }

  body(): Buffer {
    const isMarked = this.start === 0 && this.#bytes.subarray(0, 3).equals(BYTE_ORDER_MARK);
    return isMarked ? this.#bytes.subarray(3) : this.#bytes;
  }

  split(): [RawBatch, RawBatch] | undefined {
    const end = lineEndWithin(this.#bytes, this.#bytes.length >>> 1);
    if (end === this.#bytes.length) return undefined;
    const first = new RawBatch(this.#bytes.subarray(0, end), this.start, this.firstLine);
    return [first, new RawBatch(this.#bytes.subarray(end), first.end, first.lastLine + 1)];
  }
}

/** An event in JSON, and the lines that it was made of. */
export interface MadeEvent {
  readonly json: string;
  readonly firstLine: number;
  readonly lastLine: number;
  /** The position behind its last line. */
  readonly end: number;
}

/** Events that were made of lines. */
export class MadeBatch implements IngestBatch {
  readonly contentType = CONTENT_TYPE;
  readonly start: number;
  readonly #events: readonly MadeEvent[];

  constructor(events: readonly MadeEvent[], start: number) {
    this.#events = events;
    this.start = start;
  }

  get inputBytes(): number {
    return this.end - this.start;
  }

  get end(): number {
    return this.#events.at(-1)!.end;
  }

  get firstLine(): number {
    return this.#events[0]!.firstLine;
  }

  get lastLine(): number {
    return this.#events.at(-1)!.lastLine;
  }

  lineOf(n: number): number {
    return this.#events[n - 1]!.firstLine;
  }

  body(): Buffer {
    return Buffer.from(`${this.#events.map(({ json }) => json).join('\n')}\n`);
  }

  split(): [MadeBatch, MadeBatch] | undefined {
    if (this.#events.length < 2) return undefined;
    const half = this.#events.length >>> 1;
    const first = new MadeBatch(this.#events.slice(0, half), this.start);
    return [first, new MadeBatch(this.#events.slice(half), first.end)];
  }
}
