/**
 * ProduceBatch: the records of one produce request, and where in the input they stand.
 *
 * The daemon stores a batch whole or not at all. One that it finds too large is split and sent in two.
 */
import { Encoder } from '@msgpack/msgpack';
import type { OutgoingRecord } from './json-record.ts';
import { countLines, lineEndWithin } from './line-joiner.ts';

export interface ProduceBatch {
  readonly contentType: string;
  /** Bytes of input that it stands for. */
  readonly inputBytes: number;
  /** Line numbers, counted from 1. */
  readonly firstLine: number;
  readonly lastLine: number;
  body(): Buffer;
  /** Two batches with the same records in the same order; undefined when there is but one record. */
  split(): [ProduceBatch, ProduceBatch] | undefined;
}

/** Lines that are values as they stand: the body is the input. */
export class TextBatch implements ProduceBatch {
  readonly contentType = 'text/plain';
  readonly firstLine: number;
  readonly #bytes: Buffer;

  constructor(bytes: Buffer, firstLine: number) {
    this.#bytes = bytes;
    this.firstLine = firstLine;
  }

  get inputBytes(): number {
    return this.#bytes.length;
  }

  get lastLine(): number {
    return this.firstLine + countLines(this.#bytes) - 1;
  }

  body(): Buffer {
    return this.#bytes;
  }

  split(): [TextBatch, TextBatch] | undefined {
    const end = lineEndWithin(this.#bytes, this.#bytes.length >>> 1);
    if (end === this.#bytes.length) return undefined;
    const first = new TextBatch(this.#bytes.subarray(0, end), this.firstLine);
    return [first, new TextBatch(this.#bytes.subarray(end), first.lastLine + 1)];
  }
}

/** A record and where it came from. */
export interface LineRecord {
  readonly record: OutgoingRecord;
  readonly line: number;
  readonly inputBytes: number;
}

const encoder = new Encoder({ ignoreUndefined: true });

/** Records with keys, headers or anything else that a plain line does not say. */
export class RecordsBatch implements ProduceBatch {
  readonly contentType = 'application/msgpack';
  readonly #records: readonly LineRecord[];

  constructor(records: readonly LineRecord[]) {
    this.#records = records;
  }

  get inputBytes(): number {
    return this.#records.reduce((sum, each) => sum + each.inputBytes, 0);
  }

  get firstLine(): number {
    return this.#records[0]!.line;
  }

  get lastLine(): number {
    return this.#records.at(-1)!.line;
  }

  body(): Buffer {
    const bytes = encoder.encode({ records: this.#records.map((each) => each.record) });
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  split(): [RecordsBatch, RecordsBatch] | undefined {
    if (this.#records.length < 2) return undefined;
    const half = this.#records.length >>> 1;
    return [new RecordsBatch(this.#records.slice(0, half)), new RecordsBatch(this.#records.slice(half))];
  }
}
