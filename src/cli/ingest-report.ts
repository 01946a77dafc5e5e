/** What `seglog ingest` has to tell: what is stored, how far each input came, and which lines were left out. */
import type { Io } from './io.ts';
import { count, humanBytes, humanDuration } from './text.ts';

/** A line that is no event, or was none to the daemon. */
export interface LeftOut {
  input: string;
  line: number;
  code: string;
  detail: string;
}

/** Further ones are only counted. */
const MAX_SHOWN = 10;
const MAX_REMEMBERED = 100;

export class IngestReport {
  accepted = 0;
  rejected = 0;
  /** Bytes of input that are done with. */
  bytes = 0;
  /** The first of the lines that were left out. */
  readonly leftOut: LeftOut[] = [];
  readonly #topic: string;
  readonly #io: Io;
  /** Makes room for a line: takes a progress bar away. */
  readonly makeRoom: () => void;
  readonly #started = performance.now();
  readonly #lines = new Map<string, number>();

  constructor(topic: string, io: Io, makeRoom: () => void) {
    this.#topic = topic;
    this.#io = io;
    this.makeRoom = makeRoom;
  }

  get tookMs(): number {
    return Math.round(performance.now() - this.#started);
  }

  /** Up to `lastLine` all of an input is stored, or left out. */
  done(input: string, lastLine: number, bytes: number, accepted: number): void {
    this.accepted += accepted;
    this.bytes += bytes;
    this.#lines.set(input, lastLine);
  }

  reject(leftOut: LeftOut): void {
    this.rejected++;
    if (this.leftOut.length < MAX_REMEMBERED) this.leftOut.push(leftOut);
    const { input, line, detail } = leftOut;
    if (this.rejected <= MAX_SHOWN) this.say(`line ${line} of ${input} is left out: ${detail}`);
    else if (this.rejected === MAX_SHOWN + 1) this.say('further lines that are left out are only counted');
  }

  /** Lines that were left out, of which the daemon named no more. */
  rejectUnnamed(lines: number): void {
    this.rejected += lines;
  }

  say(text: string): void {
    this.makeRoom();
    this.#io.stderr.write(`seglog: ${text}\n`);
  }

  /** "a.log is stored up to line 17". */
  reached(): string {
    const inputs = [...this.#lines].map(([input, line]) => `${input} is stored up to line ${line}`);
    return inputs.length === 0 ? 'nothing is stored' : inputs.join(', ');
  }

  summary(): string {
    const { tookMs, accepted, bytes, rejected } = this;
    const perSecond = (amount: number) => (amount / Math.max(1, tookMs)) * 1000;
    const rate = `${Math.round(perSecond(accepted))} events/s, ${humanBytes(perSecond(bytes))}/s`;
    const left = rejected === 0 ? '' : `; ${count(rejected, 'line')} left out`;
    return `${count(accepted, 'event')}, ${count(bytes, 'byte')} in ${humanDuration(tookMs)} to ${this.#topic}, ${rate}${left}`;
  }
}
