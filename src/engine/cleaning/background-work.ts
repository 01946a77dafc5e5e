/**
 * The work on segments that takes long, as jobs: what falls due, and what somebody asks for. Housekeeping calls `schedule`,
 * after retention has freed what it could: of the partitions that are due the dirtiest is compacted first, and old segments
 * are recompressed where nothing is to be compacted.
 */
import { JobRegistry } from '../background/jobs.ts';
import { SeglogError } from '../common/errors.ts';
import type {
  CleaningBacklog,
  ExpiredSegments,
  JobDescription,
  RecordsDeleted,
  SegmentsRewritten,
} from '../common/types.ts';
import type { OpenTopic } from '../directory/topic.ts';
import { isCompacted, isDeleted } from '../partition/cleanup-policy.ts';
import { compactionPlan } from '../partition/partition-description.ts';
import { type PartitionLog, unknownPartition } from '../partition/partition-log.ts';
import { deletionEnd } from '../partition/partition-reader.ts';
import { bytesToCompact, compactPartition } from './compaction-pass.ts';
import { dueForRecompression, recompressPartition } from './recompression-pass.ts';
import type { RetentionPass } from './retention-pass.ts';
import { checkCompacted, type RewriteTools } from './segment-rewriting.ts';

/** How long a partition is left alone after a pass over it has failed for good, or was cancelled: somebody wants that. */
const FAILED_WAIT_MS = 300_000;
/** The same where there was no space: that may come by itself. */
const FULL_WAIT_MS = 15_000;

type RewriteKind = 'compact' | 'recompress';

export class BackgroundWork {
  readonly #tools: RewriteTools;
  readonly #topics: ReadonlyMap<string, OpenTopic>;
  readonly #retention: RetentionPass;
  readonly #jobs: JobRegistry;
  /** Partitions that a job was scheduled for which has not ended. */
  readonly #scheduled = new Set<PartitionLog>();
  /** By the monotonic clock. */
  readonly #notBefore = new WeakMap<PartitionLog, number>();
  #stopped = false;

  constructor(tools: RewriteTools, topics: ReadonlyMap<string, OpenTopic>, retention: RetentionPass) {
    const { clock, settings, observer } = tools.context;
    this.#tools = tools;
    this.#topics = topics;
    this.#retention = retention;
    this.#jobs = new JobRegistry({
      clock,
      width: settings['background.threads'],
      ended: (job) => observer.jobEnded?.(job),
    });
  }

  /** Starts what is due, as far as threads are free; nothing once it was stopped. */
  schedule(): void {
    if (this.#stopped) return;
    const free = this.#tools.context.settings['background.threads'] - this.#scheduled.size;
    if (free <= 0) return;
    const candidates = this.#partitions().filter((partition) => this.#mayStart(partition));
    const due = [
      ...dirtiestFirst(candidates).map((partition) => ({ partition, kind: 'compact' as const })),
      ...candidates
        .filter((partition) => dueForRecompression(partition).length > 0)
        .map((partition) => ({ partition, kind: 'recompress' as const })),
    ];
    for (const { partition, kind } of due.slice(0, free)) this.#start(kind, partition);
  }

  /**
   * Compacts all partitions of a topic now. One that fails is no reason to leave the others, but the job has failed then.
   * Throws POLICY_VIOLATION where `cleanup.policy` is `delete`.
   */
  compact(topic: string): JobDescription {
    const { partitions } = this.#topic(topic);
    checkCompacted(partitions[0]!);
    return this.#submit('compact', topic, async (control) => {
      const results: SegmentsRewritten[] = [];
      const failures: unknown[] = [];
      const totals = partitions.map(bytesToCompact);
      const total = totals.reduce((sum, bytes) => sum + bytes, 0);
      let before = 0;
      for (const [i, partition] of partitions.entries()) {
        // What has grown since then does not count.
        const progress = (done: number) => control.progress(before + Math.min(done, totals[i]!), total);
        try {
          results.push(await compactPartition(this.#tools, partition, { signal: control.signal, progress }));
        } catch (error) {
          if (control.signal.aborted) throw error;
          failures.push(error);
        }
        before += totals[i]!;
      }
      if (failures.length > 0) throw failures[0];
      return results;
    });
  }

  /** Removes of a topic what retention may remove, now; with `dryRun` it only tells. */
  retain(topic: string, { dryRun = false } = {}): JobDescription {
    const found = this.#topic(topic);
    return this.#submit('retain', topic, async ({ signal }): Promise<RetentionResult> => {
      return { dryRun, partitions: await this.#retention.retain(found, dryRun, signal) };
    });
  }

  /** See Engine.deleteRecords. */
  async deleteRecords(topic: string, partition: number, offset: number): Promise<RecordsDeleted> {
    const log = this.#topic(topic).partitions[partition];
    if (log === undefined) throw unknownPartition(topic, partition);
    if (!isDeleted(log.topic.settings)) throw onlyCompacted(topic);
    const end = deletionEnd(log, offset);
    let failure: unknown;
    const { id, ended } = this.#jobs.submit('delete-records', { topic, partition }, async () => {
      try {
        const { segments, bytes } = await this.#tools.maintenance.deleteBefore(log, end);
        // It was closed in between: nothing more is deleted.
        if (log.logStartOffset < end)
          throw new SeglogError('NOT_READY', 'the log is closing: nothing was deleted');
        return { logStartOffset: log.logStartOffset, segments, bytes };
      } catch (error) {
        failure = error;
        throw error;
      }
    });
    const { state, result } = await ended;
    if (state === 'done') return { ...(result as Omit<RecordsDeleted, 'jobId'>), jobId: id };
    throw failure ?? new SeglogError('NOT_READY', `the job ${id} was cancelled: nothing was deleted`);
  }

  /** Open jobs first, then the last ones that ended. */
  jobs(): JobDescription[] {
    return this.#jobs.list();
  }

  /** Throws UNKNOWN_JOB. */
  job(id: string): JobDescription {
    return this.#jobs.get(id) ?? unknownJob(id);
  }

  /** Ends a job as soon as that can be; one that has ended stays as it is. Throws UNKNOWN_JOB. */
  cancel(id: string): JobDescription {
    return this.#jobs.cancel(id) ?? unknownJob(id);
  }

  /** Resolves with the job once it has ended, or as it is when time is up or the caller gives up. Throws UNKNOWN_JOB. */
  async waitFor(id: string, timeoutMs: number, signal?: AbortSignal): Promise<JobDescription> {
    const ended = this.#jobs.ended(id);
    if (ended === undefined) return this.job(id);
    const { promise: givenUp, resolve } = Promise.withResolvers<void>();
    const cancelTimer = this.#tools.context.clock.after(timeoutMs, resolve);
    const giveUp = () => resolve();
    if (signal?.aborted) giveUp();
    signal?.addEventListener('abort', giveUp, { once: true });
    try {
      await Promise.race([ended, givenUp]);
    } finally {
      cancelTimer();
      signal?.removeEventListener('abort', giveUp);
    }
    return this.job(id);
  }

  /** Ends all jobs of a topic; resolves when none runs. */
  async cancelAllOf(topic: string): Promise<void> {
    const open = this.#jobs.list().filter((job) => job.topic === topic && job.endedAt === null);
    for (const { id } of open) this.#jobs.cancel(id);
    await Promise.all(open.map(({ id }) => this.#jobs.ended(id)));
  }

  /** What is to be done, whether or not a job does it already. */
  backlog(): CleaningBacklog {
    const backlog: CleaningBacklog = {
      compactions: 0,
      dirtyBytes: 0,
      recompressions: 0,
      dirtyRatios: new Map(),
    };
    for (const partition of this.#partitions()) {
      if (isCompacted(partition.topic.settings)) {
        const { due, dirtyBytes, dirtyRatio } = compactionPlan(partition);
        const { name } = partition.topic;
        backlog.dirtyRatios.set(name, Math.max(backlog.dirtyRatios.get(name) ?? 0, dirtyRatio));
        backlog.dirtyBytes += dirtyBytes;
        if (due) backlog.compactions++;
      }
      backlog.recompressions += dueForRecompression(partition).length;
    }
    return backlog;
  }

  /** Ends all jobs at once; resolves when none runs. */
  stop(): Promise<void> {
    this.#stopped = true;
    return this.#jobs.stop();
  }

  #partitions(): PartitionLog[] {
    return [...this.#topics.values()]
      .flatMap(({ partitions }) => partitions)
      .filter(({ fenced, deleted }) => fenced === null && !deleted);
  }

  #mayStart(partition: PartitionLog): boolean {
    const notBefore = this.#notBefore.get(partition) ?? Number.NEGATIVE_INFINITY;
    return !this.#scheduled.has(partition) && this.#tools.context.clock.monotonic() >= notBefore;
  }

  #start(kind: RewriteKind, partition: PartitionLog): void {
    if (this.#scheduled.has(partition)) return;
    const { topic, partition: number } = partition;
    const pass = kind === 'compact' ? compactPartition : recompressPartition;
    const { ended } = this.#jobs.submit(kind, { topic: topic.name, partition: number }, async (control) => [
      await pass(this.#tools, partition, control),
    ]);
    this.#scheduled.add(partition);
    void ended.then(({ state, error }) => {
      this.#scheduled.delete(partition);
      if (state === 'done') return;
      const { clock, logger } = this.#tools.context;
      const waitMs = error?.code === 'STORAGE_FULL' ? FULL_WAIT_MS : FAILED_WAIT_MS;
      this.#notBefore.set(partition, clock.monotonic() + waitMs);
      if (state === 'failed') logger.error({ topic: topic.name, partition: number, error }, `${kind} failed`);
    });
  }

  #submit(
    kind: 'compact' | 'retain',
    topic: string,
    work: Parameters<JobRegistry['submit']>[2],
  ): JobDescription {
    return this.job(this.#jobs.submit(kind, { topic }, work).id);
  }

  #topic(name: string): OpenTopic {
    const topic = this.#topics.get(name);
    if (topic === undefined) throw unknownPartition(name);
    return topic;
  }
}

/** What a job of kind `retain` results in. */
export interface RetentionResult {
  dryRun: boolean;
  partitions: ExpiredSegments[];
}

/** Those that are due. */
function dirtiestFirst(partitions: readonly PartitionLog[]): PartitionLog[] {
  return partitions
    .filter((partition) => isCompacted(partition.topic.settings))
    .map((partition) => ({ partition, plan: compactionPlan(partition) }))
    .filter(({ plan }) => plan.due)
    .sort((a, b) => b.plan.dirtyRatio - a.plan.dirtyRatio)
    .map(({ partition }) => partition);
}

function unknownJob(id: string): never {
  throw new SeglogError(
    'UNKNOWN_JOB',
    `there is no job "${id.slice(0, 100)}": jobs that ended are forgotten after a while`,
  );
}

function onlyCompacted(topic: string): SeglogError {
  return new SeglogError(
    'POLICY_VIOLATION',
    `records of topic "${topic}" are deleted by key only: its cleanup.policy is compact; produce the key with a null value, or set cleanup.policy=compact,delete`,
    { topic },
  );
}
