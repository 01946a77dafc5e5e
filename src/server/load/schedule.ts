/**
 * Schedule: when the requests of a load are due. It is settled before the first one is sent and does not know how they
 * fare: that is what makes a load open loop. It is a list of stretches, each with a constant rate.
 *
 * Requests are numbered from 0; times are milliseconds since the start.
 */
export interface Stretch {
  /** May be 0. */
  readonly perSecond: number;
  readonly ms: number;
}

interface Placed extends Stretch {
  readonly startMs: number;
  /** How many requests are due before it: a fraction where the rates make one. */
  readonly before: number;
}

/** What a sum of rates and times may be off by. */
const ROUNDING = 1e-6;

export class Schedule {
  readonly durationMs: number;
  /** How many requests are due in all. */
  readonly total: number;
  readonly #stretches: readonly Placed[];

  constructor(stretches: readonly Stretch[]) {
    const placed: Placed[] = [];
    let startMs = 0;
    let before = 0;
    for (const { perSecond, ms } of stretches) {
      placed.push({ perSecond, ms, startMs, before });
      startMs += ms;
      before += (perSecond * ms) / 1000;
    }
    this.#stretches = placed;
    this.durationMs = startMs;
    this.total = Math.ceil(before - ROUNDING);
  }

  /** When request `index` is due. */
  dueAt(index: number): number {
    const { startMs, before, perSecond } = this.#last((each) => each.before <= index + ROUNDING);
    return startMs + (Math.max(0, index - before) * 1000) / perSecond;
  }

  /** How many requests are due by a time, which is included. */
  dueBy(ms: number): number {
    if (ms >= this.durationMs) return this.total;
    const { startMs, before, perSecond } = this.#last((each) => each.startMs <= ms);
    // Due are those whose number is at most what the rates have made by then.
    const made = before + (perSecond * (ms - startMs)) / 1000;
    const whole = Math.floor(made + ROUNDING) + 1;
    return Math.min(this.total, perSecond === 0 ? Math.ceil(made - ROUNDING) : whole);
  }

  /** The last stretch for which `begun` holds; it holds for the first. */
  #last(begun: (stretch: Placed) => boolean): Placed {
    let low = 0;
    let high = this.#stretches.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (begun(this.#stretches[middle]!)) low = middle;
      else high = middle - 1;
    }
    return this.#stretches[low]!;
  }
}

/** How many are due in all of the stretches: the part of one that is begun at their end does not count. */
export function wholeDueIn(stretches: readonly Stretch[]): number {
  return Math.floor(
    stretches.reduce((sum, { perSecond, ms }) => sum + (perSecond * ms) / 1000, 0) + ROUNDING,
  );
}

export interface BurstShape {
  perSecond: number;
  /** Between the bursts. */
  basePerSecond: number;
  periodMs: number;
  /** Each period ends with a burst of this length. */
  burstMs: number;
  durationMs: number;
}

/** A base rate, and a burst at the end of each period. The last period is cut where the duration ends. */
export function burstStretches({
  perSecond,
  basePerSecond,
  periodMs,
  burstMs,
  durationMs,
}: BurstShape): Stretch[] {
  const stretches: Stretch[] = [];
  for (let left = durationMs; left > 0; left -= periodMs) {
    const baseMs = Math.min(left, periodMs - burstMs);
    stretches.push({ perSecond: basePerSecond, ms: baseMs });
    if (left > baseMs) stretches.push({ perSecond, ms: Math.min(left - baseMs, burstMs) });
  }
  return stretches.filter(({ ms }) => ms > 0);
}

const MOST_BATCH = 100;
const LEAST_REQUESTS_PER_SECOND = 10;

/** Records in a request where nobody said: 100, or fewer where that would be less than ten requests a second. */
export function fittingBatchSize(recordsPerSecond: number): number {
  return Math.max(1, Math.min(MOST_BATCH, Math.floor(recordsPerSecond / LEAST_REQUESTS_PER_SECOND)));
}
