/** Segments for tests of what is decided about them: of ten records and 100 bytes each, new, the last one active. */
import { emptyStats, type SegmentStats } from '../../src/engine/segment/log-segment.ts';

export function segmentsAt(now: number, ...given: Partial<SegmentStats>[]): SegmentStats[] {
  return given.map((stats, i) => ({
    ...emptyStats(i * 10),
    endOffset: (i + 1) * 10,
    bytes: 100,
    records: 10,
    batches: 1,
    maxTimestamp: now,
    firstAppendAt: now,
    ...stats,
  }));
}
