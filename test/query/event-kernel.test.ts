/**
 * The kernel finds what EventLayout finds, or says that it does not know: compared over tables, random events, damaged ones and
 * real ones. What EventLayout finds is compared with JSON.parse elsewhere.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import { murmur2 } from '../../src/engine/index.ts';
import { FIELD, type FieldRanges } from '../../src/query/event-fields.ts';
import { BLANK, EVENT, eventRows, MAX_KERNEL_BYTES, UNUSUAL } from '../../src/query/event-kernel.ts';
import { EventLayout } from '../../src/query/event-layout.ts';
import { timestampFromBytes } from '../../src/query/event-times.ts';
import { compileKernel } from '../../wasm/build.ts';

const EVENTS = fileURLToPath(new URL('../../../shared/data/events/', import.meta.url));
const skip = existsSync(EVENTS) ? false : 'there are no real events here';
const layout = new EventLayout();
const FIELDS = Object.values(FIELD);

const rangesOf = (event: FieldRanges) =>
  FIELDS.map((field) =>
    event.has(field) ? [event.startOf(field), event.endOf(field), event.isEscaped(field)] : null,
  );

/** Of one value between other bytes: undefined when the kernel does not know it, else whether it is right. */
function isRight(text: string): boolean | undefined {
  const bytes = Buffer.from(`"\\{${text}"}]9`);
  const [at, end] = [3, bytes.length - 4];
  if (!eventRows.readValue(bytes, at, end)) return undefined;
  const found = rangesOf(eventRows);
  const { time, sourceHash } = eventRows;
  if (!layout.find(bytes, at, end)) return false;
  if (JSON.stringify(found) !== JSON.stringify(rangesOf(layout))) return false;
  if (layout.has(FIELD.source)) {
    const source = bytes.subarray(layout.startOf(FIELD.source), layout.endOf(FIELD.source));
    if (sourceHash !== murmur2(source) >>> 0) return false;
  }
  if (time < 0) return true;
  const plain = timestampFromBytes(bytes, layout.startOf(FIELD.timestamp), layout.endOf(FIELD.timestamp));
  return layout.has(FIELD.timestamp) && time === plain;
}

t.test('ordinary events are known', async (t) => {
  const events = [
    '{}',
    ' { } ',
    '{"timestamp":"2026-11-21T08:00:00.123Z","level":"INFO","source":"a","message":"m"}',
    '{"@timestamp":"2026-11-21T08:00:00Z","logLevel":3,"serviceName":"b","msg":"m \\n \\u00fc"}',
    '{"time":1795248000,"severity":null,"service":"","log":7}',
    '{"ts":1795248000123,"source":{"a":[1,-2.5e+3,true,false,null,"x",{}]},"service":"real","level":[]}',
    '{"source":"a","source":"b","level":"x","level":"","ts":1,"ts":null}',
    '\t{\r\n"source" :\n"a" ,"n":0.5E-3}\n',
    `{"source":"${'long '.repeat(100)}","message":"ü 接続 😀"}`,
    `${'{"a":'.repeat(50)}1${'}'.repeat(50)}`,
  ];
  for (const event of events) t.equal(isRight(event), true, event.slice(0, 60));
});

t.test('the time is known in the forms that are usual', async (t) => {
  const usual = [
    '"2026-11-21T08:00:00.123Z"',
    '"2026-11-21 08:00:00"',
    '"2024-02-29T23:59:59.1234567"',
    '1',
    '1795248000',
  ];
  for (const time of usual) {
    t.equal(isRight(`{"ts":${time}}`), true, time);
    t.ok(eventRows.time >= 0, time);
  }
  const others = [
    '"2026-02-29T00:00:00Z"',
    '"2026-11-21T08:00:00+02:00"',
    '"2026-11-21"',
    '1795248000.5',
    '-1',
    'true',
    '""',
    '0',
  ];
  for (const time of others) {
    t.equal(isRight(`{"ts":${time}}`), true, time);
    t.equal(eventRows.time, -1, time);
  }
});

t.test('what is unusual is left to others', async (t) => {
  const values = [
    '',
    'text',
    '[1]',
    '{"a":1',
    '{"a":1}}',
    '{"a":1},',
    '{"a":01}',
    '{"a":1.}',
    '{"a":-}',
    '{"a":1e}',
    '{"a":.5}',
    '{"a":tru}',
    '{"a":nul',
    '{"a" 1}',
    '{"a":1,}',
    '{a:1}',
    '{"a":"\t"}',
    '{"a":"\\x"}',
    '{"a":"\\u12g4"}',
    '{"a":[1,]}',
    '{"a":[1}]',
    '{"so\\u0075rce":"a"}',
    `${'{"a":'.repeat(100)}1${'}'.repeat(100)}`,
  ];
  for (const value of values) t.equal(isRight(value), undefined, value.slice(0, 40));
  t.equal(isRight(`{"a":"${'x'.repeat(MAX_KERNEL_BYTES)}"}`), undefined);
});

const names = [
  'timestamp',
  '@timestamp',
  'time',
  'ts',
  'source',
  'serviceName',
  'service',
  'level',
  'severity',
  'message',
  'log',
  'x',
];
const value = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('2026-11-21T08:00:00.5Z', '', 'a'),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.jsonValue({ maxDepth: 3 }),
);

t.test('random events are all known, and right', async (t) => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...names), value), { maxLength: 8 }), (members) => {
      const text = members.map(([name, each]) => `"${name}":${JSON.stringify(each)}`).join(',');
      return isRight(`{${text}}`) === true;
    }),
    { numRuns: 3000 },
  );
  t.pass('all of them');
});

t.test('damaged events are right where they are known', async (t) => {
  const sample =
    '{"timestamp":"2026-11-21T08:00:00.123Z","level":"INFO","source":"a","message":"m \\n ü","n":[1,-2.5e3,{"source":"b"}]}';
  fc.assert(
    fc.property(
      fc.nat(sample.length - 1),
      fc.constantFrom(...'{}[]",:\\u0-19ntf e.\n\x00'),
      fc.boolean(),
      (at, char, keep) => isRight(sample.slice(0, at) + char + sample.slice(keep ? at : at + 1)) !== false,
    ),
    { numRuns: 5000 },
  );
  t.pass('all of them');
});

t.test('lines have rows, however many there are', async (t) => {
  const kinds = ['{"source":"a"}', '', ' \t\r', 'x', '{"source":"b"} \r', '{"a":1}{', ' {}'];
  const expected = [EVENT, BLANK, BLANK, UNUSUAL, EVENT, UNUSUAL, EVENT];
  for (const [count, last] of [
    [7, '\n'],
    [7, ''],
    [5000, '\n'],
  ] as const) {
    const lines = Array.from({ length: count }, (_, i) => kinds[i % kinds.length]!);
    const bytes = Buffer.from(`before\n${lines.join('\n')}${last}`);
    eventRows.beginLines(bytes, 7, bytes.length);
    let at = 7;
    for (const [i, line] of lines.entries()) {
      if (!eventRows.nextLine()) return t.fail(`there is a row for line ${i}`);
      const { kind, start, end, lineEnd } = eventRows;
      if (kind !== expected[i % kinds.length] || lineEnd !== at + line.length) t.fail(`line ${i}`);
      if (kind === EVENT && bytes.toString('utf8', start, end) !== line.trim())
        t.fail(`the value of line ${i}`);
      at += line.length + 1;
    }
    t.notOk(eventRows.nextLine(), `${count} lines`);
  }
});

t.test('real events are all known, and right', { skip }, async (t) => {
  for (const file of readdirSync(EVENTS)) {
    const lines = readFileSync(`${EVENTS}${file}`, 'utf8').trimEnd().split('\n');
    t.same(
      lines.filter((line) => isRight(line) !== true),
      [],
      file,
    );
  }
});

t.test('what is in the source tree was compiled of wasm/event-kernel.ts', async (t) => {
  const compiled = readFileSync(new URL('../../src/query/event-kernel-wasm.ts', import.meta.url), 'utf8');
  t.equal(compiled, await compileKernel('event'), 'npm run build:wasm');
});
