/**
 * Decides which records of a batch stay, by Kafka's rules for a log cleaner:
 *
 * - records below the log's start go;
 * - without a filter, and at or beyond the end of what the key map knows, all others stay;
 * - a record without a key goes: a compacted topic takes none;
 * - a record goes when the map knows a newer one of its key;
 * - a tombstone (a null value) goes once its batch's delete horizon has come, which an earlier pass set; one that is set now
 *   lies in the future, so no tombstone goes in the pass that met it first.
 */
import { batchDeleteHorizon } from '../format/record-batch.ts';
import { RecordCursor } from '../format/record-cursor.ts';
import type { KeptRecords } from './kept-records.ts';
import { KEYS_AT_ONCE, KeyMap } from './key-map.ts';
import type { CompactionFilter } from './rewrite-request.ts';

/** The horizon of a batch in which none is set. */
const NO_HORIZON = 0;

export class RecordFilter {
  /** Records that went because they have no key. */
  recordsWithoutKey = 0;
  readonly #logStartOffset: number;
  readonly #map: KeyMap | undefined;
  readonly #mappedEndOffset: number;
  readonly #now: number;
  readonly #newHorizon: number;
  /** Of the records that are looked at together: whether they have no value, and whether they stay. */
  readonly #tombstones = new Uint8Array(KEYS_AT_ONCE);
  readonly #stays = new Uint8Array(KEYS_AT_ONCE);

  constructor(filter: CompactionFilter | undefined, logStartOffset: number) {
    this.#logStartOffset = logStartOffset;
    this.#map = filter && new KeyMap(filter.map);
    this.#mappedEndOffset = filter?.mappedEndOffset ?? 0;
    this.#now = filter?.now ?? 0;
    // Later than now also for who keeps tombstones for no time at all, and looks again at the same `now`.
    this.#newHorizon = filter ? Math.floor((filter.now + filter.deleteRetentionMs) / 1000) + 1 : NO_HORIZON;
  }

  /** Whether it is known without a look at them that all records of a batch stay. */
  keepsAll(baseOffset: number): boolean {
    return this.#map === undefined && baseOffset >= this.#logStartOffset;
  }

  /** Puts the records that stay of the batch at `at` into `kept`. */
  select(chunk: Buffer, at: number, kept: KeptRecords): void {
    const record = new RecordCursor(chunk, at);
    const horizon = batchDeleteHorizon(chunk, at);
    const dropsTombstones = horizon !== NO_HORIZON && horizon * 1000 <= this.#now;
    kept.clear(record);
    for (;;) {
      const first = kept.count;
      const mapped = this.#takeSome(record, kept);
      if (kept.count === first) return;
      this.#judge(mapped, kept, first, record.baseOffset, dropsTombstones);
      kept.settle(first, this.#stays);
    }
  }

  /** Adds some records that may stay; returns how many of them, the first ones, are to be looked up in the map. */
  #takeSome(record: RecordCursor, kept: KeptRecords): number {
    const map = this.#map;
    const logStartOffset = this.#logStartOffset;
    const mappedEndOffset = this.#mappedEndOffset;
    const tombstones = this.#tombstones;
    let count = 0;
    let mapped = 0;
    while (count < KEYS_AT_ONCE && record.next()) {
      const offset = record.baseOffset + record.offsetDelta;
      if (offset < logStartOffset) continue;
      if (map !== undefined && offset < mappedEndOffset) {
        if (record.keyStart < 0) {
          this.recordsWithoutKey++;
          continue;
        }
        map.hash(mapped++, record.buffer, record.keyStart, record.keyEnd);
      }
      tombstones[count++] = record.valueStart < 0 ? 1 : 0;
      kept.add(record);
    }
    return mapped;
  }

  /** Says of the records from number `first` on which of them stay. */
  #judge(
    mapped: number,
    kept: KeptRecords,
    first: number,
    baseOffset: number,
    dropsTombstones: boolean,
  ): void {
    const map = this.#map;
    const stays = this.#stays;
    const tombstones = this.#tombstones;
    const count = kept.count - first;
    map?.load(mapped);
    for (let i = 0; i < count; i++) {
      if (map === undefined || i >= mapped) {
        stays[i] = 1;
        kept.laterTombstones += tombstones[i]!;
        continue;
      }
      const isNewest = map.get(i) <= baseOffset + kept.offsetDeltas[first + i]!;
      stays[i] = isNewest && !(dropsTombstones && tombstones[i] === 1) ? 1 : 0;
      if (stays[i] === 1) kept.mappedTombstones += tombstones[i]!;
    }
  }

  /**
   * The delete horizon of a batch of which these records stay. One with tombstones of which the map knows nothing yet is left
   * for the pass that does: their time has not begun.
   */
  horizonOf(horizon: number, kept: KeptRecords): number {
    if (horizon !== NO_HORIZON || kept.mappedTombstones === 0 || kept.laterTombstones > 0) return horizon;
    return this.#newHorizon;
  }
}

const all = new RecordFilter(undefined, 0);

/** Puts all records of a whole batch into `kept`. */
export function selectAll(batch: Buffer, kept: KeptRecords): void {
  all.select(batch, 0, kept);
}
