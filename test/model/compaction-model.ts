/**
 * A compacted partition as an array: every record that was ever appended, and which of them were there when the log was looked
 * at last. What has gone never comes back, and what must not go is there: of each key the newest record, unless it is a
 * deletion that has stayed long enough or lies before the log's start.
 */
import assert from 'node:assert';
import type { LogRecord } from '../../src/engine/common/types.ts';
import { ModelPartition } from './log-model.ts';
import { compareRecord } from './log-under-test.ts';

/** What a look at the log has found. */
export interface Look {
  readonly logStartOffset: number;
  readonly highWatermark: number;
  /** Below, each key occurs once. */
  readonly firstDirtyOffset: number;
  readonly records: readonly LogRecord[];
  readonly now: number;
}

export class CompactionModel extends ModelPartition {
  /** When records were appended, by offset. */
  readonly appendedAt: number[] = [];
  logStartOffset = 0;
  /** Offsets of the records that were there at the last look, in order. */
  present: number[] = [];
  #lookedUpTo = 0;
  readonly #deleteRetentionMs: number;

  constructor(deleteRetentionMs: number) {
    super();
    this.#deleteRetentionMs = deleteRetentionMs;
  }

  /** Checks a look, and takes it over. Returns how many records have gone since the last one, and how many deletions among them. */
  look(look: Look): { removed: number; deletions: number } {
    const { logStartOffset, highWatermark, records } = look;
    assert(logStartOffset >= this.logStartOffset, `the log started at ${this.logStartOffset} before`);
    assert(logStartOffset <= highWatermark && highWatermark <= this.records.length, 'bounds');
    this.#checkRecords(look);
    const there = new Set(records.map(({ offset }) => offset));
    const before = this.present.filter((offset) => offset < highWatermark);
    const gone = before.filter((offset) => !there.has(offset));
    const deletions = this.#checkNewest(look, there);
    checkClean(look);
    this.logStartOffset = logStartOffset;
    this.present = [...there];
    this.#lookedUpTo = highWatermark;
    return { removed: gone.length, deletions };
  }

  /** Each is as it was appended, they are in order, and none was gone before. */
  #checkRecords({ records, logStartOffset, highWatermark }: Look): void {
    const wasPresent = new Set(this.present);
    let last = logStartOffset - 1;
    for (const record of records) {
      const { offset } = record;
      assert(offset > last && offset < highWatermark, `offset ${offset} behind ${last}`);
      last = offset;
      compareRecord('c-0', record, this.records[offset]);
      assert(offset >= this.#lookedUpTo || wasPresent.has(offset), `the record at ${offset} came back`);
    }
  }

  /** Returns how many deletions of keys have gone since the last look that nothing newer took the place of. */
  #checkNewest({ logStartOffset, highWatermark, now }: Look, there: ReadonlySet<number>): number {
    const newest = new Map<string, number>();
    for (let offset = 0; offset < highWatermark; offset++) newest.set(this.#keyAt(offset), offset);
    let deletions = 0;
    const deleted = new Set<string>();
    for (const [key, offset] of newest) {
      if (offset < logStartOffset || there.has(offset)) continue;
      assert(this.records[offset]!.value === null, `the newest value of "${key}" at ${offset} is gone`);
      const age = now - this.appendedAt[offset]!;
      assert(age >= this.#deleteRetentionMs, `the deletion at ${offset} has gone after ${age} ms`);
      if (this.present.includes(offset)) deletions++;
      deleted.add(key);
    }
    for (const offset of there)
      assert(!deleted.has(this.#keyAt(offset)), `an old value at ${offset} outlived its deletion`);
    return deletions;
  }

  #keyAt(offset: number): string {
    return String(this.records[offset]!.key);
  }
}

function checkClean({ records, firstDirtyOffset }: Look): void {
  const seen = new Set<string>();
  for (const { offset, key } of records) {
    if (offset >= firstDirtyOffset) return;
    assert(!seen.has(String(key)), `"${key}" occurs twice below ${firstDirtyOffset}, again at ${offset}`);
    seen.add(String(key));
  }
}
