/**
 * UnitMemory: what is known of units once they were scanned for a page of an answer: the later pages need not look again at those
 * that have nothing more, and at others not before the time of the next event that they have.
 */
import type { Order } from './event-order.ts';
import type { ScanUnit } from './plan.ts';
import type { EventsWanted, FoundEvents } from './scan-request.ts';

interface Known {
  /** Times of the first and of the last event that was found. */
  readonly first: number;
  readonly last: number;
  /** Nothing comes behind the last one. */
  readonly complete: boolean;
}

const NOTHING: Known = { first: Number.NaN, last: Number.NaN, complete: true };

export class UnitMemory {
  readonly #order: Order;
  readonly #units = new Map<string, Known>();
  /** What was given so far ends there. */
  #givenUntil: number | undefined;

  constructor(order: Order) {
    this.#order = order;
  }

  /** A page ended with an event of this time. */
  turnPage(time: number): void {
    this.#givenUntil = time;
  }

  /** A unit was scanned for events behind all that was given so far. */
  note(unit: ScanUnit, { timestamps, more }: FoundEvents, { limit }: EventsWanted): void {
    const complete = timestamps.length < limit && !more;
    const found = { first: timestamps[0]!, last: timestamps.at(-1)!, complete };
    this.#units.set(keyOf(unit), timestamps.length === 0 ? NOTHING : found);
  }

  /** The time of the first event that a unit may still have to give; undefined where nothing is known but `bestTime`. */
  left(unit: ScanUnit, bestTime: number): number | 'nothing' | undefined {
    const known = this.#units.get(keyOf(unit));
    if (known === undefined || this.#givenUntil === undefined) return undefined;
    if (known === NOTHING || (known.complete && this.#isBefore(known.last, this.#givenUntil)))
      return 'nothing';
    const next = this.#isBefore(known.first, this.#givenUntil) ? this.#givenUntil : known.first;
    return this.#isBefore(next, bestTime) ? bestTime : next;
  }

  #isBefore(time: number, other: number): boolean {
    return this.#order === 'asc' ? time < other : time > other;
  }
}

function keyOf({ segment, ranges }: ScanUnit): string {
  return `${segment.id} ${ranges[0]!.position} ${ranges.at(-1)!.end} ${ranges.length}`;
}
