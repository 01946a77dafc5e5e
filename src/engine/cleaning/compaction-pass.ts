/**
 * Compacts one partition: of each key its newest record stays. As Kafka's log cleaner, in rounds: the newest offsets of the
 * keys of the dirty part are noted in a map of bounded size, then all segments up to where the map reaches are rewritten, the
 * first ones first. When the map was full, the next round begins where it ended; the result is the same.
 *
 * The order matters: a deletion may go only after a pass in which everything before it was rewritten, so a pass that cannot
 * rewrite a segment ends there.
 */
import { SeglogError } from '../common/errors.ts';
import type { SegmentsRewritten } from '../common/types.ts';
import { cleanedFile } from '../partition/cleaned-file.ts';
import { type Cleaned, groupSegments } from '../partition/compaction.ts';
import { gapRanges } from '../partition/gaps.ts';
import { compactionPlan } from '../partition/partition-description.ts';
import type { PartitionLog } from '../partition/partition-log.ts';
import { createKeyMap, keyMapBytes } from '../rewrite/key-map.ts';
import type { CompactionFilter } from '../rewrite/rewrite-request.ts';
import type { SegmentStats } from '../segment/log-segment.ts';
import { type PassControl, PassMeter } from './pass-meter.ts';
import {
  checkCompacted,
  orNoteChange,
  overRemaining,
  planAgain,
  type RewritePass,
  type RewriteTools,
  remaining,
  rewriteGroup,
  segmentInputs,
  startPass,
  startTotals,
  sumBytes,
} from './segment-rewriting.ts';

/** Records of neighbouring batches are put together up to this size: what is left of a batch may be a single record. */
const BLOCK_BYTES = 64 * 1024;

/** Compacts all that may be, whether or not it is due. Throws what rewriteGroup throws. */
export function compactPartition(
  tools: RewriteTools,
  partition: PartitionLog,
  control: PassControl,
): Promise<SegmentsRewritten> {
  return planAgain(partition, () => new Compaction(tools, partition, control).run());
}

/** How many bytes of segments a pass goes through: what is dirty twice, to note its keys and to rewrite it. */
export function bytesToCompact(partition: PartitionLog): number {
  const { cleanBytes, dirtyBytes } = compactionPlan(partition);
  return cleanBytes + 2 * dirtyBytes;
}

class Compaction {
  readonly #pass: RewritePass;
  readonly #partition: PartitionLog;
  /** Segments that begin at or behind this one's end are left alone. */
  readonly #limitOffset: number;
  readonly #now: number;
  /** Made for the first round, which has the most keys to note, and used again for the others. */
  #map: SharedArrayBuffer | undefined;

  constructor(tools: RewriteTools, partition: PartitionLog, control: PassControl) {
    const { cleanable } = compactionPlan(partition);
    const segments = partition.segments.slice(0, cleanable).map(({ stats }) => stats);
    this.#partition = partition;
    this.#limitOffset = segments.at(-1)?.endOffset ?? 0;
    this.#pass = startPass(
      tools,
      new PassMeter(control, bytesToCompact(partition)),
      startTotals(partition, segments),
    );
    this.#now = tools.context.clock.now();
  }

  async run(): Promise<SegmentsRewritten> {
    const partition = this.#partition;
    checkCompacted(partition);
    if (partition.fenced !== null) throw partition.fencedError();
    this.#refuseDamage();
    let from = Math.max(partition.cleaned.firstDirtyOffset, partition.logStartOffset);
    while (this.#limitOffset > 0) {
      const filter = await this.#mapKeys(from);
      from = filter.mappedEndOffset;
      const firstDeleteHorizon = await this.#rewriteBelow(from, filter);
      await this.#note({ firstDirtyOffset: from, firstDeleteHorizon });
      this.#pass.totals.rounds++;
      if (from >= this.#limitOffset) break;
    }
    this.#pass.meter.complete();
    return this.#pass.totals;
  }

  /** What is damaged cannot be looked at, and a deletion must not be taken for one that has reached everything before it. */
  #refuseDamage(): void {
    const { damaged, name, topic, partition } = this.#partition;
    const range = damaged.find(
      ({ firstOffset, endOffset }) => firstOffset < this.#limitOffset && firstOffset < endOffset,
    );
    if (range === undefined) return;
    const { firstOffset, endOffset } = range;
    throw new SeglogError(
      'CORRUPT_MESSAGE',
      `${name} is not compacted while offsets ${firstOffset} to ${endOffset} (exclusive) are damaged: run "seglog repair" with the daemon stopped`,
      { topic: topic.name, partition, firstOffset, endOffset },
    );
  }

  /** The active one, which may be empty, begins where they end. */
  #segments(): SegmentStats[] {
    const stats = this.#partition.segments.map((segment) => segment.stats);
    return remaining(this.#partition, stats).filter(({ baseOffset }) => baseOffset < this.#limitOffset);
  }

  /** The newest offset of each key from `from` on, as far as the map holds them. */
  async #mapKeys(from: number): Promise<CompactionFilter> {
    const partition = this.#partition;
    const { context } = this.#pass.tools;
    const dirty = this.#segments().filter(({ endOffset }) => endOffset > from);
    this.#map ??= this.#createMap(dirty);
    const map = this.#map;
    const filter = {
      map,
      now: this.#now,
      deleteRetentionMs: partition.topic.settings['delete.retention.ms'],
    };
    const result = await overRemaining(partition, dirty, (left) => {
      const request = {
        identity: { topicId: partition.topic.id, partition: partition.partition },
        segments: segmentInputs(partition, left),
        gaps: gapRanges(partition.gaps),
        fromOffset: from,
        map,
      };
      return orNoteChange(partition, request.segments, () =>
        context.tasks.run('map', request, this.#pass.meter.taskOptions(sumBytes(left), 1)),
      );
    });
    if (result === undefined) return { ...filter, mappedEndOffset: Math.max(from, this.#limitOffset) };
    this.#pass.meter.finish(result.bytesRead);
    return { ...filter, mappedEndOffset: result.endOffset };
  }

  #createMap(dirty: readonly SegmentStats[]): SharedArrayBuffer {
    const records = dirty.reduce((sum, segment) => sum + segment.records, 0);
    const mostBytes = this.#pass.tools.context.settings['log.cleaner.dedupe.buffer.size'];
    return createKeyMap(Math.min(mostBytes, keyMapBytes(records)));
  }

  /** Resolves with when the first of the deletions that are kept may go. */
  async #rewriteBelow(endOffset: number, filter: CompactionFilter): Promise<number> {
    const segments = this.#segments().filter(({ baseOffset }) => baseOffset < endOffset);
    let firstDeleteHorizon = -1;
    this.#pass.totals.tombstones = 0;
    for (const group of groupSegments(segments, this.#partition.topic.settings)) {
      const options = { filter, codec: 'keep', blockBytes: BLOCK_BYTES } as const;
      const result = await rewriteGroup(this.#pass, this.#partition, group, options);
      this.#pass.meter.finish(sumBytes(group));
      if (result === undefined) continue;
      const horizon = result.firstDeleteHorizon;
      if (horizon >= 0 && (firstDeleteHorizon < 0 || horizon < firstDeleteHorizon))
        firstDeleteHorizon = horizon;
      this.#pass.totals.recordsWithoutKey += result.recordsWithoutKey;
      this.#pass.totals.tombstones += result.tombstones;
    }
    return firstDeleteHorizon;
  }

  /** Without the file the next start would have all of it looked at again: no reason to take the pass for a failure. */
  async #note(cleaned: Cleaned): Promise<void> {
    const { directory, topic, partition, name, context } = this.#partition;
    this.#partition.cleaned = cleaned;
    const file = cleanedFile(directory, { topicId: topic.id, partition }, cleaned);
    try {
      await this.#pass.tools.maintenance.putBeside(this.#partition, [file]);
    } catch (error) {
      if (this.#partition.fenced !== null) throw error;
      context.logger.warn(
        { partition: name, err: error },
        'it could not be noted how far a log was compacted',
      );
    }
  }
}
