/**
 * PartitionCheck: compares what a partition holds, record by record in its order, with the ledger of a load: every
 * acknowledged record there, once, in order. It keeps one number a lane, and the gaps that it has met.
 *
 * A record whose request failed may be there or not, and anywhere: nobody was promised anything.
 */
import type { NumberRange, RecordLedger } from './record-ledger.ts';

export interface CheckResult {
  /** Acknowledged records that were found. */
  found: number;
  missing: number;
  duplicated: number;
  /** Found, but behind one that was sent after they were acknowledged. */
  outOfOrder: number;
  /** Found although their requests had failed: stored, and the answer was lost. */
  unacknowledged: number;
  /** The first few of what is wrong, in words. */
  examples: string[];
}

export const MOST_EXAMPLES = 10;
/** Gaps that are remembered, to tell a record that comes late from one that comes twice. */
const MOST_GAPS = 1_000;

interface LaneState {
  next: number;
  /** Not found so far although what was sent after them was; only what was acknowledged. */
  gaps: NumberRange[];
}

export class PartitionCheck {
  readonly result: CheckResult = {
    found: 0,
    missing: 0,
    duplicated: 0,
    outOfOrder: 0,
    unacknowledged: 0,
    examples: [],
  };
  readonly #ledger: RecordLedger;
  readonly #partition: number;
  readonly #lanes: LaneState[];

  constructor(ledger: RecordLedger, partition: number) {
    this.#ledger = ledger;
    this.#partition = partition;
    this.#lanes = Array.from({ length: ledger.lanes }, () => ({ next: 0, gaps: [] }));
  }

  /** How many acknowledged records it waits for. */
  get left(): number {
    let left = 0;
    for (let lane = 0; lane < this.#ledger.lanes; lane++) {
      const { next } = this.#lanes[lane]!;
      for (const range of this.#acknowledged(lane, next, this.#ledger.sent(lane, this.#partition)))
        left += range.end - range.first;
    }
    return left;
  }

  /** The next record of the log that is of this run. */
  see(lane: number, number: number, offset: number): void {
    const state = this.#lanes[lane];
    if (state === undefined || number >= this.#ledger.sent(lane, this.#partition)) {
      this.result.duplicated++;
      this.#example(`offset ${offset}: record ${number} of lane ${lane} was never sent to this partition`);
    } else if (this.#failed(lane, number)) {
      this.result.unacknowledged++;
      if (number >= state.next) this.#advance(lane, state, number, offset);
    } else if (number >= state.next) {
      this.result.found++;
      this.#advance(lane, state, number, offset);
    } else {
      this.#seeAgain(state, lane, number, offset);
    }
  }

  /** All of the log was seen: what did not come is missing. */
  end(): CheckResult {
    for (const [lane, state] of this.#lanes.entries()) {
      const sent = this.#ledger.sent(lane, this.#partition);
      if (state.next < sent) this.#advance(lane, state, sent, undefined);
      for (const gap of state.gaps) this.#example(`never found: ${rangeText(gap)} of lane ${lane}`);
    }
    return this.result;
  }

  #advance(lane: number, state: LaneState, number: number, offset: number | undefined): void {
    for (const gap of this.#acknowledged(lane, state.next, number)) {
      this.result.missing += gap.end - gap.first;
      if (state.gaps.length < MOST_GAPS) state.gaps.push(gap);
    }
    state.next = offset === undefined ? number : number + 1;
  }

  #seeAgain(state: LaneState, lane: number, number: number, offset: number): void {
    const at = state.gaps.findIndex(({ first, end }) => number >= first && number < end);
    if (at < 0) {
      this.result.duplicated++;
      this.#example(`offset ${offset}: record ${number} of lane ${lane} once more`);
      return;
    }
    this.result.missing--;
    this.result.found++;
    this.result.outOfOrder++;
    this.#example(`offset ${offset}: record ${number} of lane ${lane} behind one that was sent after it`);
    const { first, end } = state.gaps[at]!;
    const rest = [
      { first, end: number },
      { first: number + 1, end },
    ];
    state.gaps.splice(at, 1, ...rest.filter((gap) => gap.first < gap.end));
  }

  #failed(lane: number, number: number): boolean {
    const ranges = this.#ledger.failed(lane, this.#partition);
    return (ranges[firstBehind(ranges, number)]?.first ?? Number.POSITIVE_INFINITY) <= number;
  }

  /** The acknowledged numbers from `first` to before `end`. */
  *#acknowledged(lane: number, first: number, end: number): Generator<NumberRange> {
    const failed = this.#ledger.failed(lane, this.#partition);
    let at = first;
    for (let i = firstBehind(failed, first); i < failed.length && failed[i]!.first < end; i++) {
      if (at < failed[i]!.first) yield { first: at, end: failed[i]!.first };
      at = failed[i]!.end;
    }
    if (at < end) yield { first: at, end };
  }

  #example(text: string): void {
    if (this.result.examples.length < MOST_EXAMPLES)
      this.result.examples.push(`partition ${this.#partition}, ${text}`);
  }
}

/** The first of some ascending ranges that ends behind a number. */
function firstBehind(ranges: readonly NumberRange[], number: number): number {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ranges[middle]!.end > number) high = middle;
    else low = middle + 1;
  }
  return low;
}

const rangeText = ({ first, end }: NumberRange) =>
  end - first === 1 ? `record ${first}` : `records ${first} to ${end - 1}`;
