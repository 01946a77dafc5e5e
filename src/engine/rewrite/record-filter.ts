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
import { KeyMap } from './key-map.ts';
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
    const { baseOffset } = record;
    const horizon = batchDeleteHorizon(chunk, at);
    const dropsTombstones = horizon !== NO_HORIZON && horizon * 1000 <= this.#now;
    const logStartOffset = this.#logStartOffset;
    const mappedEndOffset = this.#mappedEndOffset;
    const map = this.#map;
    kept.clear(record);
    while (record.next()) {
      const offset = baseOffset + record.offsetDelta;
      if (offset < logStartOffset) continue;
      const isTombstone = record.valueStart < 0;
      if (map !== undefined && offset < mappedEndOffset) {
        if (record.keyStart < 0) {
          this.recordsWithoutKey++;
          continue;
        }
        if (map.get(record.buffer, record.keyStart, record.keyEnd) > offset) continue;
        if (isTombstone && dropsTombstones) continue;
        if (isTombstone) kept.mappedTombstones++;
      } else if (isTombstone) {
        kept.laterTombstones++;
      }
      kept.add(record);
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

/** Puts all records of a whole batch into `kept`. */
export function selectAll(batch: Buffer, kept: KeptRecords): void {
  new RecordFilter(undefined, 0).select(batch, 0, kept);
}
