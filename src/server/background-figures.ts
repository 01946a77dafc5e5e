/**
 * What work in the background came to: jobs, the tasks that they are done by, what they freed, and when each kind of work
 * was last done with success. Added to when a job or a task ends, which is seldom.
 */
import type { EngineObserver, JobDescription, JobKind, TaskReport } from '../engine/index.ts';
import { Histogram } from './histogram.ts';
import { JOB_KINDS } from './job-view.ts';

/** From 10 ms to 10 hours. */
const JOB_SECONDS = [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 10_800, 36_000];

export const ENDED_STATES = ['done', 'failed', 'cancelled'] as const;
export const TASK_OUTCOMES = ['done', 'failed', 'cancelled'] as const;

interface KindFigures {
  readonly seconds: Histogram;
  readonly ended: Record<(typeof ENDED_STATES)[number], number>;
  /** Since 1970; 0 before the first success. */
  lastSuccessSeconds: number;
}

interface TaskFigures {
  readonly outcomes: Record<TaskReport['outcome'], number>;
  bytes: number;
  seconds: number;
  throttledSeconds: number;
}

export class BackgroundFigures {
  readonly kinds: Readonly<Record<JobKind, KindFigures>>;
  readonly tasks = new Map<string, TaskFigures>();
  /** Bytes freed by rewriting segments. */
  readonly rewrittenBytes = { compact: 0, recompress: 0 };
  retentionFailures = 0;

  constructor() {
    const entries = JOB_KINDS.map((kind): [JobKind, KindFigures] => [
      kind,
      {
        seconds: new Histogram(JOB_SECONDS),
        ended: { done: 0, failed: 0, cancelled: 0 },
        lastSuccessSeconds: 0,
      },
    ]);
    this.kinds = Object.fromEntries(entries) as Record<JobKind, KindFigures>;
  }

  /** What the engine reports to. */
  readonly observer: EngineObserver = {
    rewritten: (kind, bytesBefore, bytesAfter) => {
      this.rewrittenBytes[kind] += Math.max(0, bytesBefore - bytesAfter);
    },
    retained: (failures) => {
      this.retentionFailures += failures;
      if (failures === 0) this.kinds.retain.lastSuccessSeconds = Date.now() / 1000;
    },
    jobEnded: (job) => this.#jobEnded(job),
    taskEnded: (report) => this.#taskEnded(report),
  };

  #jobEnded({ kind, state, startedAt, endedAt }: JobDescription): void {
    const figures = this.kinds[kind];
    figures.ended[state as (typeof ENDED_STATES)[number]]++;
    // One that was cancelled before it began took no time.
    if (startedAt !== null) figures.seconds.observe((endedAt! - startedAt) / 1000);
    // That retention has looked at everything is told by itself; one topic on request does not count.
    if (state === 'done' && kind !== 'retain') figures.lastSuccessSeconds = endedAt! / 1000;
  }

  #taskEnded({ task, outcome, bytes, durationMs, throttledMs }: TaskReport): void {
    const figures = this.tasks.get(task) ?? {
      outcomes: { done: 0, failed: 0, cancelled: 0 },
      bytes: 0,
      seconds: 0,
      throttledSeconds: 0,
    };
    this.tasks.set(task, figures);
    figures.outcomes[outcome]++;
    figures.bytes += bytes;
    figures.seconds += durationMs / 1000;
    figures.throttledSeconds += throttledMs / 1000;
  }
}
