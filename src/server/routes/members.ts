/** Members of a consumer group: they join, say that they are alive, and leave. */
import type { FastifyInstance } from 'fastify';
import type { HeartbeatOptions, JoinRequest } from '../../engine/index.ts';
import type { AppContext } from '../app-context.ts';
import type { ProblemCode } from '../error-mapping.ts';
import { GROUP_PATH, HEARTBEAT_BODY, JOIN_BODY, MEMBER_PATH } from '../group-schemas.ts';
import { ref } from '../schema-components.ts';
import { BODY_PROBLEMS, json, NO_PARAMETERS, responses } from '../schemas.ts';

interface MemberPath {
  Params: { group: string; member: string };
}

const tags = ['groups'];
/** What any change of a group may come to. */
const CHANGE_PROBLEMS: readonly ProblemCode[] = [
  'invalid_group',
  'corrupt_data',
  'storage_failed',
  'storage_full',
  'outcome_unknown',
];

export function registerMemberRoutes(app: FastifyInstance, context: AppContext): void {
  registerJoin(app, context);
  registerHeartbeat(app, context);
  registerLeave(app, context);
}

function registerJoin(app: FastifyInstance, { lifecycle }: AppContext): void {
  app.post<{ Params: { group: string }; Body: JoinRequest }>(
    '/api/groups/:group/members',
    {
      schema: {
        tags,
        summary: 'Join a group, which is made by that',
        params: GROUP_PATH,
        querystring: NO_PARAMETERS,
        body: JOIN_BODY,
        response: responses(
          { 201: json('The member; Location says where it is', ref('Member')) },
          ...BODY_PROBLEMS,
          ...CHANGE_PROBLEMS,
          'invalid_topic',
          'inconsistent_group_protocol',
          'group_full',
          'overloaded',
        ),
      },
    },
    async ({ params: { group }, body }, reply) => {
      const member = await lifecycle.groups.join(group, body);
      const path = `/api/groups/${encodeURIComponent(group)}/members/${encodeURIComponent(member.memberId)}`;
      void reply.code(201).header('location', path);
      return member;
    },
  );
}

function registerHeartbeat(app: FastifyInstance, { lifecycle }: AppContext): void {
  app.put<MemberPath & { Body: HeartbeatOptions | null | undefined }>(
    '/api/groups/:group/members/:member',
    {
      schema: {
        tags,
        summary: 'Say that a member is alive, and confirm what it was told',
        params: MEMBER_PATH,
        querystring: NO_PARAMETERS,
        body: HEARTBEAT_BODY,
        response: responses(
          { 200: json('The member as it is now', ref('Member')) },
          ...BODY_PROBLEMS,
          ...CHANGE_PROBLEMS,
          'unknown_group',
          'unknown_member',
        ),
      },
    },
    async ({ params: { group, member }, body }) => lifecycle.groups.heartbeat(group, member, body ?? {}),
  );
}

function registerLeave(app: FastifyInstance, { lifecycle }: AppContext): void {
  app.delete<MemberPath>(
    '/api/groups/:group/members/:member',
    {
      schema: {
        tags,
        summary: 'Leave a group: others get the partitions at once',
        params: MEMBER_PATH,
        querystring: NO_PARAMETERS,
        response: responses(
          { 204: { type: 'null', description: 'The member has left' } },
          ...CHANGE_PROBLEMS,
          'unknown_group',
          'unknown_member',
        ),
      },
    },
    async ({ params: { group, member } }, reply) => {
      await lifecycle.groups.leave(group, member);
      return reply.code(204).send();
    },
  );
}
