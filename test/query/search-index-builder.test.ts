/** A search index against a naive look at every event: what it leaves out is nowhere, and what it counts is exact. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import type { CompressionType } from '../../src/engine/index.ts';
import { eventFacts } from '../../src/query/event.ts';
import { HOUR_MS, MAX_CELLS } from '../../src/query/event-counts.ts';
import { MAX_DICTIONARY_VALUES } from '../../src/query/field-dictionary.ts';
import { SearchIndex } from '../../src/query/search-index.ts';
import { BLOCK_BYTES, type BuiltIndex, SearchIndexBuilder } from '../../src/query/search-index-builder.ts';
import {
  decodeContent,
  decodeCounts,
  encodeIndex,
  FIRST_PAGE_PART,
} from '../../src/query/search-index-format.ts';
import { pairToken, wordToken } from '../../src/query/tokens.ts';
import { Random } from '../crash/sim/random.ts';
import {
  type GivenRecord,
  naiveTokens,
  naiveValues,
  randomJson,
  randomText,
  type SegmentBatch,
  segmentBatches,
} from '../helpers/event-segment.ts';

const EVENTS = fileURLToPath(new URL('../../../shared/data/events/', import.meta.url));
const skip = existsSync(EVENTS) ? false : 'there is no real data beside this checkout';
const CODECS: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const T = Date.parse('2025-11-26T00:00:00Z');

function build(batches: readonly SegmentBatch[], fields: readonly string[], rate = 0.01): BuiltIndex {
  const builder = new SearchIndexBuilder({ fields, falsePositiveRate: rate });
  for (const { bytes, position } of batches) {
    // The batch need not be at the beginning of what was read.
    builder.add(Buffer.concat([Buffer.alloc(7), bytes]), 7, position);
  }
  return builder.finish();
}

/** As it comes back from its bytes. */
function reopened(built: BuiltIndex): SearchIndex {
  const parts = encodeIndex(built).map((part) => Buffer.from(part));
  const content = decodeContent(parts[0]!)!;
  return new SearchIndex(content, {
    readCounts: async () => decodeCounts(parts[1]!, content.dictionaries)!,
    readPage: (page) => parts[FIRST_PAGE_PART + page]!,
    bytes: 0,
  });
}

interface NaiveEvent {
  block: number;
  value: Buffer;
  facts: ReturnType<typeof eventFacts>;
  fields: Map<string, (string | undefined)[]>;
}

function naiveEvents(batches: readonly SegmentBatch[], index: SearchIndex): NaiveEvent[] {
  const { positions } = index.blocks;
  return batches.flatMap(({ position, records }) => {
    const block = positions.findLastIndex((each) => each <= position);
    return records.flatMap(({ value: given, timestamp }) => {
      if (given === null) return [];
      const value = Buffer.from(given as string);
      const fields = new Map<string, (string | undefined)[]>();
      for (const { path, text } of naiveValues(value))
        if (path !== undefined) fields.set(path, [...(fields.get(path) ?? []), text]);
      return [{ block, value, facts: eventFacts(value, 0, value.length, timestamp), fields }];
    });
  });
}

/** The value of a field, where it has just one. */
function fieldOf({ facts, fields }: NaiveEvent, field: string): string | null {
  if (field === 'source' || field === 'level') return facts[field];
  const values = facts.isObject ? (fields.get(field) ?? []) : [];
  const [value] = values;
  return values.length > 1 || value === undefined || value === 'null' ? null : value.toWellFormed();
}

async function checkIndex(
  t: Test,
  batches: readonly SegmentBatch[],
  fields: readonly string[],
  random: Random,
) {
  const index = reopened(build(batches, fields));
  const events = naiveEvents(batches, index);
  checkBlocks(t, batches, index, events);
  for (let i = 0; i < 20; i++) {
    const start = random.pick(events).facts.timestamp + random.below(3) - 1;
    const end = start + random.below(2 * HOUR_MS);
    const found = index.blocksInTime(start, end);
    const missed = events.filter(
      ({ block, facts }) => facts.timestamp >= start && facts.timestamp < end && !found.has(block),
    );
    t.same(missed, [], 'times');
  }
  for (const event of events) {
    const tokens = [...naiveTokens(event.value)];
    const some = tokens.filter(() => random.chance(0.5));
    if (!(await index.blocksWithTokens(some)).has(event.block)) t.fail(`words of ${event.value}`);
    const { level, source } = event.facts;
    if (index.pairs && level !== null && source !== null) {
      const blocks = await index.blocksWithTokens([pairToken(level, source)]);
      if (!blocks.has(event.block)) t.fail(`level and source of ${event.value}`);
    }
    for (const field of fields) {
      const value = fieldOf(event, field);
      if (!index.blocksWithField(field, (each) => each === value).has(event.block))
        t.fail(`${field} of ${event.value}`);
    }
  }
  t.equal(index.pairs, fields.includes('source') && fields.includes('level'));
  await checkCounts(t, index, events, fields);
}

function checkBlocks(
  t: Test,
  batches: readonly SegmentBatch[],
  index: SearchIndex,
  events: readonly NaiveEvent[],
) {
  const { count, positions, offsets, events: counts, minTimes, maxTimes } = index.blocks;
  const last = batches.at(-1)!;
  t.equal(positions[0], batches[0]!.position);
  t.equal(positions[count], last.position + last.bytes.length);
  t.equal(offsets[count], last.baseOffset + last.records.length);
  t.equal(index.events, events.length);
  for (let block = 0; block < count; block++) {
    t.ok(batches.some((batch) => batch.position === positions[block] && batch.baseOffset === offsets[block]));
    const times = events.filter((event) => event.block === block).map(({ facts }) => facts.timestamp);
    t.same(
      [counts[block], minTimes[block], maxTimes[block]],
      [times.length, Math.min(...times), Math.max(...times)],
    );
  }
}

async function checkCounts(
  t: Test,
  index: SearchIndex,
  events: readonly NaiveEvent[],
  fields: readonly string[],
) {
  const counts = (await index.counts())!;
  const asked = [
    ...fields.map((field) => [field]),
    fields.filter((field) => field === 'source' || field === 'level'),
  ];
  for (const names of asked.filter(({ length }) => length > 0)) {
    const expected = new Map<string, number>();
    for (const event of events) {
      const cell = [
        Math.floor(event.facts.timestamp / HOUR_MS),
        ...names.map((name) => fieldOf(event, name)),
      ];
      expected.set(JSON.stringify(cell), (expected.get(JSON.stringify(cell)) ?? 0) + 1);
    }
    const found = new Map<string, number>();
    for (const { hour, values, count } of counts.cells(names)!) {
      const cell = JSON.stringify([hour, ...values]);
      found.set(cell, (found.get(cell) ?? 0) + count);
    }
    t.same(found, expected, names.join());
  }
  t.equal(counts.cells(['nosuch']), undefined);
  for (const { name, values } of index.dictionaries) {
    for (const { text, count, firstTime, lastTime } of values) {
      const times = events
        .filter((event) => fieldOf(event, name) === text)
        .map(({ facts }) => facts.timestamp);
      t.same([count, firstTime, lastTime], [times.length, Math.min(...times), Math.max(...times)], name);
    }
  }
}

function randomRecord(random: Random, i: number): GivenRecord {
  const timestamp = T + i * 20_000 - (random.chance(0.1) ? random.below(5 * HOUR_MS) : 0);
  const kind = random.below(10);
  if (kind === 0) return { timestamp, value: null };
  if (kind === 1) return { timestamp, value: Buffer.from(randomText(random, 8)) };
  if (kind === 2) return { timestamp, value: random.bytes(random.below(40)) };
  if (kind < 5) return { timestamp, value: Buffer.from(randomJson(random, 3)) };
  const event = {
    timestamp: random.chance(0.5) ? new Date(timestamp).toISOString() : undefined,
    level: random.pick(['INFO', 'warn', 'ERROR', 'odd', undefined]),
    source: `service-${random.below(5)}`,
    message: randomText(random, 6),
    user: random.pick(['root', 7, true, null, ['a', 'b'], { x: 1 }, undefined]),
  };
  return { timestamp, value: JSON.stringify(event) };
}

t.test('random events, in batches of all codecs', async (t) => {
  for (let seed = 0; seed < 8; seed++) {
    const random = new Random('index', seed);
    let events = 0;
    const batches = segmentBatches(
      Array.from({ length: 1 + random.below(40) }, () => ({
        records: Array.from({ length: 1 + random.below(30) }, () => randomRecord(random, events++)),
        codec: random.pick(CODECS),
      })),
      random.below(1000),
    );
    await checkIndex(
      t,
      batches,
      random.pick([['source', 'level'], ['level'], ['user', 'source'], ['source', 'level', 'user']]),
      random,
    );
  }
});

t.test('events of real systems', { skip }, async (t) => {
  const random = new Random('real');
  const lines = readdirSync(EVENTS).flatMap((name) =>
    readFileSync(EVENTS + name, 'utf8')
      .split('\n')
      .slice(0, 400),
  );
  const records = lines.filter((line) => line !== '').map((value, i) => ({ timestamp: T + i * 1000, value }));
  const batches = segmentBatches(
    Array.from({ length: records.length / 50 }, (_, i) => ({
      records: records.slice(i * 50, i * 50 + 50),
      codec: 'zstd',
    })),
  );
  await checkIndex(t, batches, ['source', 'level', 'metadata.component'], random);
});

t.test('a block is a quarter MiB of the file, or a MiB of records, or one batch', async (t) => {
  const random = new Random('blocks');
  const noise = (bytes: number) => ({
    timestamp: T,
    value: random.bytes(bytes).toString('base64').slice(0, bytes),
  });
  const dense = (bytes: number) => ({ timestamp: T, value: 'ab '.repeat(bytes / 3) });
  const blocksOf = (batches: Parameters<typeof segmentBatches>[0]) =>
    Array.from(build(segmentBatches(batches), []).content.blocks.bytes, (bytes) => Math.round(bytes / 1024));
  t.same(blocksOf(Array(6).fill({ records: [noise(100 * 1024)] })), [200, 200, 200]);
  t.same(
    blocksOf([{ records: [noise(1024)] }, { records: [noise(2048 * 1024)] }, { records: [noise(1024)] }]),
    [1, 2048, 1],
  );
  const mixed = { records: [noise(8 * 1024), dense(600 * 1024)], codec: 'zstd' } as const;
  t.same(blocksOf([mixed, mixed, mixed]), [608, 608, 608]);
  const tiny = { records: [dense(900 * 1024)], codec: 'zstd' } as const;
  t.same(
    blocksOf([tiny, tiny, tiny]),
    [2700],
    'hardly any bytes of the file are not worth a block of their own',
  );
});

t.test('without fields there are words and times', async (t) => {
  const batches = segmentBatches([{ records: [{ timestamp: T, value: '{"source":"a","message":"b"}' }] }]);
  const index = reopened(build(batches, []));
  t.same([...(await index.blocksWithTokens([wordToken('b')]))], [0]);
  t.same([...(await index.blocksWithTokens([wordToken('c')]))], []);
  t.same([...index.blocksInTime(T, T + 1)], [0]);
  t.same([...index.blocksInTime(T + 1, T + 2)], []);
  t.equal(index.dictionary('source'), undefined);
  t.same([...index.blocksWithField('source', () => false)], [0], 'nothing is known of it');
});

t.test(
  'a field with too many values has no dictionary, and what is counted with it is counted without',
  async (t) => {
    const records = Array.from({ length: MAX_DICTIONARY_VALUES + 1 }, (_, i) => ({
      timestamp: T,
      value: `{"source":"s${i}","level":"info"}`,
    }));
    const built = build(segmentBatches([{ records }]), ['source', 'level']);
    const index = reopened(built);
    t.equal(index.dictionary('source'), undefined);
    t.ok(index.dictionary('level'));
    const counts = (await index.counts())!;
    t.equal(counts.cells(['source']), undefined);
    t.equal(counts.cells(['level', 'source']), undefined);
    t.same(counts.cells(['level']), [{ hour: T / HOUR_MS, values: ['INFO'], count: records.length }]);
    t.same([...(await index.blocksWithTokens([wordToken('s7')]))], [0]);
  },
);

t.test('cells that are too many are not counted together', async (t) => {
  const records = Array.from({ length: MAX_CELLS + 1 }, (_, i) => ({
    timestamp: T + (i >> 5) * HOUR_MS,
    value: `{"source":"s${i % 32}","level":"info"}`,
  }));
  const counts = (await reopened(build(segmentBatches([{ records }]), ['source', 'level'])).counts())!;
  t.equal(counts.cells(['level', 'source']), undefined);
  t.equal(counts.cells(['source']), undefined);
  t.equal(counts.cells(['level'])?.length, (MAX_CELLS >> 5) + 1);
});

t.test('it knows the blocks with events of another time than their records', async (t) => {
  const filler = 'x'.repeat(BLOCK_BYTES);
  const own = [{ timestamp: T, value: JSON.stringify({ timestamp: T, filler }) }];
  const none = [{ timestamp: T, value: filler }];
  const other = [{ timestamp: T, value: JSON.stringify({ timestamp: T + 1, filler }) }];
  const index = reopened(build(segmentBatches([own, none, other].map((records) => ({ records }))), []));
  t.same([...index.otherTimes], [2]);
});

t.test('what the records of a batch are not is told', async (t) => {
  const [batch] = segmentBatches([{ records: [{ timestamp: T, value: 'a' }] }]);
  batch!.bytes.fill(0xff, 80);
  t.throws(() => build([batch!], []), { code: 'CORRUPT_MESSAGE' });
});

t.test('batches and values of many MiB', async (t) => {
  const pad = 'x '.repeat(5 * 1024 * 1024);
  const value = (name: string, length: number) =>
    `{"source":"s","level":"info","message":"${name} ${pad.slice(0, length)}"}`;
  const batches = segmentBatches(
    [
      {
        records: ['one', 'two'].map((name) => ({ timestamp: T, value: value(name, 9 * 1024 * 1024) })),
        codec: 'zstd',
      },
      { records: [{ timestamp: T, value: value('three', 10) }] },
      {
        records: [{ timestamp: T, value: value('four', 2 ** 25) + ' '.repeat(7 * 1024 * 1024) }],
        codec: 'zstd',
      },
    ] as const,
    0,
  );
  const index = reopened(build(batches, ['source', 'level', 'message']));
  const found = async (word: string) => [...(await index.blocksWithTokens([wordToken(word)]))];
  t.equal(index.blocks.count, 1, 'hardly any bytes of the file');
  for (const word of ['one', 'two', 'three', 'four', 'nothing'])
    t.same(await found(word), [0], 'too large for a look at its words');
  t.same(
    index.dictionary('source')!.values.map(({ text, count }) => [text, count]),
    [['s', 4]],
  );
  const small = reopened(build(batches.slice(0, 2), ['source']));
  for (const word of ['one', 'two', 'three', 'x'])
    t.same([...(await small.blocksWithTokens([wordToken(word)]))], [0]);
  t.same([...(await small.blocksWithTokens([wordToken('nothing')]))], []);
});
