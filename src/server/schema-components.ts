/** The named schemas of what travels: records, results, descriptions, problems. */
import { PROBLEMS } from './error-mapping.ts';
import { JOB_KINDS, JOB_STATES } from './job-view.ts';
import { DEMO_STATES } from './load/daemon-load.ts';

const integer = { type: 'integer' } as const;
const number = { type: 'number' } as const;
const nullableNumber = { type: ['number', 'null'] } as const;
const text = { type: 'string' } as const;
const nullableText = { type: ['string', 'null'] } as const;
const nullableInteger = { type: ['integer', 'null'] } as const;
const flag = { type: 'boolean' } as const;
const isInternal = {
  ...flag,
  description: 'Kept by seglog itself: it can be read, and nothing else.',
} as const;
const time = { type: 'string', format: 'date-time' } as const;
const nullableTime = { type: ['string', 'null'], format: 'date-time' } as const;
export const object = (properties: Record<string, object>, required = Object.keys(properties)) => ({
  type: 'object',
  required,
  properties,
});
export const array = (items: object) => ({ type: 'array', items });
export const ref = (name: string) => ({ $ref: `${name}#` });

const header = object({ key: text, value: nullableText, encoding: { const: 'base64' } }, ['key', 'value']);

/** Named schemas; in the document they stand under components/schemas. */
export const COMPONENTS = [
  {
    $id: 'Problem',
    description: 'RFC 9457. Further members depend on the code: offsets, limits, names.',
    ...object({
      code: { type: 'string', enum: Object.keys(PROBLEMS) },
      title: text,
      detail: text,
      status: integer,
    }),
    additionalProperties: true,
  },
  {
    $id: 'Record',
    ...object(
      {
        partition: { ...integer, description: 'Only in reads over all partitions.' },
        offset: integer,
        timestamp: time,
        key: nullableText,
        value: { description: 'Text, JSON or base64, as the encoding says; null for none.' },
        headers: array(header),
        keyEncoding: {
          const: 'base64',
          description: 'Present when the key is not valid UTF-8 and text was asked for.',
        },
        valueEncoding: {
          enum: ['base64', 'text'],
          description: 'Present when the value does not fit the encoding asked for.',
        },
      },
      ['offset', 'timestamp', 'key', 'value', 'headers'],
    ),
  },
  {
    $id: 'RecordPage',
    ...object({ records: array(ref('Record')), nextOffset: integer, highWatermark: integer }),
  },
  {
    $id: 'RecordsDeleted',
    ...object({
      partition: integer,
      logStartOffset: { ...integer, description: 'The first offset that is left, or will come.' },
      segments: { ...integer, description: 'Segments that held nothing else and are removed.' },
      bytes: { ...integer, description: 'Bytes of these segments.' },
      jobId: { ...text, description: 'The job that did it.' },
    }),
  },
  { $id: 'MergedPage', ...object({ records: array(ref('Record')), nextCursor: nullableText }) },
  {
    $id: 'ProduceRequest',
    ...object({
      records: array(
        object(
          {
            key: nullableText,
            value: { description: 'A string or null; under encoding=json any JSON.' },
            headers: {
              oneOf: [
                array(object({ key: text, value: nullableText }, ['key'])),
                { type: 'object', additionalProperties: nullableText },
              ],
            },
            timestamp: { type: ['string', 'number'] },
            partition: integer,
          },
          ['value'],
        ),
      ),
    }),
  },
  {
    $id: 'ProduceResult',
    ...object({
      acks: { enum: ['all', 1, 0] },
      partitions: array(
        object({
          partition: integer,
          baseOffset: integer,
          lastOffset: integer,
          count: integer,
          timestamp: time,
        }),
      ),
    }),
  },
  {
    $id: 'Producer',
    ...object({ producerId: integer, epoch: integer }),
  },
  {
    $id: 'LogEvent',
    description:
      'Also known as source: serviceName, service; as level: logLevel, severity; as timestamp: @timestamp, time, ts; as message: msg, log. Every other field is kept.',
    ...object(
      {
        timestamp: {
          type: ['string', 'number', 'null'],
          description: 'ISO 8601 (without a zone: UTC) or an epoch number. Default: the arrival.',
        },
        level: { type: ['string', 'number', 'null'] },
        source: { ...text, description: 'Decides the partition. Required, unless the request gives one.' },
        message: text,
      },
      [],
    ),
    additionalProperties: true,
  },
  {
    $id: 'IngestResult',
    ...object({ accepted: { const: 1 }, partition: integer, offset: integer, timestamp: time }),
  },
  {
    $id: 'BatchResult',
    ...object({
      accepted: { ...integer, description: 'Events that are stored, and synced to disk.' },
      rejected: { ...integer, description: 'Lines or elements that are not.' },
      errors: {
        description: 'The first hundred of these.',
        ...array(
          object({
            line: { ...integer, description: 'From 1; in an array the number of the element.' },
            code: text,
            detail: text,
          }),
        ),
      },
      errorsOmitted: { ...integer, description: 'Further ones.' },
      tookMs: integer,
    }),
  },
  {
    $id: 'TopicListing',
    ...object({
      name: text,
      id: text,
      partitions: integer,
      internal: isInternal,
      records: integer,
      bytes: integer,
    }),
  },
  {
    $id: 'DamagedRange',
    ...object({
      firstOffset: integer,
      endOffset: integer,
      segment: integer,
      startPosition: integer,
      endPosition: integer,
      reason: text,
    }),
  },
  {
    $id: 'Partition',
    ...object({
      partition: integer,
      logStartOffset: integer,
      highWatermark: integer,
      logEndOffset: integer,
      bytes: integer,
      segments: integer,
      minTimestamp: nullableTime,
      maxTimestamp: nullableTime,
      fenced: nullableText,
      damaged: array(ref('DamagedRange')),
      gaps: array({ type: 'object' }),
      compaction: { oneOf: [ref('Compaction'), { type: 'null' }] },
      nextDeletion: { oneOf: [ref('NextDeletion'), { type: 'null' }] },
    }),
  },
  {
    $id: 'Compaction',
    description: 'How far a partition is compacted; null where cleanup.policy is delete.',
    ...object({
      firstDirtyOffset: { ...integer, description: 'Below, each key occurs once.' },
      cleanBytes: { ...integer, description: 'Bytes of sealed segments below that.' },
      dirtyBytes: { ...integer, description: 'Bytes of segments behind that may be compacted.' },
      dirtyRatio: { type: 'number', description: 'dirtyBytes of both.' },
      due: { ...flag, description: 'Whether it is to be compacted now.' },
    }),
  },
  {
    $id: 'NextDeletion',
    description: 'The segment that retention deletes next; null when none ever goes by age or size.',
    ...object({
      baseOffset: integer,
      endOffset: integer,
      bytes: integer,
      at: {
        ...nullableTime,
        description: 'When its newest record is too old; null without retention.ms.',
      },
      afterBytes: {
        ...nullableInteger,
        description: 'After how many more bytes the others are enough; null without retention.bytes.',
      },
    }),
  },
  {
    $id: 'Topic',
    ...object({
      name: text,
      id: text,
      internal: isInternal,
      partitions: array(ref('Partition')),
      config: {
        type: 'object',
        additionalProperties: object({
          value: { type: ['string', 'number'] },
          source: { type: 'string', enum: ['topic', 'default'] },
        }),
      },
    }),
  },
  {
    $id: 'Segment',
    ...object({
      baseOffset: integer,
      endOffset: integer,
      bytes: integer,
      records: integer,
      batches: integer,
      minTimestamp: nullableTime,
      maxTimestamp: nullableTime,
      sealed: flag,
    }),
  },
  {
    $id: 'Job',
    description: 'Long work on a topic: that somebody asked for, or that fell due.',
    ...object({
      id: text,
      kind: { type: 'string', enum: JOB_KINDS },
      topic: text,
      partition: { ...nullableInteger, description: 'Null: all of the topic.' },
      state: { type: 'string', enum: JOB_STATES, description: 'One that is to be tried again is queued.' },
      createdAt: time,
      startedAt: { ...nullableTime, description: 'When it was first tried.' },
      endedAt: nullableTime,
      progress: {
        description: 'A total of 0 is not known yet.',
        ...object({ done: integer, total: integer, unit: { const: 'bytes' } }),
      },
      attempts: integer,
      result: {
        description: 'Null unless it is done.',
        anyOf: [
          ref('RewriteResult'),
          ref('RetentionResult'),
          object({ logStartOffset: integer, segments: integer, bytes: integer }),
          { type: 'null' },
        ],
      },
      error: {
        description: 'Of the last try; the code is an engine’s (docs/errors.md) or the system’s (EIO).',
        oneOf: [object({ code: text, message: text }), { type: 'null' }],
      },
    }),
  },
  {
    $id: 'RewriteResult',
    description: 'Of compact and recompress: what became of the segments that may be touched.',
    ...object({
      partitions: array(
        object({
          partition: integer,
          segmentsBefore: integer,
          segmentsAfter: integer,
          bytesBefore: integer,
          bytesAfter: integer,
          recordsBefore: integer,
          recordsAfter: integer,
          recordsWithoutKey: { ...integer, description: 'Removed because they have no key.' },
          tombstones: { ...integer, description: 'Deletions of keys that are kept for now.' },
          rounds: { ...integer, description: 'How often the log was gone through.' },
        }),
      ),
    }),
  },
  {
    $id: 'RetentionResult',
    description: 'Of retain: the partitions of which something went, or would go.',
    ...object({
      dryRun: flag,
      partitions: array(
        object({ partition: integer, logStartOffset: integer, segments: integer, bytes: integer }),
      ),
    }),
  },
  {
    $id: 'LoadStats',
    description: 'Of the load that runs, or of the last one.',
    ...object({
      state: { type: 'string', enum: DEMO_STATES, description: 'It is idle before the first load.' },
      load: {
        oneOf: [
          object({
            topic: text,
            rate: number,
            durationSeconds: number,
            batchSize: integer,
            valueBytes: integer,
          }),
          { type: 'null' },
        ],
      },
      startedAt: nullableTime,
      elapsedSeconds: number,
      records: object({
        wanted: { ...integer, description: 'Due so far.' },
        acknowledged: { ...integer, description: 'Synced to disk.' },
        failed: integer,
        perSecond: number,
        bytes: integer,
      }),
      errors: { type: 'object', additionalProperties: integer, description: 'By code of the problem.' },
      latencyMs: {
        description: 'From when an append was due to when it was on disk.',
        ...object({
          mean: nullableNumber,
          p50: nullableNumber,
          p90: nullableNumber,
          p95: nullableNumber,
          p99: nullableNumber,
          p999: nullableNumber,
          max: nullableNumber,
        }),
      },
      busy: {
        ...number,
        description:
          'The part of the time in which the thread that serves, appends and makes the load did something.',
      },
    }),
  },
] as const;
