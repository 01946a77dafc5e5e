/** Jobs: compaction and retention of a topic on request, and a look at all long work, which may be cancelled. */
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { JobDescription } from '../../engine/index.ts';
import type { AppContext } from '../app-context.ts';
import { viewJob } from '../job-view.ts';
import { requestSignal } from '../request-signal.ts';
import { array, object, ref } from '../schema-components.ts';
import {
  BODY_PROBLEMS,
  JOB_PARAMETERS,
  JOB_PATH,
  JOBS_PARAMETERS,
  json,
  NO_BODY,
  NO_PARAMETERS,
  RETAIN_PARAMETERS,
  responses,
  TOPIC_PATH,
} from '../schemas.ts';

interface TopicPath {
  Params: { topic: string };
}

interface JobPath {
  Params: { id: string };
}

const tags = ['jobs'];
const STARTED = { 202: json('The job; Location says where it is', ref('Job')) };

export function registerJobRoutes(app: FastifyInstance, context: AppContext): void {
  registerRequests(app, context);
  registerList(app, context);
  registerWait(app, context);
  registerCancel(app, context);
}

function registerRequests(app: FastifyInstance, { lifecycle }: AppContext): void {
  app.post<TopicPath>(
    '/api/topics/:topic/compact',
    {
      schema: {
        tags,
        summary: 'Compact a topic now, whether or not it is due',
        params: TOPIC_PATH,
        querystring: NO_PARAMETERS,
        body: NO_BODY,
        response: responses(STARTED, ...BODY_PROBLEMS, 'invalid_topic', 'unknown_topic', 'policy_violation'),
      },
    },
    async ({ params }, reply) => started(reply, lifecycle.engine.background.compact(params.topic)),
  );

  app.post<TopicPath & { Querystring: { dry_run?: 'true' | 'false' } }>(
    '/api/topics/:topic/retain',
    {
      schema: {
        tags,
        summary: 'Delete now what retention may delete of a topic, or tell what that is',
        params: TOPIC_PATH,
        querystring: RETAIN_PARAMETERS,
        body: NO_BODY,
        response: responses(STARTED, ...BODY_PROBLEMS, 'invalid_topic', 'unknown_topic'),
      },
    },
    async ({ params, query }, reply) => {
      const dryRun = query.dry_run === 'true';
      return started(reply, lifecycle.engine.background.retain(params.topic, { dryRun }));
    },
  );
}

function started(reply: FastifyReply, job: JobDescription) {
  void reply.code(202).header('location', `/api/jobs/${job.id}`);
  return viewJob(job);
}

function registerList(app: FastifyInstance, { lifecycle }: AppContext): void {
  app.get<{ Querystring: Partial<Pick<JobDescription, 'topic' | 'kind' | 'state'>> }>(
    '/api/jobs',
    {
      schema: {
        tags,
        summary: 'List the jobs: those that wait or run, then the last that ended',
        querystring: JOBS_PARAMETERS,
        response: responses({ 200: json('The jobs', object({ jobs: array(ref('Job')) })) }, 'invalid_topic'),
      },
    },
    async ({ query }) => {
      const wanted = Object.entries(query) as [keyof typeof query, string][];
      const jobs = lifecycle.engine.background.jobs();
      return {
        jobs: jobs.filter((job) => wanted.every(([name, value]) => job[name] === value)).map(viewJob),
      };
    },
  );
}

function registerWait(app: FastifyInstance, { lifecycle, settings }: AppContext): void {
  app.get<JobPath & { Querystring: { wait_ms?: number } }>(
    '/api/jobs/:id',
    {
      schema: {
        tags,
        summary: 'Show a job: its state, how far it is, what it came to',
        params: JOB_PATH,
        querystring: JOB_PARAMETERS,
        response: responses({ 200: json('The job', ref('Job')) }, 'unknown_job'),
      },
    },
    async ({ params, query }, reply) => {
      const { background } = lifecycle.engine;
      const waitMs = Math.min(query.wait_ms ?? 0, settings['http.max.wait.ms']);
      if (waitMs === 0) return viewJob(background.job(params.id));
      const { signal, release } = requestSignal(reply, lifecycle);
      try {
        const job = await background.waitFor(params.id, waitMs, signal);
        // Nobody is there any more to be answered.
        return reply.raw.closed ? reply.hijack() : viewJob(job);
      } finally {
        release();
      }
    },
  );
}

function registerCancel(app: FastifyInstance, { lifecycle }: AppContext): void {
  app.delete<JobPath>(
    '/api/jobs/:id',
    {
      schema: {
        tags,
        summary: 'Cancel a job; what it has done by then stays done',
        params: JOB_PATH,
        querystring: NO_PARAMETERS,
        response: responses(
          {
            200: json('The job, which has ended', ref('Job')),
            202: json('The job, which ends soon', ref('Job')),
          },
          'unknown_job',
        ),
      },
    },
    async ({ params }, reply) => {
      const job = lifecycle.engine.background.cancel(params.id);
      void reply.code(job.endedAt === null ? 202 : 200);
      return viewJob(job);
    },
  );
}
