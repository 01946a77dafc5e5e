/**
 * Finding again what a partition remembers of appends that may be sent again: from its snapshot, and from the headers of the
 * batches that came after it, or of all that matter where it is missing or damaged.
 *
 * A header does not say when its batch was appended. It was before the next segment's file was made, or else before now: so
 * what is found this way is forgotten later than it might be, and never earlier. Now is not before anything that is known to have
 * been: a clock that is behind (that of a machine that has just been started, it may be) would have all forgotten once it is set.
 */
import { errnoOf, isSeglogError } from '../common/errors.ts';
import type { CleanPartition } from '../directory/clean-marker.ts';
import {
  batchBaseOffset,
  batchLastOffsetDelta,
  batchMaxTimestamp,
  batchSize,
} from '../format/record-batch.ts';
import { type AppendConditions, conditionsOf, type StoredAppend } from '../partition/append-conditions.ts';
import type { Checkpoint } from '../partition/checkpoint.ts';
import { endOfGaps } from '../partition/gaps.ts';
import type { PartitionLog } from '../partition/partition-log.ts';
import { readPartition } from '../partition/partition-reader.ts';
import type { ProducerRange } from '../partition/producer-range.ts';
import type { ProducersSnapshot } from '../partition/producers-file.ts';
import { findSegment } from '../segment/log-segment.ts';
import { segmentMadeAt } from '../segment/segment-identity.ts';
import type { KnownEnds } from './recovery-point.ts';
import type { ScanResult } from './recovery-scan.ts';

const READ_BYTES = 1024 * 1024;

/** Where to look after a crash: where the last checkpoint or clean stop says, and in all that came after it. */
export function producerRanges(
  clean: CleanPartition | undefined,
  checkpoint: Checkpoint | 'damaged' | undefined,
  { recoveryPoint, logStartOffset }: KnownEnds,
  { producersFrom, endOffset }: Pick<ScanResult, 'producersFrom' | 'endOffset'>,
): ProducerRange[] {
  const stored = checkpoint === 'damaged' ? undefined : checkpoint;
  const told = clean === undefined ? stored?.producers : clean.producers;
  const toldEnd = clean?.logEndOffset ?? stored?.recoveryPoint ?? logStartOffset;
  const ranges = [
    told,
    // Nobody has looked into these, nor does the scan.
    { from: toldEnd, to: recoveryPoint },
    producersFrom === undefined ? undefined : { from: producersFrom, to: endOffset },
  ];
  return ranges.filter((range) => range !== undefined && range.from < range.to) as ProducerRange[];
}

/** All of these in one. */
export function hullOf(ranges: readonly ProducerRange[]): ProducerRange | undefined {
  if (ranges.length === 0) return undefined;
  return {
    from: Math.min(...ranges.map(({ from }) => from)),
    to: Math.max(...ranges.map(({ to }) => to)),
  };
}

/** The log stands as it will be appended to. Where a part of it cannot be read, it takes no appends until it can. */
export async function restoreProducers(
  log: PartitionLog,
  snapshot: ProducersSnapshot | undefined,
  ranges: readonly ProducerRange[],
): Promise<void> {
  let from = log.logStartOffset;
  try {
    // One of a log that went further than this one speaks of another one.
    if (snapshot !== undefined && snapshot.offset <= log.logEndOffset) {
      log.producers.restore(snapshot, await lossesOf(log));
      from = Math.max(from, snapshot.offset);
    }
    const note: Take = (...found) => log.producers.note(...found);
    for (const range of ranges) {
      from = Math.max(from, range.from);
      if (from >= range.to) continue;
      await new ProducerWalk(log, note).run(from, range.to);
      from = range.to;
    }
  } catch (error) {
    const errno = errnoOf(error);
    if (errno === undefined && !isSeglogError(error)) throw error;
    log.inDoubt = 'all';
    log.fence(`who appended to it cannot be read (${errno}); restart seglog once the disk is well`);
  }
  log.lastAppendAt = log.producers.lastAppendAt;
  log.producers.synced(log.syncedOffset);
  log.producers.expire(log.context.clock.now());
}

/**
 * Tells of a base offset whether its batch went with a repair: who sends that again is to have it stored again. A segment that was
 * put back since counts as if it had never been lost.
 */
async function lossesOf(log: PartitionLog): Promise<(baseOffset: number) => boolean> {
  if (log.gaps.length === 0) return () => false;
  const there = new Set<number>();
  for (const { firstOffset, endOffset } of log.gaps) {
    const walk = new ProducerWalk(log, (_conditions, { baseOffset }) => void there.add(baseOffset));
    const from = Math.max(firstOffset, log.logStartOffset);
    if (from < endOffset) await walk.look(from, endOffset, 0);
  }
  return (baseOffset) => endOfGaps(log.gaps, baseOffset) > baseOffset && !there.has(baseOffset);
}

type Take = (conditions: AppendConditions, batch: StoredAppend, appendedAt: number, bytes: number) => void;

/** Finds the batches of producers and requests in a part of the log. */
class ProducerWalk {
  readonly #log: PartitionLog;
  readonly #found: Take;
  /** The latest time that is known. */
  #now: number;
  readonly #memory = Buffer.allocUnsafe(READ_BYTES);

  constructor(log: PartitionLog, found: Take) {
    this.#log = log;
    this.#found = found;
    this.#now = Math.max(log.context.clock.now(), log.producers.lastAppendAt);
  }

  async run(from: number, to: number): Promise<void> {
    const { segments, context } = this.#log;
    const expiredAt = context.producerMemory.allExpiredAt(context.clock.now());
    const first = Math.max(0, findSegment(segments, from));
    const appendedAt = await this.#appendedBefore(first);
    for (let i = first; i < segments.length && from < to; i++) {
      const end = Math.min(to, segments[i + 1]?.baseOffset ?? to);
      const time = appendedAt[i - first]!;
      if (time > expiredAt) await this.look(from, end, time);
      from = Math.max(from, end);
    }
  }

  /** Of each segment from number `first` on: by when all of it had been appended. */
  async #appendedBefore(first: number): Promise<number[]> {
    const madeAt: number[] = [];
    const { segments, context } = this.#log;
    for (const { exists, path } of segments.slice(first))
      madeAt.push((exists ? await segmentMadeAt(context.files, path) : undefined) ?? this.#now);
    this.#now = madeAt.reduce((latest, time) => Math.max(latest, time), this.#now);
    const times: number[] = [];
    let before = this.#now;
    // A segment that was rewritten has a younger file than those behind it.
    for (const time of madeAt.reverse()) {
      times.push(before);
      before = Math.min(before, time);
    }
    return times.reverse();
  }

  /** All of it had been appended by then. */
  async look(from: number, to: number, appendedAt: number): Promise<void> {
    for (let offset = from; offset < to; ) {
      const next = await this.#lookOnce(offset, to, appendedAt);
      // Behind the high watermark there is nothing yet.
      if (next <= offset) return;
      offset = next;
    }
  }

  /** Where to look on. What is damaged was lost to readers as well: a retry stores it again. */
  async #lookOnce(offset: number, to: number, appendedAt: number): Promise<number> {
    try {
      const { chunks, nextOffset } = await readPartition(this.#log, { offset, into: this.#memory });
      for (const chunk of chunks) this.#take(chunk, to, appendedAt);
      this.#log.producers.synced(this.#log.syncedOffset);
      return nextOffset;
    } catch (error) {
      if (!isSeglogError(error, 'CORRUPT_MESSAGE')) throw error;
      const fields = { partition: this.#log.name, firstOffset: offset, endOffset: error.details.endOffset };
      this.#log.context.logger.warn(
        fields,
        'who appended damaged records is not known: a retry stores them again',
      );
      return Number(error.details.endOffset);
    }
  }

  #take(chunk: Buffer, to: number, appendedAt: number): void {
    for (let at = 0; at < chunk.length; at += batchSize(chunk, at)) {
      const baseOffset = batchBaseOffset(chunk, at);
      if (baseOffset >= to) return;
      const conditions = conditionsOf(chunk, at);
      if (conditions === undefined) continue;
      const batch = {
        baseOffset,
        count: batchLastOffsetDelta(chunk, at) + 1,
        maxTimestamp: batchMaxTimestamp(chunk, at),
      };
      this.#found(conditions, batch, appendedAt, batchSize(chunk, at));
    }
  }
}
