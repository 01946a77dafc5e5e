/**
 * OpenLoop: begins requests when they are due, whatever became of those before.
 *
 * A request that is due while all lanes are busy waits for one, and its latency counts from when it was due all the
 * same: a stall is charged to every request that fell into it, not to the few that were under way (a closed loop
 * stops asking while it waits, and so leaves out what it would have seen: "coordinated omission").
 *
 * A lane carries one request at a time. Requests begin in the order in which they are due. Nothing is kept for a
 * request that waits, since the schedule knows when it was due: a backlog costs no memory.
 */
import { type Clock, systemClock } from '../../engine/index.ts';
import type { LoadRecorder, Outcome } from './load-recorder.ts';
import type { Schedule } from './schedule.ts';

export interface OpenLoopOptions {
  schedule: Schedule;
  /** The most requests under way at one time. */
  lanes: number;
  recorder: LoadRecorder;
  clock: Clock;
  /** Begins a request on a lane that is idle; `ended` is called once, when it is over. Never throws. */
  begin(index: number, lane: number, ended: (outcome: Outcome) => void): void;
  /** What is due in this time from the start on is done, but not counted. */
  warmUpMs?: number;
  /** How long after the schedule's end requests that were due may still begin; the others never do. */
  graceMs?: number;
}

/** The system's time, with timers that keep the process alive: a load may have nothing else to wait for. */
export const loadClock: Clock = {
  ...systemClock,
  after(delayMs, callback) {
    const timer = setTimeout(callback, delayMs);
    return () => clearTimeout(timer);
  },
};

/** How long a timer may be set for: long enough to idle, short enough to notice a stop. */
const LONGEST_NAP_MS = 50;
const NEVER = Number.POSITIVE_INFINITY;

export class OpenLoop {
  readonly #options: OpenLoopOptions;
  readonly #schedule: Schedule;
  readonly #recorder: LoadRecorder;
  /** Lanes without a request; the one that was busy last is taken first. */
  readonly #idle: number[];
  /** The first request that counts. */
  readonly #firstCounted: number;
  readonly #warmUpMs: number;
  #startedAt = 0;
  /** How many were due when it was last looked. */
  #due = 0;
  #begun = 0;
  #ended = 0;
  /** No request begins from then on. */
  #endsMs: number;
  #beginning = false;
  #saturatedSince: number | undefined;
  #cancelNap: (() => void) | undefined;
  #resolve: (() => void) | undefined;

  constructor(options: OpenLoopOptions) {
    const { schedule, lanes, recorder, warmUpMs = 0, graceMs = NEVER } = options;
    this.#options = options;
    this.#schedule = schedule;
    this.#recorder = recorder;
    this.#idle = Array.from({ length: lanes }, (_, i) => lanes - 1 - i);
    this.#warmUpMs = warmUpMs;
    this.#firstCounted = warmUpMs === 0 ? 0 : schedule.dueBy(warmUpMs - 1e-3);
    this.#endsMs = schedule.durationMs + graceMs;
  }

  /** Resolves when all requests that began have ended and no more will begin. The timer wakes once a millisecond. */
  run(): Promise<void> {
    this.#startedAt = this.#options.clock.monotonic();
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#wake();
    });
  }

  /** No more requests begin: those that were due by now and wait count as never sent. */
  stop(): void {
    this.#endsMs = Math.min(this.#endsMs, this.#elapsed());
    this.#wake();
  }

  #elapsed(): number {
    return this.#options.clock.monotonic() - this.#startedAt;
  }

  readonly #wake = (): void => {
    if (this.#resolve === undefined) return;
    const now = this.#elapsed();
    this.#noteDue(now);
    if (now >= this.#endsMs) this.#giveUp(now);
    else this.#beginDue();
    this.#recorder.tick(now - this.#warmUpMs, this.#due - this.#begun);
    this.#cancelNap?.();
    if (!this.#finished()) this.#cancelNap = this.#options.clock.after(this.#napMs(), this.#wake);
  };

  /** What fell due since the last look comes late by as much as this process was busy with other things. */
  #noteDue(now: number): void {
    const due = this.#schedule.dueBy(Math.min(now, this.#endsMs));
    for (let i = this.#due; i < due; i++) {
      if (i >= this.#firstCounted) this.#recorder.due(now - this.#schedule.dueAt(i));
    }
    this.#due = Math.max(this.#due, due);
  }

  #napMs(): number {
    const now = this.#elapsed();
    const next = this.#due < this.#schedule.total ? this.#schedule.dueAt(this.#due) - now : LONGEST_NAP_MS;
    return Math.max(1, Math.min(LONGEST_NAP_MS, Math.floor(next), Math.ceil(this.#endsMs - now)));
  }

  #beginDue(): void {
    // A request may end before `begin` returns, and that would begin the next one from within.
    if (this.#beginning) return;
    this.#beginning = true;
    if (this.#begun < this.#firstCounted && this.#elapsed() >= this.#warmUpMs) this.#dropWarmUp();
    while (this.#begun < this.#due && this.#idle.length > 0) this.#begin(this.#begun++, this.#idle.pop()!);
    this.#beginning = false;
    this.#noteSaturation();
  }

  /** What the warm-up could not send in its time is not to hold up what counts. */
  #dropWarmUp(): void {
    const dropped = Math.min(this.#due, this.#firstCounted) - this.#begun;
    this.#begun += dropped;
    this.#ended += dropped;
  }

  #begin(index: number, lane: number): void {
    const counts = index >= this.#firstCounted;
    const dueMs = this.#schedule.dueAt(index);
    const sentMs = this.#elapsed();
    if (counts) this.#recorder.begun(lane);
    this.#options.begin(index, lane, (outcome) => {
      const now = this.#elapsed();
      this.#idle.push(lane);
      this.#ended++;
      if (counts) {
        const from = this.#warmUpMs;
        this.#recorder.ended(outcome, { dueMs: dueMs - from, sentMs: sentMs - from, endMs: now - from });
      }
      if (now < this.#endsMs) this.#beginDue();
      this.#finished();
    });
  }

  #noteSaturation(): void {
    const saturated = this.#begun < this.#due;
    if (saturated && this.#saturatedSince === undefined) {
      this.#saturatedSince = this.#elapsed();
    } else if (!saturated && this.#saturatedSince !== undefined) {
      this.#recorder.saturated(this.#elapsed() - Math.max(this.#saturatedSince, this.#warmUpMs));
      this.#saturatedSince = undefined;
    }
  }

  /** What waits now is never sent: it counts with the time that it has waited. */
  #giveUp(now: number): void {
    for (; this.#begun < this.#due; this.#begun++, this.#ended++) {
      const dueMs = this.#schedule.dueAt(this.#begun);
      if (this.#begun >= this.#firstCounted)
        this.#recorder.neverSent({ dueMs: dueMs - this.#warmUpMs, endMs: now - this.#warmUpMs });
    }
    this.#noteSaturation();
  }

  #finished(): boolean {
    if (this.#resolve === undefined) return true;
    const over = this.#due === this.#schedule.total || this.#elapsed() >= this.#endsMs;
    if (!over || this.#ended < this.#due) return false;
    this.#recorder.finish(this.#elapsed() - this.#warmUpMs);
    this.#resolve();
    this.#resolve = undefined;
    return true;
  }
}
