/**
 * Jobs: long work on a topic that somebody asked for or that fell due, with an id by which it is looked at and cancelled.
 *
 * Jobs that rewrite segments take a thread and long: a bounded number of them run at a time, and of a partition one, in the
 * order in which they were asked for, and one that fails for a reason that may pass is tried again, later each time. The
 * others, which delete, begin at once: what they free may be needed soon, and somebody waits. What jobs have come to is
 * remembered for a while. All of it is in memory: a job that a crash ends is gone, and whatever it was to do is due again.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../common/clock.ts';
import { counted } from '../common/counted.ts';
import { errnoOf, isSeglogError, SeglogError } from '../common/errors.ts';
import type { JobDescription, JobKind } from '../common/types.ts';
import { isOutOfDescriptors, isOutOfSpace } from '../files/file-operations.ts';

/** Kinds that rewrite segments. */
const REWRITING: ReadonlySet<JobKind> = new Set(['compact', 'recompress']);

const MOST_ATTEMPTS = 5;
const FIRST_RETRY_MS = 1_000;
const MOST_RETRY_MS = 60_000;
/** Jobs that have ended and are remembered. */
const MOST_ENDED = 100;
const MOST_OPEN = 1_000;

/** What a job is about: a partition, or, without a number, all of the topic. */
export interface JobSubject {
  topic: string;
  partition?: number;
}

/** What a job works with. */
export interface JobControl {
  /** Aborted when the job is cancelled: it is to end soon, and leave nothing half done. */
  readonly signal: AbortSignal;
  /** Tells how many bytes of how many are done. */
  progress(done: number, total?: number): void;
}

/** Resolves with what it came to, as plain JSON. Run again from the start after a failure that may pass. */
export type JobWork = (control: JobControl) => Promise<unknown>;

interface Job {
  readonly description: JobDescription;
  readonly work: JobWork;
  readonly abort: AbortController;
  readonly ended: PromiseWithResolvers<JobDescription>;
  /** Keeps a job that has failed from being tried again at once. */
  cancelRetry: (() => void) | undefined;
}

export interface JobRegistryOptions {
  clock: Clock;
  /** Jobs that rewrite segments at a time. */
  width: number;
  /** Called once for each job, when it is done, failed or cancelled. */
  ended?(job: JobDescription): void;
}

export class JobRegistry {
  readonly #options: JobRegistryOptions;
  /** Queued and running, in the order of their submission; then those that ended, in the order of their end. */
  readonly #open = new Map<string, Job>();
  readonly #past = new Map<string, JobDescription>();
  #rewriting = 0;
  #stopped = false;

  constructor(options: JobRegistryOptions) {
    this.#options = options;
  }

  /** Resolves with the job as it ended; never rejects. Throws THROTTLED when too many wait, NOT_READY once it was stopped. */
  submit(
    kind: JobKind,
    { topic, partition }: JobSubject,
    work: JobWork,
  ): { id: string; ended: Promise<JobDescription> } {
    if (this.#stopped) throw new SeglogError('NOT_READY', 'the log is closing: no more jobs are started');
    if (this.#open.size >= MOST_OPEN)
      throw new SeglogError('THROTTLED', `${counted(MOST_OPEN, 'job')} wait or run: try again later`);
    const job: Job = {
      description: {
        id: randomUUID(),
        kind,
        topic,
        partition: partition ?? null,
        state: 'queued',
        createdAt: this.#options.clock.now(),
        startedAt: null,
        endedAt: null,
        progress: { done: 0, total: 0, unit: 'bytes' },
        attempts: 0,
        result: null,
        error: null,
      },
      work,
      abort: new AbortController(),
      ended: Promise.withResolvers(),
      cancelRetry: undefined,
    };
    this.#open.set(job.description.id, job);
    this.#startNext();
    return { id: job.description.id, ended: job.ended.promise };
  }

  get(id: string): JobDescription | undefined {
    const description = this.#open.get(id)?.description ?? this.#past.get(id);
    return description && structuredClone(description);
  }

  /** Resolves with a job that is open once it has ended; undefined for any other id. */
  ended(id: string): Promise<JobDescription> | undefined {
    return this.#open.get(id)?.ended.promise;
  }

  /** Those that are open first, then those that ended, the last one first. */
  list(): JobDescription[] {
    const open = [...this.#open.values()].map(({ description }) => description);
    return structuredClone([...open, ...[...this.#past.values()].reverse()]);
  }

  /** Ends a job that is open: one that runs, as soon as it can. Undefined when there is no job of that id. */
  cancel(id: string): JobDescription | undefined {
    const job = this.#open.get(id);
    if (job !== undefined) this.#cancel(job);
    return this.get(id);
  }

  /** Starts no more jobs and cancels all; resolves when none runs. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const open = [...this.#open.values()];
    for (const job of open) this.#cancel(job);
    await Promise.all(open.map(({ ended }) => ended.promise));
  }

  #cancel(job: Job): void {
    job.abort.abort();
    // One that runs answers for itself.
    if (job.description.state === 'queued') this.#end(job, 'cancelled');
  }

  #startNext(): void {
    const { width } = this.#options;
    for (const job of this.#open.values()) {
      if (this.#stopped) return;
      if (job.description.state !== 'queued' || job.cancelRetry !== undefined) continue;
      if (!isRewriting(job)) {
        void this.#run(job);
      } else if (this.#rewriting < width && !this.#isTaken(job)) {
        this.#rewriting++;
        void this.#run(job);
      }
    }
  }

  /** Whether a job runs, or comes first, that rewrites the same partition. */
  #isTaken(job: Job): boolean {
    let isEarlier = true;
    for (const other of this.#open.values()) {
      if (other === job) {
        isEarlier = false;
      } else if (isRewriting(other) && overlap(job.description, other.description)) {
        const { state } = other.description;
        if (state === 'running' || (isEarlier && other.cancelRetry === undefined)) return true;
      }
    }
    return false;
  }

  async #run(job: Job): Promise<void> {
    const { description, abort, work } = job;
    const { clock } = this.#options;
    description.state = 'running';
    description.startedAt ??= clock.now();
    description.attempts++;
    description.progress = { done: 0, total: 0, unit: 'bytes' };
    const control: JobControl = {
      signal: abort.signal,
      progress: (done, total = description.progress.total) => {
        description.progress = { done, total, unit: 'bytes' };
      },
    };
    try {
      description.result = structuredClone((await work(control)) ?? null);
      description.error = null;
      this.#leave(job);
      this.#end(job, 'done');
    } catch (error) {
      this.#leave(job);
      if (abort.signal.aborted) this.#end(job, 'cancelled');
      else this.#failed(job, error);
    }
    this.#startNext();
  }

  #leave(job: Job): void {
    if (isRewriting(job)) this.#rewriting--;
  }

  #failed(job: Job, error: unknown): void {
    const { description } = job;
    description.error = {
      code: errnoOf(error) ?? 'TASK_FAILED',
      message: error instanceof Error ? error.message : String(error),
    };
    if (!isRewriting(job) || description.attempts >= MOST_ATTEMPTS || !mayPass(error)) {
      this.#end(job, 'failed');
      return;
    }
    description.state = 'queued';
    const wait = Math.min(MOST_RETRY_MS, FIRST_RETRY_MS * 2 ** (description.attempts - 1));
    job.cancelRetry = this.#options.clock.after(wait, () => {
      job.cancelRetry = undefined;
      this.#startNext();
    });
  }

  #end(job: Job, state: 'done' | 'failed' | 'cancelled'): void {
    const { description } = job;
    job.cancelRetry?.();
    if (state === 'cancelled') description.error = null;
    description.state = state;
    description.endedAt = this.#options.clock.now();
    this.#open.delete(description.id);
    this.#past.set(description.id, description);
    for (const id of this.#past.keys()) {
      if (this.#past.size <= MOST_ENDED) break;
      this.#past.delete(id);
    }
    this.#options.ended?.(structuredClone(description));
    job.ended.resolve(structuredClone(description));
  }
}

const isRewriting = ({ description }: Job): boolean => REWRITING.has(description.kind);

function overlap(one: JobDescription, other: JobDescription): boolean {
  if (one.topic !== other.topic) return false;
  return one.partition === null || other.partition === null || one.partition === other.partition;
}

/** Whether the same work may succeed later without anybody doing anything about it. */
function mayPass(error: unknown): boolean {
  if (isSeglogError(error)) return error.retriable || error.code === 'TASK_FAILED';
  return isOutOfSpace(error) || isOutOfDescriptors(error);
}
