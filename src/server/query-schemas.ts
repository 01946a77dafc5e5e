/** The JSON schemas of queries over log events and of their answers: they validate, and make up /openapi.json. */
import type { ParameterSchema, ParametersSchema } from './query-parameters.ts';
import { array, object, ref } from './schema-components.ts';
import { parameters, timestamp, topic } from './schemas.ts';

/** Most events of one answer; a stream of lines has no such limit. */
export const MAX_EVENTS = 10_000;
export const DEFAULT_EVENTS = 100;
export const DEFAULT_TOPIC = 'logs';

const text = (description: string): ParameterSchema => ({ type: 'string', description });
const whole = (minimum: number, maximum: number, description: string): ParameterSchema => ({
  type: 'integer',
  minimum,
  maximum,
  description,
});

const q: ParameterSchema = {
  type: 'string',
  description:
    'What to look for: words, "a phrase", prefix*, field:value, level:ERROR, -not, OR, parentheses, /regex/; see docs/query-language.md.',
  examples: ['"connection refused" level:ERROR -source:test*'],
  'x-problem': 'invalid_query',
};

const FILTERS = {
  topic: {
    ...topic,
    description: `Where events are looked for. Default: ${DEFAULT_TOPIC}. ${topic.description}`,
  },
  startTime: timestamp('Events of this time or later.'),
  endTime: timestamp('Events before this time.'),
  source: text('Only of this source; several are separated by commas, and "*" stands for anything.'),
  level: text('Only of this level; several are separated by commas.'),
} as const;

const PAGING = {
  limit: whole(
    1,
    Number.MAX_SAFE_INTEGER,
    `Most events; ${DEFAULT_EVENTS} by default and ${MAX_EVENTS} at most, of lines as many as there are.`,
  ),
  page: whole(1, 1_000_000, 'Which page, counted from 1; instead of a cursor.'),
  size: whole(1, MAX_EVENTS, `Events of a page. Default: ${DEFAULT_EVENTS}.`),
  cursor: {
    type: 'string',
    description: 'Go on behind the answer that gave this nextCursor.',
    'x-problem': 'invalid_cursor',
  },
  order: {
    type: 'string',
    enum: ['desc', 'asc'],
    description: 'By time: the newest first (default), or the oldest.',
  },
} as const satisfies Record<string, ParameterSchema>;

export const QUERY_PARAMETERS = parameters({ ...FILTERS, q, ...PAGING });
export const SEARCH_PARAMETERS = parameters({ ...FILTERS, query: q, ...PAGING });
export const TAIL_PARAMETERS = parameters({ ...FILTERS, q });
export const STATS_PARAMETERS = parameters({
  ...FILTERS,
  q,
  hoursBack: whole(1, 1_000_000, 'How far back from now, unless startTime says it. Default: 24.'),
  interval: {
    type: 'string',
    pattern: '^[1-9]\\d{0,11}(ms|s|m|h|d)?$',
    description: 'Width of the bars of the histogram: 1h, 5m, 30s, milliseconds. Default: by the range.',
    'x-takes': 'a duration above zero: 1h, 5m, 30s, milliseconds',
  },
  fields: text('Further fields whose values are counted, separated by commas: metadata.component.'),
  top: whole(
    1,
    1000,
    'How many of the most frequent sources are told with their first and last times. Default: 10.',
  ),
});

/** As JSON: each parameter as a string or a number, source and level also as lists. */
export function bodyOf({ properties }: ParametersSchema) {
  const members = Object.entries(properties).map(([name, { description, minimum, maximum, ...rest }]) => {
    const choices = rest.enum === undefined ? {} : { enum: rest.enum };
    if (rest.format === 'timestamp') return [name, { type: ['string', 'number'], description }];
    if (rest.type === 'integer') return [name, { type: 'integer', minimum, maximum, description }];
    if (name !== 'source' && name !== 'level') return [name, { type: 'string', description, ...choices }];
    return [name, { type: ['string', 'array'], items: { type: 'string' }, description }];
  });
  return { type: ['object', 'null'], additionalProperties: false, properties: Object.fromEntries(members) };
}

const integer = { type: 'integer' } as const;
const number = { type: 'number' } as const;
const nullableTime = { type: ['string', 'null'], format: 'date-time' } as const;
const countsByName = { type: 'object', additionalProperties: integer } as const;
const reason = {
  type: 'string',
  enum: ['timeout', 'max_bytes', 'damaged', 'cancelled'],
  description: 'Why the answer is not complete.',
} as const;
const complete = { type: 'boolean', description: 'False: there may be more; "reason" says why.' } as const;

const partCounts = object({
  total: integer,
  pruned: {
    description: 'Left out, by what they were found to hold nothing that passes.',
    ...object({ time: integer, source: integer, level: integer, fields: integer, text: integer }),
  },
  scanned: integer,
  unneeded: { ...integer, description: 'The answer was complete before they were needed.' },
});

/** Named schemas; in the document they stand under components/schemas. */
export const QUERY_COMPONENTS = [
  {
    $id: 'LogPage',
    ...object(
      {
        logs: array(ref('LogEvent')),
        nextCursor: { type: 'string', description: 'Missing where there is nothing more.' },
        complete,
        reason,
        page: integer,
        size: integer,
        tookMs: number,
      },
      ['logs', 'complete', 'tookMs'],
    ),
  },
  {
    $id: 'LogStatistics',
    ...object(
      {
        startTime: nullableTime,
        endTime: nullableTime,
        total: integer,
        firstSeen: nullableTime,
        lastSeen: nullableTime,
        byLevel: { ...countsByName, description: 'Events without a level count under "".' },
        bySource: { ...countsByName, description: 'Beyond 10,000 sources the others are one: "(others)".' },
        byField: { type: 'object', additionalProperties: countsByName },
        topSources: array(
          object({
            source: { type: 'string' },
            count: integer,
            firstSeen: nullableTime,
            lastSeen: nullableTime,
          }),
        ),
        intervalMs: integer,
        histogram: array(
          object({ time: { type: 'string', format: 'date-time' }, count: integer, byLevel: countsByName }),
        ),
        complete,
        reason,
        tookMs: number,
      },
      [
        'total',
        'byLevel',
        'bySource',
        'byField',
        'topSources',
        'intervalMs',
        'histogram',
        'complete',
        'tookMs',
      ],
    ),
  },
  {
    $id: 'QueryPlan',
    ...object(
      {
        query: { type: 'string', description: 'What was looked for, as it was understood.' },
        matches: { ...integer, description: 'Events of the answer, up to the limit.' },
        partitions: partCounts,
        segments: { ...partCounts, properties: { ...partCounts.properties, unindexed: integer } },
        blocks: partCounts,
        bytesRead: integer,
        bytesSkipped: { ...integer, description: 'Of segments, those that were not read.' },
        recordsScanned: integer,
        scans: integer,
        cachedScans: { ...integer, description: 'Answered from what earlier queries found.' },
        planningMs: number,
        runMs: number,
        complete,
        reason,
      },
      [
        'query',
        'matches',
        'partitions',
        'segments',
        'blocks',
        'bytesRead',
        'bytesSkipped',
        'planningMs',
        'runMs',
        'complete',
      ],
    ),
  },
];
