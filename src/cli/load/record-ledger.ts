/**
 * RecordLedger: which records were sent, over which lane, to which partition, and which of them nobody acknowledged. It is
 * what a log is checked against after a load, in memory that does not grow with the number of records: two numbers for each
 * stretch of failures are all that it keeps of them.
 *
 * Each record carries an id: the run, its lane, and its number among those of its lane in its partition, counted from 0. A
 * lane sends its next request when the last one is answered, so in each partition a lane's numbers must stand in order,
 * each once and without a gap, but for requests that failed.
 */

/** Numbers from `first` to before `end`. */
export interface NumberRange {
  first: number;
  end: number;
}

/** The header that carries the id. */
export const ID_HEADER = 'seglog-load';

export class RecordLedger {
  /** Tells this run's records from all others. */
  readonly run: string;
  readonly lanes: number;
  readonly partitions: number;
  /** By lane and partition: how many records were sent. */
  readonly #sent: Float64Array;
  /** By lane and partition: what was not acknowledged, in order. */
  readonly #failed = new Map<number, NumberRange[]>();
  #failedCount = 0;

  constructor(run: string, lanes: number, partitions: number) {
    this.run = run;
    this.lanes = lanes;
    this.partitions = partitions;
    this.#sent = new Float64Array(lanes * partitions);
  }

  /** Records that were sent and acknowledged, once no request is under way. */
  get acknowledged(): number {
    return this.#sent.reduce((sum, each) => sum + each, 0) - this.#failedCount;
  }

  /** Begins a request; its records are numbered with what this returns. */
  request(lane: number): LedgerRequest {
    return new LedgerRequest(this, lane);
  }

  sent(lane: number, partition: number): number {
    return this.#sent[this.#slot(lane, partition)]!;
  }

  /** What was not acknowledged, ascending. */
  failed(lane: number, partition: number): readonly NumberRange[] {
    return this.#failed.get(this.#slot(lane, partition)) ?? [];
  }

  /** The next number. For LedgerRequest only. */
  take(lane: number, partition: number): number {
    return this.#sent[this.#slot(lane, partition)]!++;
  }

  /** The numbers from `first` on were not acknowledged. For LedgerRequest only. */
  fail(lane: number, partition: number, first: number): void {
    const slot = this.#slot(lane, partition);
    const end = this.#sent[slot]!;
    this.#failedCount += end - first;
    const ranges = this.#failed.get(slot);
    const last = ranges?.at(-1);
    // A server that is away fails request after request: they are one range.
    if (last !== undefined && last.end === first) last.end = end;
    else if (ranges !== undefined) ranges.push({ first, end });
    else this.#failed.set(slot, [{ first, end }]);
  }

  #slot(lane: number, partition: number): number {
    return lane * this.partitions + partition;
  }
}

/** The records of one request. A lane has one at a time. */
export class LedgerRequest {
  readonly #ledger: RecordLedger;
  readonly #lane: number;
  /** By partition: its first number. */
  readonly #first = new Map<number, number>();

  constructor(ledger: RecordLedger, lane: number) {
    this.#ledger = ledger;
    this.#lane = lane;
  }

  /** The id of the next record, which goes to this partition. */
  id(partition: number): string {
    const number = this.#ledger.take(this.#lane, partition);
    if (!this.#first.has(partition)) this.#first.set(partition, number);
    return `${this.#ledger.run}/${this.#lane}/${number}`;
  }

  /** Whether its records are stored is not known, or they are not. */
  failed(): void {
    for (const [partition, first] of this.#first) this.#ledger.fail(this.#lane, partition, first);
  }
}

/** The lane and the number that an id of this run has; undefined for any other text. */
export function parseId(text: string, run: string): { lane: number; number: number } | undefined {
  const match = /^(\w+)\/(\d{1,9})\/(\d{1,15})$/.exec(text);
  return match === null || match[1] !== run
    ? undefined
    : { lane: Number(match[2]), number: Number(match[3]) };
}
