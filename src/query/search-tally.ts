/** SearchTally: what became of the partitions, segments and blocks of a topic while it was searched, for RunFigures. */
import { type FilteredBlocks, PRUNED_BY, type PrunedBy } from './block-filter.ts';
import type { ScanUnit } from './plan.ts';
import type { PartCounts, RunFigures } from './run-figures.ts';
import type { KnownSegment, Survey } from './survey.ts';

type Fate = PrunedBy | 'scanned' | 'counted' | 'unneeded';

interface SegmentTally {
  readonly partition: number;
  blocks: number;
  scannedBlocks: number;
  countedBlocks: number;
  readonly pruned: Record<PrunedBy, number>;
}

export class SearchTally {
  readonly #segments = new Map<number, SegmentTally>();
  /** Partitions of which records were read by way of the engine. */
  readonly #read = new Set<number>();
  #partitions = 0;
  #bytes = 0;
  #unindexed = 0;

  begin({ known, unknown, partitions }: Survey): void {
    this.#partitions = partitions.length;
    for (const { segments } of partitions) for (const { bytes } of segments) this.#bytes += bytes;
    for (const { partition, segment, index } of known)
      this.#segment(partition, segment.id).blocks += index.blocks.count;
    for (const { partition, segment } of unknown) {
      if (!this.#segments.has(segment.id)) this.#unindexed++;
      this.#segment(partition, segment.id).blocks++;
    }
  }

  prunedByTime({ partition, segment, index }: KnownSegment): void {
    this.#segment(partition, segment.id).pruned.time += index.blocks.count;
  }

  filtered({ partition, segment }: KnownSegment, { pruned }: FilteredBlocks): void {
    const tally = this.#segment(partition, segment.id);
    for (const kind of PRUNED_BY) tally.pruned[kind] += pruned[kind];
  }

  scanned({ partition, segment, ranges }: ScanUnit): void {
    this.#segment(partition, segment.id).scannedBlocks += ranges.length;
  }

  counted({ partition, segment, index }: KnownSegment): void {
    this.#segment(partition, segment.id).countedBlocks += index.blocks.count;
  }

  read(partition: number): void {
    this.#read.add(partition);
  }

  /** Adds what was found to the figures of a run, once the topic was gone through. */
  end(figures: RunFigures): void {
    const fates = new Map<number, Fate[]>();
    for (const tally of this.#segments.values()) {
      const fate = fateOf(tally);
      count(figures.segments, fate, 1);
      countBlocks(figures.blocks, tally);
      fates.set(tally.partition, [...(fates.get(tally.partition) ?? []), fate]);
    }
    for (let partition = 0; partition < this.#partitions; partition++)
      count(figures.partitions, this.#fateOf(partition, fates.get(partition) ?? []), 1);
    figures.unindexedSegments += this.#unindexed;
    figures.bytesSkipped = Math.max(0, this.#bytes - figures.bytesRead);
  }

  #fateOf(partition: number, segments: readonly Fate[]): Fate {
    if (this.#read.has(partition) || segments.includes('scanned')) return 'scanned';
    if (segments.includes('counted')) return 'counted';
    if (segments.includes('unneeded')) return 'unneeded';
    return PRUNED_BY.findLast((kind) => segments.includes(kind)) ?? 'time';
  }

  #segment(partition: number, id: number): SegmentTally {
    let tally = this.#segments.get(id);
    if (tally === undefined) {
      const pruned = { time: 0, source: 0, level: 0, fields: 0, text: 0 };
      tally = { partition, blocks: 0, scannedBlocks: 0, countedBlocks: 0, pruned };
      this.#segments.set(id, tally);
    }
    return tally;
  }
}

const prunedBlocks = ({ pruned }: SegmentTally) => PRUNED_BY.reduce((sum, kind) => sum + pruned[kind], 0);

/** What the last blocks of a segment were left out by, where all of them were. */
function fateOf(tally: SegmentTally): Fate {
  if (tally.scannedBlocks > 0) return 'scanned';
  if (tally.countedBlocks > 0) return 'counted';
  if (prunedBlocks(tally) < tally.blocks) return 'unneeded';
  return PRUNED_BY.findLast((kind) => tally.pruned[kind] > 0) ?? 'time';
}

function count(parts: PartCounts, fate: Fate, number: number): void {
  parts.total += number;
  if (fate === 'scanned' || fate === 'counted' || fate === 'unneeded') parts[fate] += number;
  else parts.pruned[fate] += number;
}

function countBlocks(parts: PartCounts, tally: SegmentTally): void {
  for (const kind of PRUNED_BY) count(parts, kind, tally.pruned[kind]);
  count(parts, 'scanned', tally.scannedBlocks);
  count(parts, 'counted', tally.countedBlocks);
  const rest = tally.blocks - prunedBlocks(tally) - tally.scannedBlocks - tally.countedBlocks;
  count(parts, 'unneeded', Math.max(0, rest));
}
