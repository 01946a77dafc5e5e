/** The named schemas of what travels about consumer groups. */
import { array, object, ref } from './schema-components.ts';

const integer = { type: 'integer' } as const;
const text = { type: 'string' } as const;
const nullableText = { type: ['string', 'null'] } as const;
const nullableInteger = { type: ['integer', 'null'] } as const;
const nullableTime = { type: ['string', 'null'], format: 'date-time' } as const;
const partitions = array(ref('TopicPartitions'));
const assignor = {
  type: ['string', 'null'],
  enum: ['range', 'roundrobin', 'cooperative-sticky', null],
} as const;
const state = {
  type: 'string',
  enum: ['Empty', 'Stable', 'Reconciling'],
  description:
    'Reconciling: some member is to give partitions up or to get some, or has not confirmed yet that it knows of its new ones.',
} as const;

const member = {
  memberId: text,
  generation: { ...integer, description: 'Of the group. Commits carry it.' },
  assignment: { ...partitions, description: 'What the member owns and may read.' },
  revoking: {
    ...partitions,
    description:
      'What it gives up by its next heartbeat or poll: until then it may commit these. Not part of assignment.',
  },
  sessionTimeoutMs: { ...integer, description: 'A member that is silent for so long is taken out.' },
};

const position = {
  topic: text,
  partition: integer,
  offset: { ...integer, description: 'The next one to be read.' },
};

export const GROUP_COMPONENTS = [
  { $id: 'TopicPartitions', ...object({ topic: text, partitions: array(integer) }) },
  { $id: 'Member', description: 'What a member is told each time it is heard of.', ...object(member) },
  { $id: 'GroupPosition', ...object(position) },
  {
    $id: 'GroupRecord',
    description: 'A Record that says where it lies.',
    ...object({ topic: text, partition: integer, offset: integer }),
    additionalProperties: true,
  },
  {
    $id: 'GroupPage',
    ...object({
      records: array(ref('GroupRecord')),
      ...member,
      positions: {
        ...array(ref('GroupPosition')),
        description: 'What to commit once all of it is processed.',
      },
      cursor: {
        ...nullableText,
        description: 'Reads on behind these records without a commit; null where all is committed.',
      },
      errors: {
        description: 'Partitions that failed while others gave something.',
        ...array(object({ topic: text, partition: integer, error: ref('Problem') })),
      },
    }),
  },
  {
    $id: 'GroupListing',
    ...object({ groupId: text, state, generation: integer, assignor, members: integer }),
  },
  {
    $id: 'Group',
    ...object({
      groupId: text,
      state,
      generation: integer,
      assignor,
      members: array(
        object({
          memberId: text,
          clientId: text,
          topics: array(text),
          sessionTimeoutMs: integer,
          autoOffsetReset: text,
          generation: { ...integer, description: 'The one that it has confirmed.' },
          assignment: partitions,
          revoking: partitions,
          pending: { ...partitions, description: 'Its own as soon as others have given them up.' },
          idleMs: { ...integer, description: 'Since it was heard of; 0 while it waits for records.' },
        }),
      ),
      offsets: array(
        object({
          topic: text,
          partition: integer,
          committed: {
            ...nullableInteger,
            description: 'The next offset to be read; null: none is committed.',
          },
          metadata: nullableText,
          committedAt: nullableTime,
          logStartOffset: integer,
          logEndOffset: { ...integer, description: 'The end of what can be read.' },
          lag: { ...nullableInteger, description: 'Between the two; null where none is committed.' },
          memberId: { ...nullableText, description: 'Who owns it.' },
        }),
      ),
      expiresAt: {
        ...nullableTime,
        description: 'When its offsets go if nobody joins; null while it has members.',
      },
    }),
  },
  {
    $id: 'OffsetChanges',
    ...object({
      dryRun: { type: 'boolean' },
      offsets: array(object({ topic: text, partition: integer, before: nullableInteger, after: integer })),
    }),
  },
] as const;
