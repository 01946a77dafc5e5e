/**
 * BatchPacker: gathers the lines of one input into batches of a wanted size.
 *
 * Pieces of whole lines go in with `push`; `take` gives what has gathered, at most `limitBytes` of input at a
 * time unless a single line is longer. Whoever pushes looks at `full` first: memory is bounded by that.
 */
import type { OutgoingRecord } from './json-record.ts';
import { forEachLine, lineEndWithin } from './line-joiner.ts';
import { type LineRecord, type ProduceBatch, RecordsBatch, TextBatch } from './produce-batch.ts';

export interface BatchPacker<Batch extends ProduceBatch = ProduceBatch> {
  /** Bytes of input that have gathered. */
  readonly gatheredBytes: number;
  push(wholeLines: Buffer): void;
  /** Undefined when nothing has gathered. */
  take(limitBytes: number): Batch | undefined;
}

/** For lines that are values as they stand. */
export class TextPacker implements BatchPacker {
  #pieces: Buffer[] = [];
  #nextLine = 1;
  gatheredBytes = 0;

  push(wholeLines: Buffer): void {
    if (wholeLines.length === 0) return;
    this.#pieces.push(wholeLines);
    this.gatheredBytes += wholeLines.length;
  }

  take(limitBytes: number): TextBatch | undefined {
    if (this.gatheredBytes === 0) return undefined;
    const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    const end = lineEndWithin(all, limitBytes);
    const batch = new TextBatch(all.subarray(0, end), this.#nextLine);
    this.#pieces = end === all.length ? [] : [all.subarray(end)];
    this.gatheredBytes = all.length - end;
    this.#nextLine = batch.lastLine + 1;
    return batch;
  }
}

/** For lines that are parsed. A line that `parse` refuses is reported with its number, and left out. */
export class RecordPacker implements BatchPacker {
  readonly #parse: (line: Buffer) => OutgoingRecord;
  readonly #reject: (line: number, error: Error) => void;
  #records: LineRecord[] = [];
  #line = 0;
  gatheredBytes = 0;

  constructor(parse: (line: Buffer) => OutgoingRecord, reject: (line: number, error: Error) => void) {
    this.#parse = parse;
    this.#reject = reject;
  }

  push(wholeLines: Buffer): void {
    forEachLine(wholeLines, (bytes) => {
      this.#line++;
      try {
        const inputBytes = bytes.length + 1;
        this.#records.push({ record: this.#parse(bytes), line: this.#line, inputBytes });
        this.gatheredBytes += inputBytes;
      } catch (error) {
        this.#reject(this.#line, error as Error);
      }
    });
  }

  take(limitBytes: number): RecordsBatch | undefined {
    if (this.#records.length === 0) return undefined;
    let end = 0;
    let bytes = 0;
    do bytes += this.#records[end++]!.inputBytes;
    while (end < this.#records.length && bytes + this.#records[end]!.inputBytes <= limitBytes);
    const batch = new RecordsBatch(this.#records.slice(0, end));
    this.#records = this.#records.slice(end);
    this.gatheredBytes -= bytes;
    return batch;
  }
}
