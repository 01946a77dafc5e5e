/** The part of the metrics that is about work in the background. */
import type { CleaningBacklog } from '../engine/index.ts';
import { type BackgroundFigures, ENDED_STATES, TASK_OUTCOMES } from './background-figures.ts';
import type { Sample } from './histogram.ts';
import { JOB_KINDS } from './job-view.ts';
import { type Add, type MetricSources, one } from './pulled-metric.ts';

export function addBackground(add: Add, sources: MetricSources): void {
  const { metrics } = sources;
  const { background } = metrics;
  addJobs(add, sources);
  addBacklog(add, sources);
  addTasks(add, background);
  add(
    'counter',
    'seglog_reclaimed_bytes_total',
    'Bytes freed: by compaction, by recompression, by retention or on request (delete).',
    () => Object.entries(metrics.reclaimedBytes).map(([kind, value]) => ({ value, labels: { kind } })),
  );
  add(
    'counter',
    'seglog_retention_failures_total',
    'Partitions of which retention could not delete what has expired; it tries again.',
    () => one(background.retentionFailures),
  );
}

function addJobs(add: Add, { metrics, engine }: MetricSources): void {
  const { kinds } = metrics.background;
  add('histogram', 'seglog_job_duration_seconds', 'Time of a job, from its first try to its end.', () =>
    JOB_KINDS.flatMap((kind) => kinds[kind].seconds.samples('seglog_job_duration_seconds', { kind })),
  );
  add('counter', 'seglog_jobs_ended_total', 'Jobs that ended, by how.', () =>
    JOB_KINDS.flatMap((kind) =>
      ENDED_STATES.map((state) => ({ value: kinds[kind].ended[state], labels: { kind, state } })),
    ),
  );
  add('gauge', 'seglog_jobs', 'Jobs that wait or run.', () => {
    const jobs = engine().background.jobs();
    return JOB_KINDS.flatMap((kind) =>
      ['queued', 'running'].map((state) => ({
        value: jobs.filter((job) => job.kind === kind && job.state === state).length,
        labels: { kind, state },
      })),
    );
  });
  add(
    'gauge',
    'seglog_job_last_success_timestamp_seconds',
    'When such work was last done with success, since 1970; 0 if not since the start.',
    () => JOB_KINDS.map((kind) => ({ value: kinds[kind].lastSuccessSeconds, labels: { kind } })),
  );
}

function addBacklog(add: Add, { engine, maxTopics }: MetricSources): void {
  // Collected in this order, so one look at the engine serves all of these.
  let backlog!: CleaningBacklog;
  add('gauge', 'seglog_compaction_due_partitions', 'Partitions that are due to be compacted.', () => {
    backlog = engine().background.backlog();
    return one(backlog.compactions);
  });
  add('gauge', 'seglog_compaction_dirty_bytes', 'Bytes that came since the last compaction.', () =>
    one(backlog.dirtyBytes),
  );
  add(
    'gauge',
    'seglog_topic_dirty_ratio',
    'Share of bytes that came since the last compaction, in the dirtiest partition of a topic.',
    () =>
      [...backlog.dirtyRatios]
        .slice(0, maxTopics)
        .map(([topic, ratio]): Sample => ({ value: ratio, labels: { topic } })),
  );
  add('gauge', 'seglog_recompression_due_segments', 'Segments that are due to be recompressed.', () =>
    one(backlog.recompressions),
  );
}

function addTasks(add: Add, { tasks }: BackgroundFigures): void {
  const byTask = (field: 'bytes' | 'seconds' | 'throttledSeconds') => () =>
    [...tasks].map(([task, figures]) => ({ value: figures[field], labels: { task } }));
  add('counter', 'seglog_background_tasks_total', 'Tasks that ended, by how.', () =>
    [...tasks].flatMap(([task, { outcomes }]) =>
      TASK_OUTCOMES.map((outcome) => ({ value: outcomes[outcome], labels: { task, outcome } })),
    ),
  );
  add('counter', 'seglog_background_bytes_total', 'Bytes that tasks read and wrote.', byTask('bytes'));
  add(
    'counter',
    'seglog_background_seconds_total',
    'Time that tasks took, what they were throttled included.',
    byTask('seconds'),
  );
  add(
    'counter',
    'seglog_background_throttled_seconds_total',
    'Time that background.io.bytes.per.second made tasks wait.',
    byTask('throttledSeconds'),
  );
}
