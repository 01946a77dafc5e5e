/** Consumer groups: list, describe, delete, and the offsets that they commit or are reset to. */
import type { FastifyInstance } from 'fastify';
import type { CommitRequest, GroupDescription, OffsetToCommit, ResetRequest } from '../../engine/index.ts';
import { isoTime } from '../../query/index.ts';
import type { AppContext } from '../app-context.ts';
import { HttpProblem } from '../error-mapping.ts';
import { GROUP_PATH, OFFSETS_BODY } from '../group-schemas.ts';
import { type ResetBody, resetRequest } from '../reset-target.ts';
import { array, object, ref } from '../schema-components.ts';
import { BODY_PROBLEMS, json, NO_PARAMETERS, responses } from '../schemas.ts';

interface GroupPath {
  Params: { group: string };
}

interface OffsetsRoute extends GroupPath {
  Body: {
    memberId?: string;
    generation?: number;
    offsets?: OffsetToCommit[];
    reset?: ResetBody;
    dryRun?: boolean;
  };
}

const tags = ['groups'];

export function registerGroupRoutes(app: FastifyInstance, context: AppContext): void {
  registerList(app, context);
  registerDescription(app, context);
  registerDeletion(app, context);
  registerOffsets(app, context);
}

function registerList(app: FastifyInstance, { lifecycle }: AppContext): void {
  app.get(
    '/api/groups',
    {
      schema: {
        tags,
        summary: 'List the consumer groups',
        querystring: NO_PARAMETERS,
        response: responses(
          { 200: json('The groups', object({ groups: array(ref('GroupListing')) })) },
          'corrupt_data',
        ),
      },
    },
    async () => ({ groups: lifecycle.groups.list() }),
  );
}

function registerDescription(app: FastifyInstance, { lifecycle }: AppContext): void {
  app.get<GroupPath>(
    '/api/groups/:group',
    {
      schema: {
        tags,
        summary: 'Describe a group: its members, what each of them has, and how far it is behind',
        params: GROUP_PATH,
        querystring: NO_PARAMETERS,
        response: responses(
          { 200: json('The group', ref('Group')) },
          'invalid_group',
          'unknown_group',
          'corrupt_data',
        ),
      },
    },
    async ({ params }) => describe(await lifecycle.groups.describe(params.group)),
  );
}

function describe(group: GroupDescription) {
  const offsets = group.offsets.map((each) => ({ ...each, committedAt: isoTime(each.committedAt) }));
  return { ...group, offsets, expiresAt: isoTime(group.expiresAt) };
}

function registerDeletion(app: FastifyInstance, { lifecycle }: AppContext): void {
  app.delete<GroupPath>(
    '/api/groups/:group',
    {
      schema: {
        tags,
        summary: 'Delete a group that has no members, and what it has committed',
        params: GROUP_PATH,
        querystring: NO_PARAMETERS,
        response: responses(
          { 204: { type: 'null', description: 'The group was deleted' } },
          'invalid_group',
          'unknown_group',
          'group_not_empty',
          'corrupt_data',
          'storage_failed',
          'storage_full',
          'outcome_unknown',
        ),
      },
    },
    async ({ params }, reply) => {
      await lifecycle.groups.delete(params.group);
      return reply.code(204).send();
    },
  );
}

function registerOffsets(app: FastifyInstance, { lifecycle }: AppContext): void {
  app.put<OffsetsRoute>(
    '/api/groups/:group/offsets',
    {
      schema: {
        tags,
        summary: 'Commit offsets as a member, or reset those of a group that has no members',
        params: GROUP_PATH,
        querystring: NO_PARAMETERS,
        body: OFFSETS_BODY,
        response: responses(
          { 200: json('The offsets before and after', ref('OffsetChanges')) },
          ...BODY_PROBLEMS,
          'invalid_group',
          'invalid_offset',
          'unknown_group',
          'unknown_topic',
          'unknown_partition',
          'invalid_timestamp',
          'fenced',
          'group_not_empty',
          'offset_out_of_range',
          'overloaded',
          'corrupt_data',
          'storage_failed',
          'storage_full',
          'outcome_unknown',
        ),
      },
    },
    async ({ params: { group }, body }) => {
      const { groups } = lifecycle;
      if (body.memberId !== undefined) {
        return { dryRun: false, offsets: await groups.commit(group, commitRequest(body)) };
      }
      return { dryRun: body.dryRun === true, offsets: await groups.reset(group, resetOf(body)) };
    },
  );
}

function commitRequest({
  memberId,
  generation,
  offsets,
  reset,
  dryRun,
}: OffsetsRoute['Body']): CommitRequest {
  if (generation === undefined || offsets === undefined)
    throw new HttpProblem('invalid_request', 'a commit has memberId, generation and offsets');
  if (reset !== undefined || dryRun !== undefined)
    throw new HttpProblem(
      'invalid_request',
      'a commit has neither reset nor dryRun: those go without memberId',
    );
  return { memberId: memberId!, generation, offsets };
}

function resetOf({ generation, offsets, reset, dryRun }: OffsetsRoute['Body']): ResetRequest {
  if ((offsets === undefined) === (reset === undefined) || generation !== undefined)
    throw new HttpProblem(
      'invalid_request',
      'without memberId it is a reset: give offsets or reset, one of them, and no generation',
    );
  return reset === undefined ? { offsets, dryRun } : { ...resetRequest(reset), dryRun };
}
