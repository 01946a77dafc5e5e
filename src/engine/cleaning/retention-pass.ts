/**
 * Applies retention: what the settings of topics and of the data directory say may go is deleted, the log start offset first,
 * and an active segment of which all has expired is rolled, so that it goes with the next pass. Works on a full disk, too. A
 * partition that fails is left for the next pass. A topic that is only compacted loses nothing here.
 */
import type { Committer } from '../commit/committer.ts';
import type { SpaceMonitor } from '../commit/space-monitor.ts';
import type { ExpiredSegments } from '../common/types.ts';
import type { OpenTopic } from '../directory/topic.ts';
import { isDeleted } from '../partition/cleanup-policy.ts';
import type { EngineContext, PartitionLog } from '../partition/partition-log.ts';
import {
  activeHasExpired,
  expiredByBudget,
  expiredBySize,
  expiredByTime,
  UNLIMITED,
} from '../partition/retention.ts';
import type { SegmentMaintenance } from '../partition/segment-maintenance.ts';
import type { SegmentStats } from '../segment/log-segment.ts';

/** Where a log is to begin. */
interface NewStart {
  partition: PartitionLog;
  logStartOffset: number;
}

export class RetentionPass {
  readonly #context: EngineContext;
  readonly #topics: ReadonlyMap<string, OpenTopic>;
  readonly #committer: Committer;
  readonly #maintenance: SegmentMaintenance;
  readonly #space: SpaceMonitor;

  constructor(
    context: EngineContext,
    topics: ReadonlyMap<string, OpenTopic>,
    committer: Committer,
    maintenance: SegmentMaintenance,
    space: SpaceMonitor,
  ) {
    this.#context = context;
    this.#topics = topics;
    this.#committer = committer;
    this.#maintenance = maintenance;
    this.#space = space;
  }

  /** All topics, as housekeeping does it. */
  async run(): Promise<void> {
    const partitions = this.#partitions();
    await this.#rollExpired(partitions);
    let failures = 0;
    for (const start of this.#newStarts(partitions)) {
      const { topic, partition } = start.partition;
      try {
        await this.#maintenance.deleteBefore(start.partition, start.logStartOffset);
      } catch (error) {
        failures++;
        const fields = { topic: topic.name, partition, err: error };
        this.#context.logger.warn(fields, 'deleting segments failed, to be tried again');
      }
    }
    this.#context.observer.retained?.(failures);
  }

  /** One topic, now: what goes, or with `dryRun` what would. The share of other topics in the directory's budget counts too. */
  async retain(topic: OpenTopic, dryRun: boolean, signal?: AbortSignal): Promise<ExpiredSegments[]> {
    const ofTopic = (partition: PartitionLog) => topic.partitions.includes(partition);
    if (!dryRun) await this.#rollExpired(this.#partitions().filter(ofTopic));
    const expired: ExpiredSegments[] = [];
    for (const start of this.#newStarts(this.#partitions())) {
      if (!ofTopic(start.partition)) continue;
      signal?.throwIfAborted();
      expired.push(expiredSegments(start));
      if (!dryRun) await this.#maintenance.deleteBefore(start.partition, start.logStartOffset);
    }
    return expired;
  }

  /** Those whose files may be touched. */
  #partitions(): PartitionLog[] {
    return [...this.#topics.values()]
      .flatMap(({ partitions }) => partitions)
      .filter(({ fenced, deleted }) => fenced === null && !deleted);
  }

  #newStarts(partitions: readonly PartitionLog[]): NewStart[] {
    const now = this.#context.clock.now();
    const logs = partitions.map((partition) => {
      const { settings } = partition.topic;
      const segments = removable(partition);
      const expired = Math.max(expiredByTime(segments, settings, now), expiredBySize(segments, settings));
      return { priority: settings['retention.priority'], segments, expired };
    });
    const excess = this.#excessBytes(partitions);
    const counts = excess > 0 ? expiredByBudget(logs, excess, now) : logs.map(({ expired }) => expired);
    const starts: NewStart[] = [];
    partitions.forEach((partition, i) => {
      const end = counts[i]! > 0 ? logs[i]!.segments[counts[i]!]!.baseOffset : 0;
      const logStartOffset = Math.max(end, partition.logStartOffset);
      // Also what an earlier pass or request could not remove.
      if ((partition.segments[1]?.baseOffset ?? Number.POSITIVE_INFINITY) <= logStartOffset)
        starts.push({ partition, logStartOffset });
    });
    return starts;
  }

  /** By how much the data directory is over its budgets. */
  #excessBytes(partitions: readonly PartitionLog[]): number {
    const { settings } = this.#context;
    const maxBytes = settings['log.dir.max.bytes'];
    const { freeBytes, totalBytes } = this.#space;
    const mayUse = (totalBytes * settings['log.dir.max.used.percent']) / 100;
    const overPercent = totalBytes - freeBytes - mayUse;
    if (maxBytes === UNLIMITED) return overPercent;
    const bytes = partitions.reduce((sum, partition) => sum + partition.bytes, 0);
    return Math.max(bytes - maxBytes, overPercent);
  }

  async #rollExpired(partitions: readonly PartitionLog[]): Promise<void> {
    const due = partitions.filter((partition) => this.#activeHasExpired(partition));
    if (due.length === 0) return;
    await this.#committer.exclusive(async () => {
      for (const partition of due)
        if (this.#activeHasExpired(partition)) this.#maintenance.seal(partition, partition.roll());
    });
  }

  #activeHasExpired(partition: PartitionLog): boolean {
    if (partition.fenced !== null || partition.deleted) return false;
    const { settings } = partition.topic;
    const segments = partition.segments.map(({ stats }) => stats);
    // What is not yet in its segment counts too.
    segments[segments.length - 1] = partition.appended;
    return activeHasExpired(segments, settings, partition.logStartOffset, this.#context.clock.now());
  }
}

/** The leading segments that may be looked at, and one more behind them that stays. */
function removable(partition: PartitionLog): SegmentStats[] {
  const { segments } = partition;
  if (!isDeleted(partition.topic.settings)) return [segments[0]!.stats];
  const sealed = segments.findIndex((segment) => !segment.sealed);
  return segments.slice(0, sealed + 1).map(({ stats }) => stats);
}

function expiredSegments({ partition, logStartOffset }: NewStart): ExpiredSegments {
  const next = partition.segments.findIndex(({ baseOffset }) => baseOffset >= logStartOffset);
  const gone = next < 0 ? [] : partition.segments.slice(0, next);
  return {
    partition: partition.partition,
    logStartOffset,
    segments: gone.length,
    bytes: gone.reduce((sum, { stats }) => sum + stats.bytes, 0),
  };
}
