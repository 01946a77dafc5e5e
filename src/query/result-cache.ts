/**
 * ScanCache: what scans of settled blocks gave, and what indexes have counted, by what they were asked, the least recently used going
 * first. What it holds is right for ever: such blocks do not change, and a segment that is rewritten has another id.
 */
import { LRUCache } from 'lru-cache';
import type { ScanResult } from './scan-request.ts';

/** Of an entry beside its columns, roughly. */
const ENTRY_BYTES = 1024;
const COUNT_BYTES = 100;

export class ScanCache {
  readonly #results: LRUCache<string, ScanResult> | undefined;
  hits = 0;
  misses = 0;

  /** 0 bytes: nothing is kept. */
  constructor(maxBytes: number) {
    if (maxBytes <= 0) return;
    this.#results = new LRUCache({
      maxSize: maxBytes,
      sizeCalculation: sizeOf,
      maxEntrySize: Math.ceil(maxBytes / 4),
    });
  }

  get bytes(): number {
    return this.#results?.calculatedSize ?? 0;
  }

  get(key: string): ScanResult | undefined {
    const result = this.#results?.get(key);
    if (result === undefined) this.misses++;
    else this.hits++;
    return result;
  }

  set(key: string, result: ScanResult): void {
    this.#results?.set(key, result);
  }
}

function sizeOf({ events, counts }: ScanResult, key: string): number {
  const columns = events === undefined ? 0 : events.bytes.length + events.ends.length * 20;
  const values = counts?.fields.reduce((sum, { length }) => sum + length, counts.histogram.length) ?? 0;
  return ENTRY_BYTES + key.length + columns + values * COUNT_BYTES;
}
