/**
 * The order that all answers have: by time, then by partition, then by offset; descending is exactly the reverse. No two events
 * have the same place in it, so a place parts what was given from what is to come, whatever arrives meanwhile.
 */

export type Order = 'asc' | 'desc';

export interface EventPlace {
  readonly timestamp: number;
  readonly partition: number;
  readonly offset: number;
}

/** Negative where `a` comes before `b`. */
export function comparePlaces(order: Order, a: EventPlace, b: EventPlace): number {
  const ascending = a.timestamp - b.timestamp || a.partition - b.partition || a.offset - b.offset;
  return order === 'asc' ? ascending : -ascending;
}

/** What of one partition comes behind a place: later times, and of the place's own time offsets beyond `offset`. */
export interface PartitionBound {
  readonly timestamp: number;
  readonly offset: number;
}

export function boundIn(partition: number, order: Order, place: EventPlace): PartitionBound {
  const side = Math.sign(partition - place.partition) * (order === 'asc' ? 1 : -1);
  // A partition behind the place's has all offsets behind it, and one before it none.
  const none = order === 'asc' ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
  const offset = side === 0 ? place.offset : side > 0 ? -none : none;
  return { timestamp: place.timestamp, offset };
}

/** Whether an event of the bound's partition comes behind it. */
export function isBehind(order: Order, bound: PartitionBound, timestamp: number, offset: number): boolean {
  const behind = timestamp - bound.timestamp || offset - bound.offset;
  return order === 'asc' ? behind > 0 : behind < 0;
}
