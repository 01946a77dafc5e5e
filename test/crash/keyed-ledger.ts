/**
 * What producers of keyed records were told, and what was read, kept outside of the daemon. Each key has one producer, who
 * numbers what it sends of the key: of two values of a key, the one with the higher number is the newer one.
 */
import assert from 'node:assert';

export interface KeyedRecord {
  readonly offset: number;
  readonly key: string;
  /** Null for a tombstone, and otherwise what `keyedText` made. */
  readonly value: string | null;
}

export const keyedText = (number: number, padding: number) => `${number} ${'x'.repeat(padding)}`;

interface Sent {
  /** Of the last value that was acknowledged. */
  acknowledged: { number: number; offset: number; isTombstone: boolean } | undefined;
  /** The numbers of tombstones that were sent since, and have an unknown outcome. */
  unknownTombstones: number;
  lastNumber: number;
}

export interface LedgerRules {
  readonly compacts: boolean;
  readonly deletes: boolean;
}

export class KeyedLedger {
  readonly topic: string;
  readonly rules: LedgerRules;
  acknowledged = 0;
  readonly #keys = new Map<string, Sent>();
  /** Of all that was acknowledged, or read. */
  readonly #offsets = new Map<number, KeyedRecord>();
  /** Missed once. */
  readonly #gone = new Set<number>();

  constructor(topic: string, rules: LedgerRules) {
    this.topic = topic;
    this.rules = rules;
  }

  /** The number of the next value of a key. */
  sending(key: string, isTombstone: boolean): number {
    const sent = this.#keys.get(key) ?? { acknowledged: undefined, unknownTombstones: 0, lastNumber: -1 };
    this.#keys.set(key, sent);
    if (isTombstone) sent.unknownTombstones++;
    return ++sent.lastNumber;
  }

  stored(record: KeyedRecord, number: number): void {
    const sent = this.#keys.get(record.key)!;
    sent.acknowledged = { number, offset: record.offset, isTombstone: record.value === null };
    sent.unknownTombstones = 0;
    this.#offsets.set(record.offset, record);
    this.acknowledged++;
  }

  /** All that can be read, from the first offset on, while nothing is under way. */
  check(found: readonly KeyedRecord[], logStartOffset: number): void {
    const newest = new Map<string, KeyedRecord>();
    for (const record of found) {
      const { offset, key, value } = record;
      const known = this.#offsets.get(offset);
      assert(!this.#gone.has(offset), `${this.topic}: offset ${offset} is there again`);
      assert(
        !known || (known.key === key && known.value === value),
        `${this.topic}: offset ${offset} has changed`,
      );
      const before = newest.get(key);
      const isLater = before?.value == null || value === null || numberOf(before.value) < numberOf(value);
      assert(isLater, `${this.topic}: an older value of ${key} follows at offset ${offset}`);
      newest.set(key, record);
      this.#offsets.set(offset, record);
    }
    const there = new Set(found.map(({ offset }) => offset));
    for (const [offset, { key }] of this.#offsets) {
      if (there.has(offset)) continue;
      const isDeleted = this.rules.deletes && offset < logStartOffset;
      assert(isDeleted || this.rules.compacts, `${this.topic}: offset ${offset} of ${key} is lost`);
      this.#gone.add(offset);
      this.#offsets.delete(offset);
    }
    for (const [key, sent] of this.#keys) this.#checkNewest(key, sent, newest.get(key), logStartOffset);
  }

  #checkNewest(key: string, sent: Sent, found: KeyedRecord | undefined, logStartOffset: number): void {
    const { acknowledged, unknownTombstones } = sent;
    if (acknowledged === undefined) return;
    const { number, offset, isTombstone } = acknowledged;
    if (found !== undefined) {
      const isNewEnough = found.offset >= offset && (found.value === null || numberOf(found.value) >= number);
      assert(
        isNewEnough,
        `${this.topic}: ${key} is at offset ${found.offset}, and value ${number} was stored at ${offset}`,
      );
      return;
    }
    const mayBeGone =
      (this.rules.deletes && offset < logStartOffset) ||
      (this.rules.compacts && (isTombstone || unknownTombstones > 0));
    assert(mayBeGone, `${this.topic}: value ${number} of ${key}, stored at offset ${offset}, is lost`);
  }
}

const numberOf = (value: string) => Number.parseInt(value, 10);
