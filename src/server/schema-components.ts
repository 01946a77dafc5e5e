/** The named schemas of what travels: records, results, descriptions, problems. */
import { PROBLEMS } from './error-mapping.ts';

const integer = { type: 'integer' } as const;
const text = { type: 'string' } as const;
const nullableText = { type: ['string', 'null'] } as const;
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
    $id: 'TopicListing',
    ...object({ name: text, id: text, partitions: integer, records: integer, bytes: integer }),
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
    }),
  },
  {
    $id: 'Topic',
    ...object({
      name: text,
      id: text,
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
      sealed: { type: 'boolean' },
    }),
  },
] as const;
