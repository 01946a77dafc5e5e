/**
 * What no event brings about: segments of idle partitions that time has come to seal, records that have expired, journaled
 * batches of partitions that have gone quiet, what could not be done before, and space that others free or use up. One timer
 * for all of it.
 */
import { RetentionPass } from './cleaning/retention-pass.ts';
import type { BackgroundSync } from './commit/background-sync.ts';
import type { Committer } from './commit/committer.ts';
import type { SpaceMonitor } from './commit/space-monitor.ts';
import type { OpenTopic } from './directory/topic.ts';
import type { EngineContext, PartitionLog } from './partition/partition-log.ts';
import type { SegmentMaintenance } from './partition/segment-maintenance.ts';
import { mustRollIdle } from './segment/roll-policy.ts';

export class Housekeeping {
  readonly #context: EngineContext;
  readonly #topics: ReadonlyMap<string, OpenTopic>;
  readonly #committer: Committer;
  readonly #maintenance: SegmentMaintenance;
  readonly #backgroundSync: BackgroundSync;
  readonly #space: SpaceMonitor;
  readonly #retention: RetentionPass;
  #cancel: (() => void) | undefined;

  constructor(
    context: EngineContext,
    topics: ReadonlyMap<string, OpenTopic>,
    committer: Committer,
    maintenance: SegmentMaintenance,
    backgroundSync: BackgroundSync,
    space: SpaceMonitor,
  ) {
    this.#context = context;
    this.#topics = topics;
    this.#committer = committer;
    this.#maintenance = maintenance;
    this.#backgroundSync = backgroundSync;
    this.#space = space;
    this.#retention = new RetentionPass(context, topics, committer, maintenance, space);
  }

  start(): void {
    this.#cancel = this.#context.clock.after(this.#context.settings['housekeeping.interval.ms'], () => {
      this.#run()
        .catch((error) => this.#context.logger.warn({ err: error }, 'housekeeping failed, to be tried again'))
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
    await this.#space.refresh();
    await this.#retention.run();
    await this.#committer.drainAll();
    this.#backgroundSync.retry();
    this.#maintenance.retry();
    const due = this.#dueToRoll();
    if (due.length === 0) return;
    await this.#committer.exclusive(async () => {
      for (const partition of due)
        if (this.#isDue(partition)) this.#maintenance.seal(partition, partition.roll());
    });
  }

  #dueToRoll(): PartitionLog[] {
    const due: PartitionLog[] = [];
    for (const { partitions } of this.#topics.values()) {
      for (const partition of partitions) if (this.#isDue(partition)) due.push(partition);
    }
    return due;
  }

  #isDue(partition: PartitionLog): boolean {
    if (partition.fenced !== null || partition.deleted) return false;
    return mustRollIdle(partition.appended, partition.topic.settings, this.#context.clock.now());
  }
}
