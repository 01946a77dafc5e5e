/**
 * What no event brings about: segments of idle partitions that time has come to seal, records that have expired, keys that are
 * to be compacted, producers that are forgotten, journaled batches of partitions that have gone quiet, what could not be done before, and space that others
 * free or use up. One timer for all of it.
 */
import type { BackgroundWork } from './cleaning/background-work.ts';
import type { RetentionPass } from './cleaning/retention-pass.ts';
import type { BackgroundSync } from './commit/background-sync.ts';
import type { Committer } from './commit/committer.ts';
import type { SpaceMonitor } from './commit/space-monitor.ts';
import type { OpenTopic } from './directory/topic.ts';
import { isCompacted } from './partition/cleanup-policy.ts';
import { activeMustBeCompacted } from './partition/compaction.ts';
import type { EngineContext, PartitionLog } from './partition/partition-log.ts';
import type { SegmentMaintenance } from './partition/segment-maintenance.ts';
import { mustRollIdle } from './segment/roll-policy.ts';

/** What it looks after. */
export interface HousekeepingParts {
  context: EngineContext;
  topics: ReadonlyMap<string, OpenTopic>;
  committer: Committer;
  maintenance: SegmentMaintenance;
  backgroundSync: BackgroundSync;
  space: SpaceMonitor;
  retention: RetentionPass;
  background: BackgroundWork;
}

export class Housekeeping {
  readonly #parts: HousekeepingParts;
  #cancel: (() => void) | undefined;

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
  }

  start(): void {
    const { clock, settings, logger } = this.#parts.context;
    this.#cancel = clock.after(settings['housekeeping.interval.ms'], () => {
      this.#run()
        .catch((error) => logger.warn({ err: error }, 'housekeeping failed, to be tried again'))
        .finally(() => {
          if (this.#cancel !== undefined) this.start();
        });
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }

  async #run(): Promise<void> {
    const { space, retention, committer, backgroundSync, maintenance, background } = this.#parts;
    const { producerMemory, clock } = this.#parts.context;
    producerMemory.expire(clock.now());
    await space.refresh();
    await retention.run();
    await committer.drainAll();
    backgroundSync.retry();
    maintenance.retry();
    await this.#rollDue();
    background.schedule();
  }

  async #rollDue(): Promise<void> {
    const { committer, maintenance } = this.#parts;
    const due = this.#dueToRoll();
    if (due.length === 0) return;
    await committer.exclusive(async () => {
      for (const partition of due) if (this.#isDue(partition)) maintenance.seal(partition, partition.roll());
    });
  }

  #dueToRoll(): PartitionLog[] {
    const due: PartitionLog[] = [];
    for (const { partitions } of this.#parts.topics.values()) {
      for (const partition of partitions) if (this.#isDue(partition)) due.push(partition);
    }
    return due;
  }

  #isDue(partition: PartitionLog): boolean {
    if (partition.fenced !== null || partition.deleted) return false;
    const { settings } = partition.topic;
    const now = this.#parts.context.clock.now();
    const { appended } = partition;
    return (
      mustRollIdle(appended, settings, now) ||
      (isCompacted(settings) && activeMustBeCompacted(appended, settings, now))
    );
  }
}
