/** What a query came to beside its answer: how much there was, what was left out and why, what was read, how long it took. */
import type { PrunedBy } from './block-filter.ts';

export interface PartCounts {
  total: number;
  /** By what they were found to hold nothing that passes. */
  pruned: Record<PrunedBy, number>;
  scanned: number;
  /** Known by the counts in their indexes. */
  counted: number;
  /** The answer was complete before they were needed. */
  unneeded: number;
}

export interface RunFigures {
  readonly partitions: PartCounts;
  readonly segments: PartCounts;
  readonly blocks: PartCounts;
  /** Of segments without an index, all of whose bytes have to be looked at. */
  unindexedSegments: number;
  /** Of files, and from memory. */
  bytesRead: number;
  /** Of all segments, those that were not read. */
  bytesSkipped: number;
  /** Records whose bytes were looked at. */
  records: number;
  /** Answers that were known from an earlier query. */
  cachedScans: number;
  scans: number;
  planningMs: number;
  runMs: number;
}

const partCounts = (): PartCounts => ({
  total: 0,
  pruned: { time: 0, source: 0, level: 0, fields: 0, text: 0 },
  scanned: 0,
  counted: 0,
  unneeded: 0,
});

export function emptyFigures(): RunFigures {
  return {
    partitions: partCounts(),
    segments: partCounts(),
    blocks: partCounts(),
    unindexedSegments: 0,
    bytesRead: 0,
    bytesSkipped: 0,
    records: 0,
    cachedScans: 0,
    scans: 0,
    planningMs: 0,
    runMs: 0,
  };
}
