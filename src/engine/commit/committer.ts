/**
 * Group commit over all partitions of a data directory: one commit in flight, no timer. What is appended meanwhile is
 * the next group, so groups grow by themselves under load.
 *
 * Each part of a group becomes durable the cheaper way. Little for a partition: the journal, one write and one sync
 * for all of them. Much for a partition, or no room in the journal: its segment file. What nobody waits for
 * (acks=1 and 0) is written to the segment and synced in the background, as the topic's flush policy says.
 */

import { isSeglogError, SeglogError } from '../common/errors.ts';
import { Mutex } from '../common/mutex.ts';
import type { EngineSettings } from '../common/settings.ts';
import type { Acks } from '../common/types.ts';
import type { JournalEntry } from '../format/journal-format.ts';
import { recycleBatch } from '../format/record-batch-builder.ts';
import { outcomeUnknown } from '../partition/fenced-appends.ts';
import { type GroupListener, type GroupPart, takeGroup } from '../partition/group-part.ts';
import type { EngineContext, PartitionLog, QueuedBatch } from '../partition/partition-log.ts';
import { applyJournaled, drain, sync, writeDirect } from '../partition/partition-writer.ts';
import type { BackgroundSync, SyncListener } from './background-sync.ts';
import type { Journal } from './journal.ts';
import { RepeatedAppends } from './repeated-appends.ts';
import type { SpaceMonitor } from './space-monitor.ts';

const MAX_GROUP_BYTES = 32 * 1024 * 1024;
/**
 * Of what is drained, so much is left to a sync at most: were it all left until the journal needs its files back, commits
 * would wait behind the writes of many megabytes.
 */
const SYNC_BEHIND_BYTES = 1024 * 1024;

export interface CommitterParts {
  readonly context: EngineContext;
  readonly journal: Journal<PartitionLog>;
  readonly space: SpaceMonitor;
  readonly backgroundSync: BackgroundSync;
  readonly rolled: GroupListener['rolled'];
  readonly synced: SyncListener;
  /** The journal cannot be written any more: the log as a whole takes no appends. */
  readonly failed: (reason: string) => void;
}

export class Committer {
  readonly #parts: CommitterParts;
  readonly #context: EngineContext;
  readonly #repeated: RepeatedAppends;
  readonly #listener: GroupListener;
  readonly #queued = new Set<PartitionLog>();
  readonly #commits = new Mutex();
  /** Partitions under flush=interval with a timer that runs. */
  readonly #flushTimers = new Set<PartitionLog>();
  /** `gathering`: something is queued, and a commit begins with the next turn of the event loop at the latest. */
  #state: 'idle' | 'gathering' | 'running' = 'idle';
  #drainingAll = false;
  #queuedBatches = 0;
  #lastGroupBatches = 0;

  constructor(parts: CommitterParts) {
    this.#parts = parts;
    this.#context = parts.context;
    this.#repeated = new RepeatedAppends(parts.backgroundSync);
    this.#listener = {
      rolled: parts.rolled,
      repeated: (partition, queued, stored) => this.#repeated.answer(partition, queued, stored),
    };
  }

  /** Puts a batch in line for the next group. The caller has taken its bytes from the budget. */
  enqueue(partition: PartitionLog, queued: QueuedBatch): void {
    partition.queue.push(queued);
    this.#queued.add(partition);
    this.#queuedBatches++;
    if (this.#state === 'running') return;
    // Half of what the last group held is enough to begin with: while the disk syncs it, the other half is encoded.
    if (this.#queuedBatches * 2 >= this.#lastGroupBatches) {
      this.#run();
    } else if (this.#state === 'idle') {
      this.#state = 'gathering';
      this.#context.clock.soon(() => {
        if (this.#state === 'gathering') this.#run();
      });
    }
  }

  /** Runs `section` while no commit is in flight; the next group waits for it. */
  exclusive<T>(section: () => Promise<T>): Promise<T> {
    return this.#commits.run(section);
  }

  /** Resolves once all that was queued is answered. */
  async flush(): Promise<void> {
    while (this.#state !== 'idle') {
      // What gathers begins with a turn of the event loop, and to wait for nothing here would never let that come.
      if (this.#state === 'gathering') this.#run();
      await this.exclusive(async () => {});
    }
    await this.#repeated.settle();
  }

  #run(): void {
    this.#state = 'running';
    void this.#commits.run(() => this.#commitGroups());
  }

  /**
   * Commits group after group. The next one is on its way to the disk before those of the last one are answered, so that
   * what they do next runs while the disk is busy.
   */
  async #commitGroups(): Promise<void> {
    let answered: readonly GroupPart[] = [];
    do {
      const group = this.#takeGroup();
      const commit = group.length > 0 ? this.#commitOrFail(group) : undefined;
      if (answered.length > 0) await this.#nextTurn();
      for (const part of answered) acknowledge(part, () => true);
      answered = commit === undefined ? [] : await commit;
      this.#context.producerMemory.endGroup();
      // Whoever waits for a moment without a commit gets it between two groups.
    } while (this.#queued.size > 0 && !this.#commits.contended);
    for (const part of answered) acknowledge(part, () => true);
    if (this.#queued.size > 0) this.#run();
    else this.#state = 'idle';
  }

  /** Resolves once what was begun has been handed to the system. */
  #nextTurn(): Promise<void> {
    return new Promise((resolve) => this.#context.clock.soon(resolve));
  }

  #takeGroup(): GroupPart[] {
    const group: GroupPart[] = [];
    const now = this.#context.clock.now();
    let room = MAX_GROUP_BYTES;
    for (const partition of this.#queued) {
      if (room <= 0) break;
      const part = takeGroup(partition, room, this.#listener, now);
      if (partition.queue.length === 0) this.#queued.delete(partition);
      if (part === undefined) continue;
      group.push(part);
      room -= part.bytes;
    }
    this.#lastGroupBatches = sum(group, (part) => part.batches.length);
    this.#queuedBatches = sum([...this.#queued], ({ queue }) => queue.length);
    return group;
  }

  /** A fault that is not of the disk is our own: nobody knows how far it came, so nothing more is appended. */
  async #commitOrFail(group: readonly GroupPart[]): Promise<readonly GroupPart[]> {
    try {
      return await this.#commit(group);
    } catch (error) {
      this.#context.logger.error({ err: error }, 'a group commit failed unexpectedly');
      const reason = `a group commit failed unexpectedly (${(error as Error).message}); restart seglog`;
      this.#parts.failed(reason);
      for (const part of group)
        this.#refuse(part, new SeglogError('OUTCOME_UNKNOWN', reason, {}, { cause: error }));
      return [];
    }
  }

  /** Resolves with the parts that are as safe as was asked for, to be answered. The others have been refused. */
  async #commit(group: readonly GroupPart[]): Promise<readonly GroupPart[]> {
    const { clock, observer, settings } = this.#context;
    const start = clock.monotonic();
    const bytes = sum(group, (part) => part.bytes);
    if (!this.#parts.space.hasRoom(bytes) && !(await this.#parts.space.admits(bytes))) {
      observer.failed?.('storage_full');
      for (const part of group) this.#refuse(part, storageFull(settings['log.dir.reserve.bytes']));
      return [];
    }
    const journaled = this.#chooseJournaled(group);
    const direct = journaled.length === 0 ? group : group.filter((part) => !isSmall(part, settings));
    const work = direct.map((part) => this.#commitDirect(part));
    if (journaled.length > 0) work.push(this.#commitJournaled(journaled));
    const answered = work.length === 1 ? await work[0]! : (await Promise.all(work)).flat();
    this.#parts.space.noteWritten(bytes);
    observer.committed?.({
      batches: sum(group, (part) => part.batches.length),
      bytes,
      partitions: group.length,
      journaledBatches: sum(journaled, (part) => part.batches.length),
      durationMs: clock.monotonic() - start,
    });
    return answered;
  }

  /** The parts that go through the journal: all that are small, or none. */
  #chooseJournaled(group: readonly GroupPart[]): GroupPart[] {
    const { settings, tails } = this.#context;
    if (tails.bytes > settings['journal.max.pending.bytes']) return [];
    const small = group.filter((part) => isSmall(part, settings));
    if (small.length === 0) return [];
    const batches = sum(small, (part) => part.batches.length);
    const bytes = sum(small, (part) => part.bytes);
    return this.#parts.journal.canTake(batches, bytes) ? small : [];
  }

  async #commitJournaled(parts: readonly GroupPart[]): Promise<readonly GroupPart[]> {
    const entries: JournalEntry[] = [];
    const ends = new Map<PartitionLog, number>();
    for (const { partition, batches, endOffset } of parts) {
      ends.set(partition, endOffset);
      const { idBytes } = partition.topic;
      for (const { batch } of batches) {
        entries.push({ topicId: idBytes, partition: partition.partition, batch: batch.bytes });
      }
    }
    try {
      await this.#parts.journal.append(entries, ends);
    } catch (error) {
      this.#context.observer.failed?.('sync');
      this.#parts.failed((error as Error).message);
      for (const part of parts) this.#refuse(part, error as SeglogError);
      return [];
    }
    for (const part of parts) {
      applyJournaled(part);
      this.#done(part);
      this.#drainIfMuch(part.partition);
    }
    this.#drainAllIfMuch();
    return parts;
  }

  #drainIfMuch(partition: PartitionLog): void {
    if (partition.tailBytes < this.#context.settings['journal.max.partition.bytes']) return;
    if (partition.writing.idle) void this.drain(partition);
  }

  /** Many partitions with little each fill the memory too; before its limit sends commits the direct way, all is drained. */
  #drainAllIfMuch(): void {
    const { tails, settings } = this.#context;
    if (this.#drainingAll || tails.bytes * 2 < settings['journal.max.pending.bytes']) return;
    this.#drainingAll = true;
    void this.drainAll().finally(() => {
      this.#drainingAll = false;
    });
  }

  async drainAll(): Promise<void> {
    for (const partition of [...this.#context.tails.partitions]) await this.drain(partition);
  }

  /** Writes journaled batches to their segment, unsynced. They are safe and readable meanwhile, so nobody waits. */
  async drain(partition: PartitionLog): Promise<void> {
    try {
      await drain(partition);
      if (partition.unsyncedBytes >= SYNC_BEHIND_BYTES) this.#parts.backgroundSync.suggest(partition);
    } catch (error) {
      this.#noteIfFull(error, partition.tailBytes);
    }
  }

  async #commitDirect(part: GroupPart): Promise<readonly GroupPart[]> {
    const { partition } = part;
    let written = false;
    try {
      await writeDirect(part);
      written = true;
      if (part.needsSync) {
        acknowledge(part, (acks) => acks !== 'all');
        this.#parts.synced(partition, await sync(partition));
      } else {
        this.#syncLater(partition);
      }
      this.#done(part);
      // They are in the segment's file, and were never read from memory.
      for (const { batch } of part.batches) recycleBatch(batch);
      return [part];
    } catch (error) {
      this.#noteIfFull(error, part.bytes);
      // The log goes on from what is in the file: its readers get it once a sync succeeds.
      if (written && partition.fenced === null) void this.#parts.backgroundSync.request(partition);
      this.#refuse(part, written ? outcomeUnknown(partition, error) : (error as SeglogError));
      return [];
    }
  }

  /** Nobody waits for this sync but, as the flush policy says, the high watermark. */
  #syncLater(partition: PartitionLog): void {
    const { settings } = partition.topic;
    if (settings.flush === 'sync') {
      void this.#parts.backgroundSync.request(partition);
    } else if (settings.flush === 'interval' && !this.#flushTimers.has(partition)) {
      this.#flushTimers.add(partition);
      this.#context.clock.after(settings['flush.ms'], () => {
        this.#flushTimers.delete(partition);
        void this.#parts.backgroundSync.request(partition);
      });
    }
  }

  #noteIfFull(error: unknown, bytes: number): void {
    if (isSeglogError(error, 'STORAGE_FULL')) this.#parts.space.noteFull(bytes);
  }

  #done(part: GroupPart): void {
    this.#context.observer.appended?.(part.partition.topic.name, part.records, part.bytes);
    this.#context.budget.give(part.partition, part.bytes);
    part.partition.inDoubt = [];
    if (part.hasConditions && part.partition.producers.needsSync)
      void this.#parts.backgroundSync.request(part.partition);
  }

  /** Those of the part that were acknowledged before the failure have their answer: theirs stands. */
  #refuse(part: GroupPart, error: SeglogError): void {
    const { partition, batches, bytes } = part;
    for (const queued of batches) queued.refuse(error);
    this.#context.budget.give(partition, bytes);
    // What is known not to be stored, and what is written and may still be synced, is no matter of doubt.
    if (error.code !== 'OUTCOME_UNKNOWN' || partition.fenced === null) partition.inDoubt = [];
  }
}

/** Whether the journal is the cheaper way, and makes the log durable without a hole: all before it is synced. */
function isSmall(part: GroupPart, settings: EngineSettings): boolean {
  const { partition, needsSync, bytes, baseOffset } = part;
  return (
    needsSync && bytes <= settings['journal.max.partition.bytes'] && partition.durableOffset === baseOffset
  );
}

/** Answers those whose acks are met; who has an answer already keeps it. */
function acknowledge(part: GroupPart, answered: (acks: Acks) => boolean): void {
  let offset = part.baseOffset;
  for (const queued of part.batches) {
    if (answered(queued.acks)) queued.acknowledge(offset);
    offset += queued.batch.recordCount;
  }
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += value(item);
  return total;
}

function storageFull(reserveBytes: number): SeglogError {
  return new SeglogError(
    'STORAGE_FULL',
    `the disk is full up to the reserve (log.dir.reserve.bytes=${reserveBytes}): free space or add some; nothing was stored`,
    { setting: 'log.dir.reserve.bytes' },
  );
}
