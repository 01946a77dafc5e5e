/**
 * A job of the daemon as a command has it done: started, waited for with its progress on a terminal, and cancelled by
 * Ctrl-C. What the job came to is the command's to tell.
 */
import type { JobKind, JobState } from '../engine/index.ts';
import { type ByteProgress, createProgress } from './byte-progress.ts';
import { ReportedFailure, ServerError } from './errors.ts';
import type { HttpClient, Query } from './http-client.ts';
import type { Io } from './io.ts';
import { answerMayCome, patiently } from './patience.ts';
import { humanBytes, jsonText } from './text.ts';
import { explainUnknownTopic, topicPath } from './topics-client.ts';

/** As the engine's JobDescription, with times in ISO 8601. */
export interface JobInfo<R> {
  id: string;
  kind: JobKind;
  topic: string;
  state: JobState;
  createdAt: string;
  startedAt: string | null;
  endedAt: string | null;
  progress: { done: number; total: number };
  attempts: number;
  /** Null unless it is done. */
  result: R | null;
  error: { code: string; message: string } | null;
}

/** How long the daemon keeps a request that waits for the end: a bar is to move, and a pipe has time. */
const TERMINAL_WAIT_MS = 200;
const LONGEST_WAIT_MS = 30_000;
/** How long a daemon may be away while its job is waited for. */
const PATIENCE_MS = 30_000;

export interface JobRequest {
  topic: string;
  /** The last part of the route: `POST /api/topics/{topic}/{route}`. */
  route: 'compact' | 'retain';
  query?: Query;
  /** With it, the job is printed as it ended, whatever became of it. */
  json: boolean | undefined;
}

/** Resolves with a job that is done. Throws ReportedFailure when it was cancelled, and why when it failed. */
export async function runJob<R>(
  client: HttpClient,
  { topic, route, query, json }: JobRequest,
  io: Io,
): Promise<JobInfo<R> & { result: R }> {
  const interruption = io.interruption();
  const started = await client
    .json<JobInfo<R>>('POST', `${topicPath(topic)}/${route}`, { query })
    .catch(async (error: unknown) => {
      throw await explainUnknownTopic(client, topic, error);
    });
  const progress = await createProgress(io.stderr);
  const job = await new JobWatch<R>(client, started, progress, io)
    .run(interruption)
    .finally(() => progress.stop());
  await client.close();
  if (json) io.stdout.write(jsonText(io.stdout, job));
  if (job.state === 'cancelled') {
    const by = interruption.aborted ? 'interrupted' : 'cancelled by somebody else';
    io.stderr.write(`seglog: ${by} ${reached(job)}\n`);
    throw new ReportedFailure();
  }
  if (job.state === 'failed') throw failureOf(job);
  return job as JobInfo<R> & { result: R };
}

class JobWatch<R> {
  readonly #client: HttpClient;
  readonly #progress: ByteProgress;
  readonly #io: Io;
  #job: JobInfo<R>;
  /** What was last said of why it takes longer. */
  #said = '';

  constructor(client: HttpClient, job: JobInfo<R>, progress: ByteProgress, io: Io) {
    this.#client = client;
    this.#job = job;
    this.#progress = progress;
    this.#io = io;
  }

  /** Resolves once the job has ended; when `interruption` aborts it is cancelled. */
  async run(interruption: AbortSignal): Promise<JobInfo<R>> {
    while (this.#job.endedAt === null && !interruption.aborted) {
      this.#show();
      try {
        await this.#ask('GET', interruption);
      } catch (error) {
        if (!interruption.aborted) throw this.#explain(error);
      }
    }
    if (this.#job.endedAt === null)
      await this.#ask('DELETE').catch((error) => Promise.reject(this.#explain(error)));
    while (this.#job.endedAt === null) await this.#ask('GET');
    return this.#job;
  }

  async #ask(method: 'GET' | 'DELETE', signal?: AbortSignal): Promise<void> {
    const { stderr } = this.#io;
    const query = method === 'GET' ? { wait_ms: stderr.isTTY ? TERMINAL_WAIT_MS : LONGEST_WAIT_MS } : {};
    const patience = { io: this.#io, forMs: PATIENCE_MS, worthATry: answerMayCome, signal };
    this.#job = await patiently(patience, () =>
      this.#client.json<JobInfo<R>>(method, `/api/jobs/${this.#job.id}`, { query, signal }),
    );
  }

  #show(): void {
    const { progress, state, attempts, error } = this.#job;
    if (progress.total > 0) this.#progress.update(progress.done, progress.total);
    if (state !== 'queued') return;
    this.#say(
      attempts === 0
        ? 'it waits for other work in the background to end'
        : `try ${attempts} failed, and it is tried again: ${error?.message}`,
    );
  }

  #say(text: string): void {
    if (text === this.#said) return;
    this.#said = text;
    this.#progress.stop();
    this.#io.stderr.write(`seglog: ${text}\n`);
  }

  /** A daemon that was started anew knows nothing of the jobs before. */
  #explain(error: unknown): unknown {
    if (!(error instanceof ServerError && error.code === 'unknown_job')) return error;
    return new Error(
      'the daemon does not know the job any more: it was started anew, and what the job had done by then stays done',
      { cause: error },
    );
  }
}

/** "after 1.2 MiB of 30 MiB; what was done by then stays done". */
function reached({ progress: { done, total } }: JobInfo<unknown>): string {
  if (done === 0) return 'before anything was done';
  return `after ${humanBytes(done)} of ${humanBytes(total)}; what was done by then stays done`;
}

function failureOf({ kind, topic, attempts, error }: JobInfo<unknown>): Error {
  const tries = attempts > 1 ? ` after ${attempts} tries` : '';
  return new Error(`${kind} of topic "${topic}" failed${tries}: ${error?.message}`);
}
