/** SearchTally: what became of the partitions, segments and blocks of a topic while it was searched, for RunFigures. */
import { type FilteredBlocks, PRUNED_BY, type PrunedBy } from './block-filter.ts';
import type { ScanUnit } from './plan.ts';
import type { PartCounts, RunFigures } from './run-figures.ts';
import type { KnownSegment, Survey } from './survey.ts';

type Fate = PrunedBy | 'scanned' | 'counted' | 'unneeded';

interface SegmentTally {
  readonly partition: number;
  /** The blocks that its index knows are among those. */
  looked: boolean;
  blocks: number;
  scannedBlocks: number;
  countedBlocks: number;
  readonly pruned: Record<PrunedBy, number>;
}

/** Of all segments that nobody looked at more closely, by what they were left out. */
type LeftOut = Readonly<Record<PrunedBy, { segments: number; blocks: number }>>;

export class SearchTally {
  /** Those that were looked at, and those that have no index. */
  readonly #segments = new Map<number, SegmentTally>();
  readonly #leftOut: LeftOut = leftOut();
  /** Of partitions: what became of segments that were left out. */
  readonly #fates: Set<Fate>[] = [];
  #allSegments = 0;
  #allBlocks = 0;
  /** Partitions of which records were read by way of the engine. */
  readonly #read = new Set<number>();
  #partitions = 0;
  #bytes = 0;
  #unindexed = 0;

  begin({ known, unknown, partitions }: Survey): void {
    this.#partitions = partitions.length;
    for (const { segments } of partitions) for (const { bytes } of segments) this.#bytes += bytes;
    for (const { indexed } of known) this.#allBlocks += indexed.outline.blocks;
    this.#allSegments = known.length;
    for (const { partition, segment } of unknown) {
      this.#allBlocks++;
      this.#segment(partition, segment.id).blocks++;
    }
    const rests = known.filter(({ segment }) => this.#segments.has(segment.id));
    for (const each of rests) this.#look(each);
    this.#unindexed = this.#segments.size - rests.length;
    this.#allSegments += this.#unindexed;
  }

  /** Nothing of a segment is wanted, by its outline. */
  leftOut({ partition, segment, indexed }: KnownSegment, by: PrunedBy): void {
    const tally = this.#segments.get(segment.id);
    if (tally !== undefined) {
      tally.pruned[by] += indexed.outline.blocks;
      return;
    }
    this.#leftOut[by].segments++;
    this.#leftOut[by].blocks += indexed.outline.blocks;
    this.#fates[partition] ??= new Set();
    this.#fates[partition].add(by);
  }

  filtered(known: KnownSegment, { pruned }: FilteredBlocks): void {
    const tally = this.#look(known);
    for (const kind of PRUNED_BY) tally.pruned[kind] += pruned[kind];
  }

  scanned({ partition, segment, ranges }: ScanUnit): void {
    this.#segment(partition, segment.id).scannedBlocks += ranges.length;
  }

  counted(known: KnownSegment): void {
    this.#look(known).countedBlocks += known.indexed.outline.blocks;
  }

  read(partition: number): void {
    this.#read.add(partition);
  }

  /** Adds what was found to the figures of a run, once the topic was gone through. */
  end(figures: RunFigures): void {
    let segments = this.#allSegments;
    let blocks = this.#allBlocks;
    for (const kind of PRUNED_BY) {
      const out = this.#leftOut[kind];
      count(figures.segments, kind, out.segments);
      count(figures.blocks, kind, out.blocks);
      segments -= out.segments;
      blocks -= out.blocks;
    }
    for (const tally of this.#segments.values()) {
      const fate = fateOf(tally);
      count(figures.segments, fate, 1);
      countBlocks(figures.blocks, tally);
      this.#fates[tally.partition] ??= new Set();
      this.#fates[tally.partition]!.add(fate);
      segments--;
      blocks -= tally.blocks;
    }
    // Nobody came to them.
    count(figures.segments, 'unneeded', segments);
    count(figures.blocks, 'unneeded', blocks);
    for (let partition = 0; partition < this.#partitions; partition++)
      count(figures.partitions, this.#fateOf(partition, this.#fates[partition]), 1);
    figures.unindexedSegments += this.#unindexed;
    figures.bytesSkipped = Math.max(0, this.#bytes - figures.bytesRead);
  }

  #fateOf(partition: number, segments: ReadonlySet<Fate> | undefined): Fate {
    if (this.#read.has(partition) || segments?.has('scanned')) return 'scanned';
    if (segments?.has('counted')) return 'counted';
    if (segments === undefined || segments.has('unneeded')) return 'unneeded';
    return PRUNED_BY.findLast((kind) => segments.has(kind)) ?? 'time';
  }

  /** A segment with an index, more closely than by its outline. */
  #look({ partition, segment, indexed }: KnownSegment): SegmentTally {
    const tally = this.#segment(partition, segment.id);
    if (!tally.looked) tally.blocks += indexed.outline.blocks;
    tally.looked = true;
    return tally;
  }

  #segment(partition: number, id: number): SegmentTally {
    let tally = this.#segments.get(id);
    if (tally === undefined) {
      const pruned = { time: 0, source: 0, level: 0, fields: 0, text: 0 };
      tally = { partition, looked: false, blocks: 0, scannedBlocks: 0, countedBlocks: 0, pruned };
      this.#segments.set(id, tally);
    }
    return tally;
  }
}

const leftOut = (): LeftOut => {
  const none = () => ({ segments: 0, blocks: 0 });
  return { time: none(), source: none(), level: none(), fields: none(), text: none() };
};

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
