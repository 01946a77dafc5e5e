/**
 * IngestPacker: gathers the lines of one input into batches of events, of a wanted size.
 *
 * Which events there are, and where each ends, depends on the lines from `start` on alone: who goes on later where a batch
 * ended makes the same events.
 */
import { isUtf8 } from 'node:buffer';
import type { BatchPacker } from './batch-packer.ts';
import type { EventFormat } from './formats/event-format.ts';
import { type IngestBatch, MadeBatch, type MadeEvent, RawBatch } from './ingest-batch.ts';
import { forEachLine, lineEndWithin } from './line-joiner.ts';

export interface IngestPacker extends BatchPacker<IngestBatch> {
  /** No line follows that goes on with the last event, or none for now: it is complete. */
  flush(): void;
}

/** Where in an input a packer begins. */
export interface InputPlace {
  /** In bytes. */
  position: number;
  /** The number of the line there, from 1. */
  line: number;
}

/** For lines that are events as they stand. */
export class RawPacker implements IngestPacker {
  #pieces: Buffer[] = [];
  #position: number;
  #line: number;
  gatheredBytes = 0;

  constructor({ position, line }: InputPlace) {
    this.#position = position;
    this.#line = line;
  }

  push(wholeLines: Buffer): void {
    if (wholeLines.length === 0) return;
    this.#pieces.push(wholeLines);
    this.gatheredBytes += wholeLines.length;
  }

  flush(): void {
    // Each line is complete in itself.
  }

  take(limitBytes: number): RawBatch | undefined {
    if (this.gatheredBytes === 0) return undefined;
    const all = this.#pieces.length === 1 ? this.#pieces[0]! : Buffer.concat(this.#pieces);
    const end = lineEndWithin(all, limitBytes);
    const batch = new RawBatch(all.subarray(0, end), this.#position, this.#line);
    this.#pieces = end === all.length ? [] : [all.subarray(end)];
    this.gatheredBytes = all.length - end;
    this.#position = batch.end;
    this.#line = batch.lastLine + 1;
    return batch;
  }
}

/** What is longer is two events: nothing gathers without an end. */
const MAX_EVENT_BYTES = 1024 * 1024;

/** For lines that events are made of. A line that `format` refuses is reported with its number, and left out. */
export class FormatPacker implements IngestPacker {
  readonly #format: EventFormat;
  readonly #reject: (line: number, reason: string) => void;
  #events: MadeEvent[] = [];
  /** The lines of the event that may go on. */
  #pending: { lines: string[]; firstLine: number; lastLine: number; bytes: number; end: number } | undefined;
  /** Where the next line begins, and the next batch. */
  #position: number;
  #line: number;
  #start: number;

  constructor(
    format: EventFormat,
    { position, line }: InputPlace,
    reject: (line: number, reason: string) => void,
  ) {
    this.#format = format;
    this.#reject = reject;
    this.#position = position;
    this.#start = position;
    this.#line = line;
  }

  get gatheredBytes(): number {
    return this.#events.length === 0 ? 0 : this.#events.at(-1)!.end - this.#start;
  }

  push(wholeLines: Buffer): void {
    forEachLine(wholeLines, (bytes) => {
      const line = this.#line++;
      const text = textOf(bytes);
      // What marks the encoding of a file is no part of its first line.
      const isMarked = this.#position === 0 && text.startsWith('\uFEFF');
      this.#position += bytes.length + 1;
      this.#take(isMarked ? text.slice(1) : text, line, bytes.length);
    });
  }

  flush(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    const { firstLine, lastLine, end } = pending;
    try {
      const json = JSON.stringify(this.#format.parse(pending.lines.join('\n')));
      this.#events.push({ json, firstLine, lastLine, end });
    } catch (error) {
      this.#reject(firstLine, (error as Error).message);
    }
  }

  take(limitBytes: number): MadeBatch | undefined {
    if (this.#events.length === 0) return undefined;
    let count = 1;
    while (count < this.#events.length && this.#events[count]!.end - this.#start <= limitBytes) count++;
    const batch = new MadeBatch(this.#events.slice(0, count), this.#start);
    this.#events = this.#events.slice(count);
    this.#start = batch.end;
    return batch;
  }

  #take(text: string, line: number, bytes: number): void {
    if (text.trim() === '') return;
    const pending = this.#pending;
    if (pending !== undefined && pending.bytes + bytes <= MAX_EVENT_BYTES && this.#format.continues(text)) {
      pending.lines.push(text);
      pending.lastLine = line;
      pending.bytes += bytes;
      pending.end = this.#position;
      return;
    }
    this.flush();
    this.#pending = { lines: [text], firstLine: line, lastLine: line, bytes, end: this.#position };
  }
}

const CARRIAGE_RETURN = 0x0d;

/** What is no UTF-8 is taken for Latin-1, in which every byte stands for something. */
function textOf(line: Buffer): string {
  const end = line.at(-1) === CARRIAGE_RETURN ? line.length - 1 : line.length;
  return line.toString(isUtf8(line) ? 'utf8' : 'latin1', 0, end);
}
