/**
 * The producers that number their records in one partition: of each its epoch, its last sequence and its last five batches.
 * As Kafka's ProducerStateManager, but strict: a producer that is not known begins with sequence 0.
 *
 * A retry of one of those batches is told by its first sequence and its count. A producer that has not appended for
 * `producer.id.expiration.ms` is forgotten.
 *
 * A crash may take the last batches with it, and then those count that they had taken the place of. So these are kept, aside, until
 * the ones in their place are synced.
 */

import { SeglogError } from '../common/errors.ts';
import type { ProducerSequence } from '../common/types.ts';
import { type StoredAppend, sequenceAfter, sequenceDistance } from './append-conditions.ts';

/** How many batches of a producer are remembered: as many as Kafka's clients have in flight. */
export const REMEMBERED_BATCHES = 5;

/** A batch that was appended, as it is remembered. */
export interface ProducedBatch extends StoredAppend {
  readonly baseSequence: number;
}

/** One producer. Batches lie flat in an array of numbers: objects would take three times the memory. */
export interface ProducerState {
  readonly id: number;
  epoch: number;
  /** By the clock, when it last appended. */
  appendedAt: number;
  /** Of each batch, oldest first: base sequence, count, base offset, max timestamp. One to five batches. */
  readonly batches: number[];
  /** Of the batches before, as far as a crash may bring them back: the same and the epoch. */
  displaced: number[] | undefined;
  /** The last time that it was met by `eachOnce`. */
  round: number;
}

/** What is remembered of a producer at an earlier end of the log. */
export interface EarlierState {
  readonly epoch: number;
  readonly batches: readonly ProducedBatch[];
}

/** Numbers of a batch, and of one that is kept aside. */
const ROW = 4;
const DISPLACED_ROW = ROW + 1;
/** With so many kept aside, it is time for a sync. */
const MANY_DISPLACED = 4096;

export class ProducerStates {
  /** By producer id; who appended last comes last. */
  readonly #states = new Map<number, ProducerState>();
  /** Those with batches that are kept aside, and how many these are. */
  readonly #displacing = new Set<ProducerState>();
  #displaced = 0;
  #rounds = 0;

  get size(): number {
    return this.#states.size;
  }

  has(id: number): boolean {
    return this.#states.has(id);
  }

  /** What becomes of a batch of `count` records: to be appended, stored before, or refused. */
  judge(
    { id, epoch, sequence }: ProducerSequence,
    count: number,
    expiredAt: number,
  ): 'append' | StoredAppend | SeglogError {
    const known = this.#states.get(id);
    const state = known === undefined || known.appendedAt <= expiredAt ? undefined : known;
    if (state === undefined) return sequence === 0 ? 'append' : unknownProducer(id, sequence);
    if (epoch < state.epoch) return fenced(id, epoch, state.epoch);
    if (epoch > state.epoch) return sequence === 0 ? 'append' : outOfOrder(id, sequence, 0);
    const stored = findBatch(state, sequence, count);
    if (stored !== undefined) return stored;
    const next = nextSequence(state);
    if (sequence === next) return 'append';
    return isForgotten(state, sequence, count) ? forgotten(id, sequence) : outOfOrder(id, sequence, next);
  }

  /**
   * A batch of the producer stands in the log. Where it does not go on from what is remembered, it was taken because that was
   * forgotten, or as the first one of a new epoch: it counts alone.
   */
  note({ id, epoch, sequence }: ProducerSequence, batch: StoredAppend, now: number): void {
    const state = this.#states.get(id);
    // An array that is made with its numbers has room for no others: most producers send little.
    const numbers = [sequence, batch.count, batch.baseOffset, batch.maxTimestamp];
    if (state === undefined) {
      this.#states.set(id, { id, epoch, appendedAt: now, batches: numbers, displaced: undefined, round: 0 });
      return;
    }
    const { batches } = state;
    if (epoch !== state.epoch || sequence !== nextSequence(state)) this.#displace(state, batches.length);
    else if (batches.length === REMEMBERED_BATCHES * ROW) this.#displace(state, ROW);
    batches.push(...numbers);
    state.epoch = epoch;
    state.appendedAt = now;
    // Behind all that appended before.
    this.#states.delete(id);
    this.#states.set(id, state);
  }

  /** Forgets who has not appended since `expiredAt`; how many those were. */
  expire(expiredAt: number): number {
    let expired = 0;
    for (const [id, state] of this.#states) {
      if (state.appendedAt > expiredAt) break;
      this.#dropDisplaced(state, state.displaced?.length ?? 0);
      this.#states.delete(id);
      expired++;
    }
    return expired;
  }

  clear(): void {
    this.#states.clear();
    this.#displacing.clear();
    this.#displaced = 0;
  }

  /** No crash takes what lies below `offset`: forgets what was kept for that. */
  synced(offset: number): void {
    for (const state of this.#displacing) {
      const [first] = stateBelow(state, offset)?.batches ?? [];
      const displaced = state.displaced!;
      let end = 0;
      while (first !== undefined && end < displaced.length && displaced[end + 2]! < first.baseOffset)
        end += DISPLACED_ROW;
      this.#dropDisplaced(state, end);
    }
  }

  /** Whether much is kept that a sync would spare. */
  get needsSync(): boolean {
    return this.#displaced >= MANY_DISPLACED;
  }

  /** The first of its batches, as many numbers as these have, are no longer among those that are remembered. */
  #displace(state: ProducerState, numbers: number): void {
    const rows = state.batches.splice(0, numbers);
    state.displaced ??= [];
    for (let at = 0; at < rows.length; at += ROW)
      state.displaced.push(rows[at]!, rows[at + 1]!, rows[at + 2]!, rows[at + 3]!, state.epoch);
    this.#displaced += numbers / ROW;
    this.#displacing.add(state);
  }

  #dropDisplaced(state: ProducerState, numbers: number): void {
    if (state.displaced === undefined) return;
    this.#displaced -= numbers / DISPLACED_ROW;
    if (numbers < state.displaced.length) {
      state.displaced.splice(0, numbers);
      return;
    }
    state.displaced = undefined;
    this.#displacing.delete(state);
  }

  get lastAppendAt(): number {
    let last = 0;
    for (const { appendedAt } of this.#states.values()) last = Math.max(last, appendedAt);
    return last;
  }

  /** The first offset of all batches that are remembered; infinity where there are none. */
  firstOffset(): number {
    let first = Number.POSITIVE_INFINITY;
    for (const { batches, displaced } of this.#states.values())
      first = Math.min(first, (displaced ?? batches)[2]!);
    return first;
  }

  /**
   * All of them, each once, who appended last coming last. Producers may come, go and append meanwhile; one that appends is met where
   * it goes then, unless it was met before.
   */
  *eachOnce(): Generator<ProducerState> {
    const round = ++this.#rounds;
    for (const state of this.#states.values()) {
      if (state.round === round) continue;
      state.round = round;
      yield state;
    }
  }

  /** Adds a producer behind all others. */
  restore(state: ProducerState): void {
    this.#states.set(state.id, state);
  }
}

export function batchesOf({ batches }: ProducerState): ProducedBatch[] {
  const list: ProducedBatch[] = [];
  for (let at = 0; at < batches.length; at += ROW) list.push(batchAt(batches, at));
  return list;
}

/** Whether all that is remembered of the producer lies below `offset`, and nothing else is kept. */
export function isBelow({ batches, displaced }: ProducerState, offset: number): boolean {
  return displaced === undefined && batches[batches.length - ROW + 2]! < offset;
}

/** What is remembered of the producer where the log ends at `offset`, synced or later; undefined where it is not known there. */
export function stateBelow(state: ProducerState, offset: number): EarlierState | undefined {
  const { displaced = [] } = state;
  const all: (ProducedBatch & { epoch: number })[] = [];
  for (let at = 0; at < displaced.length; at += DISPLACED_ROW)
    all.push({ ...batchAt(displaced, at), epoch: displaced[at + ROW]! });
  for (const batch of batchesOf(state)) all.push({ ...batch, epoch: state.epoch });
  const below = all.filter(({ baseOffset }) => baseOffset < offset);
  const last = below.at(-1);
  if (last === undefined) return undefined;
  let first = below.length - 1;
  while (first > 0 && below.length - first < REMEMBERED_BATCHES) {
    const [before, next] = [below[first - 1]!, below[first]!];
    const follows = sequenceAfter(before.baseSequence, before.count) === next.baseSequence;
    if (before.epoch !== next.epoch || !follows) break;
    first--;
  }
  return { epoch: last.epoch, batches: below.slice(first) };
}

function batchAt(batches: readonly number[], at: number): ProducedBatch {
  return {
    baseSequence: batches[at]!,
    count: batches[at + 1]!,
    baseOffset: batches[at + 2]!,
    maxTimestamp: batches[at + 3]!,
  };
}

function findBatch({ batches }: ProducerState, sequence: number, count: number): ProducedBatch | undefined {
  for (let at = batches.length - ROW; at >= 0; at -= ROW)
    if (batches[at] === sequence && batches[at + 1] === count) return batchAt(batches, at);
  return undefined;
}

function nextSequence({ batches }: ProducerState): number {
  const last = batches.length - ROW;
  return sequenceAfter(batches[last]!, batches[last + 1]!);
}

/** Whether all of the records lie before what is remembered, so that they were stored once. */
function isForgotten({ batches }: ProducerState, sequence: number, count: number): boolean {
  return (
    batches.length === REMEMBERED_BATCHES * ROW &&
    sequenceDistance(sequence, batches[0]!) > 0 &&
    sequenceDistance(sequenceAfter(sequence, count), batches[0]!) >= 0
  );
}

function unknownProducer(producerId: number, sequence: number): SeglogError {
  return new SeglogError(
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
    `producer ${producerId} is not known here, or has not appended for so long that it is forgotten (producer.id.expiration.ms), ` +
      `and ${sequence} is not where one begins: get a new producer id and begin with sequence 0; nothing was stored`,
    { producerId, sequence, expectedSequence: 0 },
  );
}

function outOfOrder(producerId: number, sequence: number, expected: number): SeglogError {
  return new SeglogError(
    'OUT_OF_ORDER_SEQUENCE_NUMBER',
    `sequence ${sequence} of producer ${producerId} is out of order: ${expected} comes next, and no batch just like it is among ` +
      `the last ${REMEMBERED_BATCHES}; nothing was stored`,
    { producerId, sequence, expectedSequence: expected },
  );
}

function forgotten(producerId: number, sequence: number): SeglogError {
  return new SeglogError(
    'DUPLICATE_SEQUENCE_NUMBER',
    `the records from sequence ${sequence} of producer ${producerId} were stored once, but lie before the last ` +
      `${REMEMBERED_BATCHES} batches, and their offsets are forgotten; nothing was stored now`,
    { producerId, sequence },
  );
}

function fenced(producerId: number, epoch: number, current: number): SeglogError {
  return new SeglogError(
    'INVALID_PRODUCER_EPOCH',
    `epoch ${epoch} of producer ${producerId} is fenced: ${current} is its epoch now, so another one has taken its place; nothing was stored`,
    { producerId, epoch, currentEpoch: current },
  );
}
