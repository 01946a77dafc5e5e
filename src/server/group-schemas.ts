/** The JSON schemas of requests about consumer groups. */
import type { ParameterSchema } from './query-parameters.ts';
import { count, encoding, parameters } from './schemas.ts';

const group: ParameterSchema = {
  type: 'string',
  pattern: '^(?!\\.{1,2}$)[^\\x00-\\x1f\\x7f]{1,255}$',
  description: '1 to 255 bytes of UTF-8 without control characters, and neither "." nor ".."',
  'x-problem': 'invalid_group',
};
const member: ParameterSchema = { type: 'string', description: 'The memberId that joining gave.' };
const generation: ParameterSchema = {
  type: 'integer',
  description:
    'The generation that the member goes by: the present one confirms it at once. Default: what an earlier answer told is confirmed.',
};

export const GROUP_PATH = parameters({ group });
export const MEMBER_PATH = parameters({ group, member });

export const POLL_PARAMETERS = parameters({
  cursor: {
    type: 'string',
    description: 'Of the answer before: reads on behind it, also where that is not committed.',
    'x-problem': 'invalid_cursor',
  },
  generation,
  max_records: count('Most records.'),
  max_bytes: count('Largest answer; one record is given whatever its size. Default: 1 MiB.'),
  wait_ms: count('Long poll: how long to wait for the first record.', 0),
  encoding,
});

const text = { type: 'string' } as const;
const whole = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;
const topicPartitions = {
  type: 'array',
  items: {
    type: 'object',
    additionalProperties: false,
    required: ['topic', 'partitions'],
    properties: { topic: text, partitions: { type: 'array', items: whole } },
  },
} as const;
const one = (name: string, schema: object) => ({
  type: 'object',
  additionalProperties: false,
  required: [name],
  properties: { [name]: schema },
});

export const JOIN_BODY = {
  type: 'object',
  additionalProperties: false,
  required: ['topics'],
  properties: {
    topics: {
      type: 'array',
      minItems: 1,
      items: text,
      description: 'One that does not exist counts as soon as it does.',
    },
    clientId: { ...text, description: 'For people who look at the group.' },
    sessionTimeoutMs: { ...whole, description: 'A member that is silent for so long is taken out.' },
    assignor: {
      ...text,
      enum: ['range', 'roundrobin', 'cooperative-sticky'],
      description: 'All members have the same one.',
    },
    autoOffsetReset: {
      ...text,
      description:
        'Where to begin where nothing is committed: earliest (default), latest, none, by_duration:PT1H.',
    },
  },
} as const;

export const HEARTBEAT_BODY = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: { generation: { ...whole, description: generation.description } },
} as const;

export const OFFSETS_BODY = {
  type: 'object',
  additionalProperties: false,
  properties: {
    memberId: { ...text, description: 'Who commits; without it the group must have no members.' },
    generation: { ...whole, description: 'One that the member was told.' },
    offsets: {
      type: 'array',
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['topic', 'partition', 'offset'],
        properties: { topic: text, partition: whole, offset: whole, metadata: { type: ['string', 'null'] } },
      },
    },
    reset: {
      type: 'object',
      additionalProperties: false,
      required: ['to'],
      description:
        'In place of offsets: moves all that the group has committed, or what is named, to one place.',
      properties: {
        topics: { type: 'array', items: text },
        partitions: topicPartitions,
        to: {
          anyOf: [
            { type: 'string', enum: ['earliest', 'latest'] },
            one('offset', whole),
            one('timestamp', {
              type: ['string', 'number'],
              description: 'To the first record that is not older.',
            }),
            one('shift', { type: 'integer', description: 'So many records on, or back (negative).' }),
            one('duration', { ...text, description: 'So long ago: PT1H or 1h.' }),
          ],
        },
      },
    },
    dryRun: { type: 'boolean', description: 'With true nothing is changed: the answer tells what would be.' },
  },
} as const;
