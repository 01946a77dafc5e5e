/**
 * EventIntake: takes chunks of lines in and stores those that are events.
 *
 * A chunk becomes one append, of which in each partition all is stored or nothing. Several appends are under way at a time, in
 * order; who pushes waits while there are more. An append that is larger than its topic takes is cut in half until it fits, down
 * to a single event that is rejected.
 */
import { isSeglogError, type PartitionAppend, type PendingAppend } from '../engine/index.ts';
import { type EventFault, type LinesRead, readEventLines } from '../query/index.ts';
import { type EventTopic, NOWHERE } from './event-topic.ts';
import type { RequestKey } from './produce-safety.ts';
import { RejectedLines } from './rejected-lines.ts';

/** Takes the lines of a body in. */
export interface LineIntake {
  /** Events that are stored. */
  readonly accepted: number;
  /** Those of them that had been stored before, under the same key. */
  readonly replayed: number;
  readonly rejected: RejectedLines;
  /** Lines that were read. */
  readonly lines: number;
  /** Reads whole lines, which may be changed once this resolves. Rejects as appends do. */
  push(chunk: Buffer): Promise<void>;
  /** A line that is not even looked at. */
  pushTooLong(limit: number): void;
  /** Resolves once all that was accepted is stored. Rejects as appends do. */
  finish(): Promise<void>;
  /** As `finish`, but never rejects. */
  settle(): Promise<void>;
}

const MAX_APPENDS = 4;
const NEWLINE = 0x0a;
/** What is stored is so much more than the lines, about: each event has its source as a key. */
export const RECORD_OVERHEAD = 1.15;

export class EventIntake implements LineIntake {
  accepted = 0;
  replayed = 0;
  lines = 0;
  readonly rejected = new RejectedLines();
  readonly #topic: EventTopic;
  readonly #defaultSource: Buffer | undefined;
  readonly #key: RequestKey | undefined;
  #chunks = 0;
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  /** `defaultSource` is for events that name none; `key` of a request that may be sent again. */
  constructor(topic: EventTopic, defaultSource: Buffer | undefined, key?: RequestKey) {
    this.#topic = topic;
    this.#defaultSource = defaultSource;
    this.#key = key;
  }

  async push(chunk: Buffer): Promise<void> {
    await this.#storeRange(chunk, 0, chunk.length, String(this.#chunks++));
    while (this.#underWay.size >= MAX_APPENDS) await Promise.race(this.#underWay);
    this.#throwFailure();
  }

  pushTooLong(limit: number): void {
    this.lines++;
    this.rejected.add(this.lines, 'record_too_large', `it has more than ${limit} bytes`);
  }

  async finish(): Promise<void> {
    await this.settle();
    this.#throwFailure();
  }

  async settle(): Promise<void> {
    await Promise.all(this.#underWay);
  }

  /** `part` tells the range from the others of the request. */
  async #storeRange(bytes: Buffer, at: number, end: number, part: string): Promise<void> {
    const append = await this.#startAppend(bytes, at, end, part);
    const faults: [line: number, fault: EventFault][] = [];
    append?.expect((end - at) * RECORD_OVERHEAD);
    let read: LinesRead;
    try {
      read = readEventLines(bytes, at, end, {
        firstLine: this.lines + 1,
        defaultSource: this.#defaultSource,
        sink: append ?? NOWHERE,
        reject: (line, fault) => void faults.push([line, fault]),
      });
      if (read.accepted > 0) append?.seal();
    } catch (error) {
      if (!isSeglogError(error, 'MESSAGE_TOO_LARGE')) throw error;
      return this.#storeHalves(bytes, at, end, part, error.message);
    }
    const refusal = append?.unfit && (await this.#refusalIfNew(append, read.accepted));
    if (refusal !== undefined) return this.#storeHalves(bytes, at, end, part, refusal.message);
    this.lines += read.lines;
    for (const [line, { code, detail }] of faults) this.rejected.add(line, code, detail);
    if (append !== undefined && append.unfit === undefined && read.accepted > 0)
      this.#commit(append, read.accepted);
  }

  /** The topic may have taken larger appends when the same was sent before: then it is stored as it was sent. */
  async #refusalIfNew(append: PendingAppend, events: number): Promise<Error | undefined> {
    try {
      this.replayed += replayedIn(await append.commit());
      this.accepted += events;
      return undefined;
    } catch (error) {
      if (isSeglogError(error, 'MESSAGE_TOO_LARGE')) return error;
      this.#failure ??= { error };
      throw error;
    }
  }

  /** Undefined where the topic does not exist and no line of the range is an event that it would be made for. */
  async #startAppend(
    bytes: Buffer,
    at: number,
    end: number,
    part: string,
  ): Promise<PendingAppend | undefined> {
    const key = this.#key?.ofPart(part, bytes.subarray(at, end));
    const append = this.#topic.startAppend(key);
    if (append !== undefined) return append;
    const reading = { firstLine: 1, defaultSource: this.#defaultSource, sink: NOWHERE, reject() {} };
    if (readEventLines(bytes, at, end, reading).accepted === 0) return undefined;
    return this.#topic.createAndStartAppend(key);
  }

  async #storeHalves(bytes: Buffer, at: number, end: number, part: string, message: string): Promise<void> {
    const middle = lineEndNearMiddle(bytes, at, end);
    if (middle === end) {
      this.lines++;
      this.rejected.add(this.lines, 'record_too_large', message);
      return;
    }
    await this.#storeRange(bytes, at, middle, `${part}a`);
    await this.#storeRange(bytes, middle, end, `${part}b`);
  }

  #commit(append: PendingAppend, events: number): void {
    const done = append.commit().then(
      (appended) => {
        this.accepted += events;
        this.replayed += replayedIn(appended);
        this.#underWay.delete(done);
      },
      (error: unknown) => {
        this.#failure ??= { error };
        this.#underWay.delete(done);
      },
    );
    this.#underWay.add(done);
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** How many of the records had been stored before. */
export function replayedIn(appended: readonly PartitionAppend[]): number {
  return appended.reduce((sum, { duplicate, count }) => sum + (duplicate ? count : 0), 0);
}

/** The end of a line near the middle of the range; of the range where it is one line. */
function lineEndNearMiddle(bytes: Buffer, at: number, end: number): number {
  const middle = (at + end) >>> 1;
  const before = bytes.lastIndexOf(NEWLINE, middle - 1);
  if (before >= at) return before + 1;
  const behind = bytes.subarray(0, end).indexOf(NEWLINE, middle);
  return behind < 0 ? end : behind + 1;
}
