/** Jobs as HTTP shows them: the engine's, with times in ISO 8601, and the names of their kinds and states. */
import type { JobDescription, JobKind, JobState } from '../engine/index.ts';
import { isoTime } from '../query/index.ts';
import { hidePaths } from './error-mapping.ts';

/** Records, so that none is left out. */
const KINDS: Readonly<Record<JobKind, true>> = {
  compact: true,
  retain: true,
  recompress: true,
  'delete-records': true,
};
const STATES: Readonly<Record<JobState, true>> = {
  queued: true,
  running: true,
  done: true,
  failed: true,
  cancelled: true,
};

export const JOB_KINDS = Object.keys(KINDS) as JobKind[];
export const JOB_STATES = Object.keys(STATES) as JobState[];

export function viewJob(job: JobDescription) {
  return {
    ...job,
    createdAt: isoTime(job.createdAt),
    startedAt: isoTime(job.startedAt),
    endedAt: isoTime(job.endedAt),
    // What was done to partitions stands under one name, whatever it was.
    result: Array.isArray(job.result) ? { partitions: job.result } : job.result,
    error: job.error && { ...job.error, message: hidePaths(job.error.message) },
  };
}
