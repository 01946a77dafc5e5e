/**
 * The JSON schemas of requests and answers. They validate what comes in and make up /openapi.json, so the
 * two cannot differ.
 */
import { PROBLEMS, type ProblemCode } from './error-mapping.ts';
import { JOB_KINDS, JOB_STATES } from './job-view.ts';
import type { ParameterSchema, ParametersSchema } from './query-parameters.ts';
import { ref } from './schema-components.ts';

const offset = (description: string): ParameterSchema => ({
  type: 'integer',
  minimum: 0,
  maximum: Number.MAX_SAFE_INTEGER,
  description,
  'x-problem': 'invalid_offset',
});

const safeInteger = { type: 'integer', minimum: 0, maximum: Number.MAX_SAFE_INTEGER } as const;

export const timestamp = (description: string): ParameterSchema => ({
  type: 'string',
  format: 'timestamp',
  description: `${description} ISO 8601 (without a zone: UTC) or an epoch number in s, ms, µs or ns, told apart by its size.`,
  examples: ['2026-11-21T08:00:00Z', 1_795_248_000],
  'x-problem': 'invalid_timestamp',
});

export const count = (description: string, minimum = 1): ParameterSchema => ({
  type: 'integer',
  minimum,
  description,
});

export const parameters = (properties: Record<string, ParameterSchema>): ParametersSchema => ({
  type: 'object',
  additionalProperties: false,
  properties,
});

export const topic: ParameterSchema = {
  type: 'string',
  pattern: '^(?!\\.{1,2}$)[a-zA-Z0-9._-]{1,249}$',
  description: '1 to 249 of a-z, A-Z, 0-9, ".", "_" and "-", and neither "." nor ".."',
  'x-takes': '1 to 249 of a-z, A-Z, 0-9, ".", "_" and "-", and neither "." nor ".."',
  'x-problem': 'invalid_topic',
};

export const encoding: ParameterSchema = {
  type: 'string',
  enum: ['text', 'json', 'base64'],
  description:
    'How keys and values are written in JSON: as text (default), values as JSON itself, or as base64.',
};

export const TOPIC_PATH = parameters({ topic });
export const PARTITION_PATH = parameters({
  topic,
  partition: {
    type: 'integer',
    maximum: 999_999_999,
    description: 'Number of the partition.',
    'x-problem': 'invalid_partition',
  },
});
export const NO_PARAMETERS = parameters({});

export const PRODUCE_PARAMETERS = parameters({
  acks: {
    type: 'string',
    enum: ['all', '1', '0'],
    description:
      'Answer when the records are synced to disk (all, the default), written to the OS (1), or accepted (0).',
  },
  partition: {
    type: 'integer',
    maximum: 999_999_999,
    description: 'Partition of the records that name none; else by key, or round robin.',
    'x-problem': 'invalid_partition',
  },
  encoding: { ...encoding, description: `${encoding.description} For a body of application/json.` },
  compression: {
    type: 'string',
    enum: ['none', 'gzip', 'snappy', 'lz4', 'zstd'],
    description: 'Codec of the stored batch, where the topic has compression.type=producer.',
  },
  key: { type: 'string', description: 'Key of the record, for a body of application/octet-stream.' },
  producerId: {
    type: 'integer',
    description: 'Of POST /api/producers: its records are stored once however often they are sent.',
  },
  producerEpoch: {
    type: 'integer',
    maximum: 32_767,
    description: 'Of POST /api/producers; an older one is fenced.',
  },
  sequence: {
    type: 'integer',
    maximum: 2 ** 31 - 1,
    description:
      'Of the first record: 0 for the first that this producer sends to the partition, and one more for each that follows.',
  },
});

export const PRODUCE_HEADERS = parameters({
  'idempotency-key': {
    type: 'string',
    pattern: '^[\\x20-\\x7e]{1,255}$',
    description:
      '1 to 255 printable ASCII characters. The same request with the same key is stored once: a retry gets the first answer.',
    'x-takes': '1 to 255 printable ASCII characters',
    'x-problem': 'invalid_request',
  },
  'if-match': {
    type: 'string',
    pattern: '^(\\d{1,16}|"\\d{1,16}")$',
    description:
      'the log end offset, 42 or "42", to append only where nothing has come since (with partition)',
    'x-problem': 'invalid_offset',
  },
});

export const INGEST_HEADERS = parameters({
  'idempotency-key': {
    type: 'string',
    pattern: '^[\\x20-\\x7e]{1,200}$',
    description:
      '1 to 200 printable ASCII characters. The events of the same request with the same key are stored once.',
    'x-problem': 'invalid_request',
  },
});

export const PRODUCER_BODY = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: {
    producerId: {
      ...safeInteger,
      description: 'Of a producer that goes on with its next epoch, and fences the one before.',
    },
    epoch: { type: 'integer', minimum: 0, maximum: 32_767, description: 'The one that it had.' },
  },
} as const;

export const FETCH_PARAMETERS = parameters({
  offset: offset('First offset. Default: the log start offset; for an event stream, the high watermark.'),
  timestamp: timestamp('Start at the first record with at least this timestamp.'),
  tail: offset('Start this many offsets before the high watermark.'),
  until_offset: offset('End before this offset.'),
  until_timestamp: timestamp('End before the first record with at least this timestamp.'),
  max_records: count('Most records.'),
  max_bytes: count(
    'Largest answer; one record is given whatever its size. Default for a page: 1 MiB; for a stream: none.',
  ),
  wait_ms: count('Long poll: how long to wait for the first record.', 0),
  encoding,
});

export const INGEST_PARAMETERS = parameters({
  topic: {
    ...topic,
    description: `Where events go; made if it does not exist. Default: logs. ${topic.description}`,
  },
  source: {
    type: 'string',
    pattern: '.',
    description: 'The source of events that name none: a text that is not empty.',
    'x-takes': 'a text that is not empty',
  },
});

export const BATCH_PARAMETERS = parameters({
  ...INGEST_PARAMETERS.properties,
  strict: {
    type: 'string',
    enum: ['true', 'false'],
    description: 'With true nothing is stored unless every event is valid; the body is bounded then.',
  },
});

export const DELETION_PARAMETERS = parameters({
  before_offset: offset('The first offset that stays; at most the high watermark. Required.'),
});

export const RETAIN_PARAMETERS = parameters({
  dry_run: {
    type: 'string',
    enum: ['true', 'false'],
    description: 'With true nothing is deleted: the result tells what would be.',
  },
});

export const JOBS_PARAMETERS = parameters({
  topic: { ...topic, description: `Jobs of this topic: ${topic.description}` },
  kind: { type: 'string', enum: JOB_KINDS, description: 'Jobs of this kind.' },
  state: { type: 'string', enum: JOB_STATES, description: 'Jobs in this state.' },
});

export const JOB_PATH = parameters({ id: { type: 'string', description: 'The id of the job.' } });

export const JOB_PARAMETERS = parameters({
  wait_ms: count('Long poll: how long to wait for the job to end.', 0),
});

export const LOAD_PARAMETERS = parameters({
  durationSeconds: { ...count('How long. Default: 10.'), maximum: 3600 },
  rate: { ...count('Records a second. Default: 1000.'), maximum: 1_000_000 },
  topic: {
    ...topic,
    description: `Default: load, which is made where it is not there. ${topic.description}`,
  },
  batchSize: { ...count('Records in an append. Default: 100, fewer at low rates.'), maximum: 10_000 },
  valueBytes: { ...count('About how large records are. Default: 256.'), maximum: 65_536 },
});

/** For a route whose request says all in its path and query: what else is sent was meant to change something. */
export const NO_BODY = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: {},
  description: 'None.',
} as const;

export const MERGED_PARAMETERS = parameters({
  from: timestamp(
    'Start, in each partition, at the first record with at least this timestamp. Default: the log start.',
  ),
  until: timestamp(
    'End, in each partition, before the first record with at least this timestamp. Default: the high watermark.',
  ),
  cursor: {
    type: 'string',
    description: 'Go on behind the page that gave this nextCursor.',
    'x-problem': 'invalid_cursor',
  },
  max_records: count('Most records.'),
  max_bytes: count(
    'Largest answer; one record is given whatever its size. Default for a page: 1 MiB; for a stream: none.',
  ),
  encoding,
});

const config = {
  type: 'object',
  description: 'Settings by name, such as segment.bytes. Sizes and times may have units: "64MiB", "7d".',
  additionalProperties: { type: ['string', 'number'] },
} as const;

export const CREATE_TOPIC_BODY = {
  type: ['object', 'null'],
  additionalProperties: false,
  properties: {
    partitions: { type: 'integer', minimum: 1, description: 'Default: num.partitions.' },
    config,
  },
} as const;

export const ALTER_TOPIC_BODY = {
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  properties: {
    partitions: { type: 'integer', minimum: 1, description: 'Only more than there are now.' },
    config: {
      ...config,
      description: 'Settings by name, with units as when creating; null takes one back to its default.',
      additionalProperties: { type: ['string', 'number', 'null'] },
    },
  },
} as const;

/** What every route may answer. */
const COMMON: readonly ProblemCode[] = [
  'invalid_parameter',
  'headers_too_large',
  'request_timeout',
  'internal_error',
  'not_ready',
  'overloaded',
];
/** What every route with a body may answer. */
export const BODY_PROBLEMS: readonly ProblemCode[] = [
  'invalid_request',
  'invalid_json',
  'nesting_too_deep',
  'corrupt_payload',
  'body_too_large',
  'decompressed_too_large',
  'unsupported_media_type',
  'unsupported_encoding',
];

/** The `response` part of a route's schema: what it answers when all is well, and its problems by status. */
export function responses(ok: Record<number, object>, ...codes: ProblemCode[]): Record<string, object> {
  const byStatus = new Map<number, ProblemCode[]>();
  for (const code of new Set([...codes, ...COMMON])) {
    const { status } = PROBLEMS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const problems = [...byStatus].map(([status, names]) => [
    status,
    { description: names.join(', '), content: { 'application/problem+json': { schema: ref('Problem') } } },
  ]);
  return { ...ok, ...Object.fromEntries(problems) };
}

/** An answer of JSON. */
export function json(description: string, schema: object): object {
  return { description, content: { 'application/json': { schema } } };
}
