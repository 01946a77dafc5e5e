/**
 * What a compacted log owes its readers, beside what every log does:
 *
 * - of each key its newest record is there; one that is older may be gone, and is gone for good once somebody missed it;
 * - the newest one may be gone if it is a tombstone that a rewriting stamped, and a later one came upon after its time;
 * - where a record is gone, so is every older one of its key: no value comes back because what made it old has left;
 * - below what the log says is clean, each key occurs once.
 */
import { type Compaction, type LogOracle, type OracleRecord, Violation } from './oracle.ts';
import type { ObservedPartition } from './oracle-check.ts';

export class KeyedContent {
  readonly #oracle: LogOracle;
  readonly #log: string;
  readonly #found: ObservedPartition;
  /** What is owed or there, by offset. */
  readonly #records = new Map<number, OracleRecord>();
  readonly #newest = new Map<string, number>();
  readonly #compactions: readonly Compaction[];

  /** Undefined for a log that is not compacted. */
  static of(oracle: LogOracle, log: string, found: ObservedPartition): KeyedContent | undefined {
    const { settled, pending } = oracle.topic(log.split('/')[0]!);
    const policies = [settled, pending?.state].map((state) => state?.config['cleanup.policy'] ?? 'delete');
    return policies.every((policy) => policy === 'delete') ? undefined : new KeyedContent(oracle, log, found);
  }

  private constructor(oracle: LogOracle, log: string, found: ObservedPartition) {
    this.#oracle = oracle;
    this.#log = log;
    this.#found = found;
    for (const batch of oracle.state.batches.values()) {
      if (batch.log !== log || batch.state !== 'stored' || !batch.durable) continue;
      for (const [index, record] of batch.records.entries()) this.#add(batch.baseOffset! + index, record);
    }
    for (const record of found.records) this.#add(record.offset, record);
    this.#compactions = oracle.state.compactions.filter((compaction) => compaction.log === log);
  }

  #add(offset: number, record: OracleRecord): void {
    this.#records.set(offset, record);
    const key = record.key!;
    this.#newest.set(key, Math.max(this.#newest.get(key) ?? offset, offset));
  }

  /** `record`: what was there, where the oracle does not know by itself. */
  mayBeGone(offset: number, record = this.#records.get(offset)): boolean {
    if (record === undefined) return false;
    return (this.#newest.get(record.key!) ?? offset) > offset || this.#hasExpired(offset, record);
  }

  /** Whether a rewriting came upon a tombstone long enough after another one had met it. */
  #hasExpired(offset: number, { tombstone }: OracleRecord): boolean {
    if (tombstone !== true) return false;
    const meetings = this.#compactions.filter(
      ({ from, end, mappedEnd }) => from <= offset && offset < Math.min(end, mappedEnd),
    );
    return meetings.some(({ now, deleteRetentionMs }, first) =>
      meetings.slice(first + 1).some((later) => later.now >= now + deleteRetentionMs),
    );
  }

  /** What is missing is gone for good. At rest, no key may have lost a record and kept an older one. */
  settle(running: boolean): void {
    const { logStartOffset, highWatermark, records } = this.#found;
    const there = new Set(records.map(({ offset }) => offset));
    const known = this.#oracle.removedOf(this.#log);
    const missing = new Set<number>();
    for (const offset of this.#records.keys()) {
      if (offset < logStartOffset || offset >= highWatermark || there.has(offset) || known.has(offset))
        continue;
      missing.add(offset);
    }
    if (missing.size > 0) this.#oracle.removed(this.#log, missing);
    if (!running) this.#checkOrder(new Set([...known, ...missing]));
  }

  #checkOrder(gone: ReadonlySet<number>): void {
    const { records, firstDirtyOffset = 0 } = this.#found;
    const firstGone = new Map<string, number>();
    for (const offset of gone) {
      const key = this.#records.get(offset)?.key;
      if (key != null) firstGone.set(key, Math.max(firstGone.get(key) ?? offset, offset));
    }
    const clean = new Map<string, number>();
    for (const { offset, key } of records) {
      const later = firstGone.get(key!);
      if (later !== undefined && later > offset)
        throw new Violation(
          `${this.#log}: "${key}" has its value of offset ${offset}, and that of ${later} is gone`,
        );
      const other = clean.get(key!);
      if (offset >= firstDirtyOffset) continue;
      if (other !== undefined)
        throw new Violation(
          `${this.#log}: "${key}" is at offsets ${other} and ${offset}, and clean below ${firstDirtyOffset}`,
        );
      clean.set(key!, offset);
    }
  }
}
