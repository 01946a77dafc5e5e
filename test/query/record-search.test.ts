/**
 * Looking at bytes finds what the reference (matches.ts) finds: in JSON with all its escapes, in text, in what looks like
 * JSON and is none, in compressed batches, in batches of more records than are noted at a time.
 */

import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { stampBatch } from '../../src/engine/format/record-batch.ts';
import { RecordBatchBuilder } from '../../src/engine/format/record-batch-builder.ts';
import { isSeglogError, viewBatch } from '../../src/engine/index.ts';
import { byteSearchOf } from '../../src/query/byte-search.ts';
import { parseExpression } from '../../src/query/expression-parser.ts';
import { matches } from '../../src/query/matches.ts';
import { type RecordFilter, RecordSearch } from '../../src/query/record-search.ts';
import { regexLiterals } from '../../src/query/regex-literals.ts';
import { StoredEvent } from '../../src/query/search-event.ts';
import { CANDIDATE, SearchKernel, WITHIN } from '../../src/query/search-kernel.ts';
import { compileKernel } from '../../wasm/build.ts';

interface Source {
  timestamp: number;
  value: Buffer | null;
  key?: Buffer | null;
  headers?: { key: string; value: Buffer }[];
}

function batchOf(records: readonly Source[], compression: 'none' | 'zstd', baseOffset: number): Buffer {
  const builder = new RecordBatchBuilder();
  for (const { timestamp, key = null, value, headers = [] } of records)
    builder.add(timestamp, key, value, headers);
  const { bytes } = builder.finish(compression);
  stampBatch(bytes, baseOffset, 0);
  return Buffer.from(bytes);
}

const kernel = new SearchKernel();
const HEADERS = [{ key: 'refused', value: Buffer.from('a') }];

interface Found {
  offset: number;
  timestamp: number;
  value: string;
}

function search(batch: Buffer, query: string, bounds: Partial<RecordFilter> = {}): Found[] {
  const found: Found[] = [];
  const window = kernel.window(batch.length);
  window.set(batch);
  const filter = { expression: parseExpression(query), ...EVERYWHERE, ...bounds };
  new RecordSearch(filter, kernel).batch(window, 0, viewBatch(batch, 0), {
    wants: () => true,
    wantsTimes: () => true,
    found: (timestamp, offset, bytes, start, stop) =>
      found.push({ offset, timestamp, value: bytes.toString('latin1', start, stop) }),
  });
  return found.sort((a, b) => a.offset - b.offset);
}

const EVERYWHERE = { from: -1e15, until: 1e15, firstOffset: 0, endOffset: 1e15, recordTimes: true };

function expected(records: readonly Source[], baseOffset: number, query: string): Found[] {
  const expression = parseExpression(query);
  return records
    .map(({ timestamp, value }, i) => ({ offset: baseOffset + i, timestamp, value }))
    .filter(
      (each): each is { offset: number; timestamp: number; value: Buffer } =>
        each.value !== null && matches(expression, new StoredEvent(each.value, 0, each.value.length, 0)),
    )
    .map((each) => ({ ...each, value: each.value.toString('latin1') }));
}

const QUERIES = [
  '',
  'refused',
  'a',
  '7',
  'foo_bar',
  '10.0.0.1',
  '"connection refused"',
  '"a/b"',
  'a/b*',
  'ref*',
  '"efused c"*',
  'refused a',
  'refused -a',
  '-refused',
  'refused OR timeout',
  '(refused OR 10.0.0.1) foo_bar',
  'é',
  'caf*',
  'tokkn',
  'sſs',
  '"nrefused"',
  'level:ERROR',
  'level:ERROR refused',
  'source:api',
  'source:a* refused',
  'message:refused',
  'message:/refused$/',
  'n:7',
  'n:>3',
  'deep.name:refused',
  'list:a',
  'refused:*',
  '/re+fused/i',
  '/refused.*a/',
  '/tok\\w+/i',
  '/sss/i',
  '"\\"refused\\""',
  '-"a" (7 OR é)',
];

const piece = fc.constantFrom(
  ...[
    'refused',
    'Refused',
    'connection',
    'Connection refused',
    'timeout',
    'a',
    'A',
    '7',
    'foo_bar',
    '10.0.0.1',
    'a/b',
  ],
  ...[
    ' ',
    ' ',
    '-',
    '\n',
    '\t',
    '"',
    '\\',
    '/',
    'n',
    '\u0001',
    'é',
    'É',
    'café',
    'tok\u212an',
    '\u0130',
    '😀',
    'sſs',
    '_',
  ],
);
const text = fc.array(piece, { maxLength: 6 }).map((pieces) => pieces.join(''));
const scalar = fc.oneof(
  text,
  text,
  fc.constantFrom<unknown>(7, 70, -7, 1.5, 1e21, true, false, null),
  fc.integer(),
);
const value = fc.oneof(
  scalar,
  fc.array(scalar, { maxLength: 3 }),
  fc.dictionary(piece, scalar, { maxKeys: 2 }),
);
const event = fc.record(
  {
    timestamp: fc.constant('2026-11-21T08:00:00Z'),
    level: fc.constantFrom('ERROR', 'info', 'err', 50, 'refused'),
    source: fc.constantFrom('api', 'web', 'refused'),
    message: text,
    refused: scalar,
    n: scalar,
    deep: fc.record({ name: text, refused: value }),
    list: fc.array(value, { maxLength: 3 }),
  },
  { requiredKeys: [] },
);

/** JSON as some write it: with more escapes than it needs, or with spaces. */
const json = fc.tuple(event, fc.integer({ min: 0, max: 7 })).map(([each, style]) => {
  let written = JSON.stringify(each, null, style & 1 ? 1 : 0);
  if (style === 2) written = written.replaceAll('/', '\\/');
  if (style === 4) written = written.replace(/[^\0-\x7f]/g, escaped);
  if (style === 6) written = written.replace(/[ef](?=u)/g, escaped);
  return Buffer.from(written);
});
const escaped = (letter: string) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`;

const noJson = fc.oneof(
  text.map((each) => Buffer.from(each)),
  json.map((each) => each.subarray(0, each.length - 1)),
  json.map((each) => Buffer.concat([each, Buffer.from(' refused')])),
  json.map((each) => Buffer.concat([Buffer.from(' '), each])),
  json.map((each) => Buffer.from(each.toString('utf8').replace(/[:,]/, 'refused'))),
  fc.uint8Array({ maxLength: 40 }).map((each) => Buffer.from(each)),
);

const source: fc.Arbitrary<Source> = fc.record({
  timestamp: fc.integer({ min: 0, max: 100 }),
  value: fc.oneof(
    { weight: 8, arbitrary: json },
    { weight: 3, arbitrary: noJson },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  key: fc.constantFrom(null, Buffer.from('refused')),
  headers: fc.constantFrom([], HEADERS),
});

t.test('bytes are searched to the same end as events', async () => {
  fc.assert(
    fc.property(
      fc.array(source, { minLength: 1, maxLength: 12 }),
      fc.constantFrom('none' as const, 'zstd' as const),
      fc.constantFrom(...QUERIES),
      fc.integer({ min: 0, max: 2 ** 40 }),
      (records, compression, query, baseOffset) => {
        const found = search(batchOf(records, compression, baseOffset), query);
        const wanted = expected(records, baseOffset, query);
        return JSON.stringify(found) === JSON.stringify(wanted);
      },
    ),
    { numRuns: 3_000 },
  );
});

t.test('of ordinary JSON no question is left', async (t) => {
  const message = 'Connection refused by "10.0.0.1"\n\tat C:\\refused (retry 7)';
  const values = [
    { message, n: -1.5e3, refused: null, list: [true, {}, []] },
    { message: 'refuse', n: 7 },
  ];
  const records = values.map((each) => ({
    timestamp: 1,
    value: Buffer.from(JSON.stringify(each)),
    headers: HEADERS,
  }));
  t.equal(search(batchOf(records, 'none', 0), 'refused 7').length, 1);
  t.notOk(kernel.malformed);
  t.strictSame([...kernel.marks.subarray(0, 2)], [WITHIN | CANDIDATE, WITHIN]);
  t.strictSame([kernel.termsFound[0], kernel.termsUnsure[0]], [3, 0]);
});

t.test('bounds of time and offset hold', async (t) => {
  const records = Array.from({ length: 20 }, (_, i) => ({
    timestamp: (i * 7) % 20,
    value: Buffer.from('"refused"'),
  }));
  const batch = batchOf(records, 'none', 100);
  const offsets = search(batch, 'refused', { from: 5, until: 15, firstOffset: 103, endOffset: 117 }).map(
    ({ offset }) => offset,
  );
  const wanted = records.flatMap(({ timestamp }, i) =>
    timestamp >= 5 && timestamp < 15 && i >= 3 && i < 17 ? [100 + i] : [],
  );
  t.strictSame(offsets, wanted);
});

t.test('events that say another time than their record have it', async (t) => {
  const at = 1_790_000_000_000;
  const records = [at + 5, 'never', at, null].map((timestamp, i) => ({
    timestamp: at + 7 + i,
    value: Buffer.from(JSON.stringify({ timestamp, message: 'refused' })),
  }));
  const times = (recordTimes: boolean, query: string) =>
    search(batchOf(records, 'none', 0), query, { from: at + 1, recordTimes }).map(
      ({ timestamp }) => timestamp - at,
    );
  for (const query of ['', 'refused', '-absent', 'message:refused']) {
    t.strictSame(times(false, query), [5, 8, 10]);
    t.strictSame(times(true, query), [7, 8, 9, 10]);
  }
});

t.test('more records than are noted at a time', async (t) => {
  const records = Array.from({ length: 10_000 }, (_, i) => ({
    timestamp: i,
    value: Buffer.from(JSON.stringify({ message: `number ${i}`, n: i })),
  }));
  const batch = batchOf(records, 'zstd', 0);
  t.equal(search(batch, 'number').length, 10_000);
  t.strictSame(
    search(batch, '4097').map(({ offset }) => offset),
    [4097],
  );
  t.equal(search(batch, '').length, 10_000);
});

t.test('values of many bytes, and more than fit into the kernel', async (t) => {
  const long = JSON.stringify({
    message: `${'x'.repeat(300_000)} refused ${'é'.repeat(100_000)}`,
    list: Array(1000).fill('a'),
  });
  const huge = `${'y'.repeat(33 * 1024 * 1024)} refused`;
  for (const value of [long, huge]) {
    const records = [{ timestamp: 1, value: Buffer.from(value) }];
    t.equal(search(batchOf(records, 'zstd', 0), 'refused').length, 1);
    t.equal(search(batchOf(records, 'zstd', 0), 'efused').length, 0);
  }
});

t.test('damaged records are told', async (t) => {
  const batch = batchOf(
    [
      { timestamp: 1, value: Buffer.from('"refused"') },
      { timestamp: 2, value: Buffer.from('"b"') },
    ],
    'none',
    0,
  );
  batch[batch.length - 6] = 0x7f;
  try {
    search(batch, 'b');
    t.fail('it is damaged');
  } catch (error) {
    t.ok(isSeglogError(error, 'CORRUPT_MESSAGE'));
  }
});

t.test('literals of a regular expression are in all that it matches', async (t) => {
  const cases: [source: string, literals: string[]][] = [
    ['timeout after \\d+ ms', ['timeout after ', ' ms']],
    ['a|b', []],
    ['(a|b)cd', ['cd']],
    ['colou?r', ['colo', 'r']],
    ['ab{2}c', ['a', 'c']],
    ['ab+c', ['ab', 'c']],
    ['ab*?c', ['a', 'c']],
    ['[a-z]x\\/y\\.z', ['x/y.z']],
    ['\\u0041bc', []],
    ['^start\\b', ['start']],
    ['x[(]y', ['x', 'y']],
    ['(?<!no)way', ['way']],
  ];
  for (const [pattern, literals] of cases) t.strictSame(regexLiterals(pattern), literals, pattern);
});

t.test('what bytes are searched for is the rarest text that is known', async (t) => {
  const needle = (query: string) => byteSearchOf(parseExpression(query)).anyOf.map(({ text }) => text);
  t.strictSame(needle('info connection'), ['connection']);
  t.strictSame(needle('a OR bb'), ['a', 'bb']);
  t.strictSame(needle('(a OR -b) c'), ['c']);
  t.strictSame(needle('level:ERROR'), []);
  t.strictSame(needle('source:payment-7 level:ERROR'), ['payment-7']);
  t.strictSame(needle('host:*.example.*'), ['.example.']);
  t.strictSame(needle('日本'), []);
  t.strictSame(needle('/req(uest)? id=\\d+/'), [' id=']);
});

t.test('the compiled kernel is that of its source', async (t) => {
  const compiled = readFileSync(new URL('../../src/query/search-kernel-wasm.ts', import.meta.url), 'utf8');
  t.equal(compiled, await compileKernel('search'), 'npm run build:wasm');
});
