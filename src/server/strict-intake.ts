/**
 * StrictIntake: takes a body in of which nothing is stored unless every line is an event. All of it is one append, so it has to
 * fit into one: what goes to a partition is at most the topic's `max.message.bytes`.
 */
import { crc32 } from 'node:zlib';
import type { PendingAppend } from '../engine/index.ts';
import { type EventFault, type EventSink, type LinesRead, readEventLines } from '../query/index.ts';
import { HttpProblem } from './error-mapping.ts';
import { type LineIntake, replayedIn } from './event-intake.ts';
import { type EventTopic, NOWHERE } from './event-topic.ts';
import type { RequestKey } from './produce-safety.ts';
import { RejectedLines } from './rejected-lines.ts';

export class StrictIntake implements LineIntake {
  accepted = 0;
  replayed = 0;
  lines = 0;
  readonly rejected = new RejectedLines();
  readonly #topic: EventTopic;
  readonly #defaultSource: Buffer | undefined;
  readonly #key: RequestKey | undefined;
  #append: PendingAppend | undefined;
  #crc = 0;

  constructor(topic: EventTopic, defaultSource: Buffer | undefined, key?: RequestKey) {
    this.#topic = topic;
    this.#defaultSource = defaultSource;
    this.#key = key;
  }

  async push(chunk: Buffer): Promise<void> {
    const append = await this.#appendFor(chunk);
    if (this.#key !== undefined) this.#crc = crc32(chunk, this.#crc);
    const { lines } = this.#read(chunk, append ?? NOWHERE, (line, { code, detail }) =>
      this.rejected.add(line, code, detail),
    );
    this.lines += lines;
  }

  pushTooLong(limit: number): void {
    this.lines++;
    this.rejected.add(this.lines, 'record_too_large', `it has more than ${limit} bytes`);
  }

  async finish(): Promise<void> {
    if (this.rejected.count > 0) throw this.#refusal();
    const append = this.#append;
    if (append === undefined) return;
    if (this.#key !== undefined) append.setFingerprint(this.#key.ofAll(this.#crc).fingerprint);
    const events = append.recordCount;
    this.replayed = replayedIn(await append.commit());
    this.accepted = events;
  }

  async settle(): Promise<void> {
    // Nothing is under way before `finish`.
  }

  /** Once a line is rejected the others are only looked at. A topic that does not exist is made for lines that are good. */
  async #appendFor(chunk: Buffer): Promise<PendingAppend | undefined> {
    if (this.rejected.count > 0) return undefined;
    // Its fingerprint is known at the end.
    const key = this.#key?.ofAll(0);
    this.#append ??= this.#topic.startAppend(key);
    if (this.#append === undefined && this.#isGood(chunk))
      this.#append = await this.#topic.createAndStartAppend(key);
    return this.#append;
  }

  #isGood(chunk: Buffer): boolean {
    let faults = 0;
    const { accepted } = this.#read(chunk, NOWHERE, () => void faults++);
    return accepted > 0 && faults === 0;
  }

  #read(chunk: Buffer, sink: EventSink, reject: (line: number, fault: EventFault) => void): LinesRead {
    const options = { firstLine: this.lines + 1, defaultSource: this.#defaultSource, sink, reject };
    return readEventLines(chunk, 0, chunk.length, options);
  }

  #refusal(): HttpProblem {
    const { count, named } = this.rejected;
    const { line, detail } = named[0]!;
    const which =
      count === 1 ? `line ${line} is no event` : `${count} lines are no events, the first is line ${line}`;
    return new HttpProblem('invalid_event', `${which}: ${detail}; nothing was stored`, this.rejected.figures);
  }
}
