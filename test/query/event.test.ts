import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import t from 'tap';
import { type EventFacts, eventFacts, parseEvent } from '../../src/query/event.ts';
import { levelOfField } from '../../src/query/event-levels.ts';
import { plainFacts } from '../helpers/plain-event.ts';

const RECORD_TIME = 1_700_000_000_000;
const EVENTS = fileURLToPath(new URL('../../../shared/data/events/', import.meta.url));
const skip = existsSync(EVENTS) ? false : 'there are no real events here';

/** The facts of a value, which stands between other bytes; the message as text. */
function factsOf(value: string | Buffer): Omit<
  EventFacts,
  'messageStart' | 'messageEnd' | 'messageEscaped'
> & {
  message: string | null;
} {
  const bytes = Buffer.from(value as string);
  const around = Buffer.concat([Buffer.from('"}'), bytes, Buffer.from(',"source":"other"}')]);
  const facts = eventFacts(around, 2, 2 + bytes.length, RECORD_TIME);
  const { timestamp, source, level, isObject, messageStart, messageEnd, messageEscaped } = facts;
  const raw = messageStart < 0 ? null : around.toString('utf8', messageStart, messageEnd);
  const message = raw !== null && messageEscaped ? JSON.parse(`"${raw}"`) : raw;
  return { timestamp, source, level, message, isObject };
}

const time = (text: string) => Date.parse(text);

t.test('an event is known by its fields, whichever of their names they have', async (t) => {
  const cases: [value: string, facts: Partial<ReturnType<typeof factsOf>>][] = [
    [
      '{"timestamp":"2026-11-21T08:00:00.123Z","level":"warn","source":"payment","message":"slow","metadata":{}}',
      { timestamp: time('2026-11-21T08:00:00.123Z'), level: 'WARN', source: 'payment', message: 'slow' },
    ],
    [
      '{"@timestamp":"2026-11-21T10:00:00+02:00","logLevel":"Error","serviceName":"a","msg":"m"}',
      { timestamp: time('2026-11-21T08:00:00Z'), level: 'ERROR', source: 'a', message: 'm' },
    ],
    [
      '{"time":1795248000,"severity":"critical","service":"b","log":"l"}',
      { timestamp: time('2026-11-21T08:00:00Z'), level: 'FATAL', source: 'b', message: 'l' },
    ],
    ['{"ts":1795248000123}', { timestamp: 1795248000123, level: null, source: null, message: null }],
    ['{"ts":1795248000.5}', { timestamp: 1795248000500 }],
    ['{"ts":"1795248000123"}', { timestamp: 1795248000123 }],
    ['{"ts":1.795248e9}', { timestamp: 1795248000000 }],
    ['{"ts":1795248000123456789}', { timestamp: 1795248000123 }],
    [' \t{ "source" : "a" , "message" : "m" }\r ', { source: 'a', message: 'm' }],
    ['{}', { source: null, level: null, message: null, isObject: true, timestamp: RECORD_TIME }],
  ];
  for (const [value, facts] of cases) t.match(factsOf(value), facts, value);
});

t.test('the first name that is there counts, wherever it stands', async (t) => {
  const cases: [value: string, source: string | null][] = [
    ['{"service":"c","serviceName":"b","source":"a"}', 'a'],
    ['{"service":"c","serviceName":"b"}', 'b'],
    ['{"source":null,"service":"c"}', 'c'],
    ['{"source":"","service":"c"}', 'c'],
    ['{"source":{"ip":"10.0.0.1"},"service":"c"}', 'c'],
    ['{"source":17,"service":"c"}', 'c'],
    ['{"source":["a"]}', null],
    ['{"source":true}', null],
    ['{"Source":"a"}', null],
  ];
  for (const [value, source] of cases) t.equal(factsOf(value).source, source, value);
});

t.test('of a name that occurs twice the last one counts, as with JSON.parse', async (t) => {
  t.equal(factsOf('{"source":"a","source":"b"}').source, 'b');
  t.equal(factsOf('{"source":"a","source":null}').source, null);
  t.equal(factsOf('{"source":"a","source":""}').source, null);
  t.equal(factsOf('{"source":"a\\n","source":"b"}').source, 'b');
  t.equal(factsOf('{"source":"a","source":"b\\n"}').source, 'b\n');
  t.equal(factsOf('{"ts":"2026-11-21","ts":null}').timestamp, RECORD_TIME);
  t.equal(factsOf('{"message":"a","message":7}').message, null);
});

t.test('names inside other values are no fields', async (t) => {
  const inside = '"source":"x","level":"FATAL","timestamp":"2001-01-01","message":"y"';
  const facts = factsOf(
    `{"a":{${inside},"b":[{${inside}}]},"c":"{${inside.replaceAll('"', '\\"')}}","source":"real"}`,
  );
  t.same(facts, { timestamp: RECORD_TIME, source: 'real', level: null, message: null, isObject: true });
});

t.test('escapes are taken for what they stand for, in names and in values', async (t) => {
  t.equal(factsOf('{"so\\u0075rce":"a"}').source, 'a');
  t.equal(factsOf('{"source":"caf\\u00e9"}').source, 'café');
  t.equal(factsOf('{"source":"a\\"b\\\\"}').source, 'a"b\\');
  t.equal(factsOf('{"level":"\\u0045RROR"}').level, 'ERROR');
  t.equal(factsOf('{"ts":"2026\\u002d11-21"}').timestamp, time('2026-11-21'));
  t.equal(factsOf('{"message":"line\\nline \\u00fc \\ud83d\\ude00"}').message, 'line\nline ü 😀');
  t.equal(factsOf('{"message":"\\u001b[31mERROR\\u001b[0m red"}').level, 'ERROR');
  t.equal(factsOf('{"message":"level=\\"warn\\" x"}').level, 'WARN');
});

t.test('text of any language is kept', async (t) => {
  const value =
    '{"source":"платёж","message":"соединение отклонено 接続が拒否されました","level":"информация"}';
  t.match(factsOf(value), {
    source: 'платёж',
    message: 'соединение отклонено 接続が拒否されました',
    level: 'ИНФОРМАЦИЯ',
  });
});

t.test('a level that no field says is found where the message says it', async (t) => {
  t.equal(factsOf('{"message":"ERROR disk"}').level, 'ERROR');
  t.equal(factsOf('{"message":"2026-11-21 08:00:00 [warn] disk"}').level, 'WARN');
  t.equal(factsOf('{"level":null,"message":"INFO up"}').level, 'INFO');
  t.equal(factsOf('{"level":{"name":"x"},"message":"INFO up"}').level, 'INFO');
  t.equal(factsOf('{"level":30,"message":"ERROR in words"}').level, 'INFO', 'a field is asked first');
  t.equal(factsOf('{"level":"  ","message":"no level"}').level, null);
});

t.test('a time that is none, or before 1970, is that of the record', async (t) => {
  const values = [
    '"yesterday"',
    '-1',
    'true',
    '{}',
    '[1]',
    '""',
    '"2026-13-01"',
    'null',
    `"${'2'.repeat(1000)}"`,
  ];
  for (const value of values)
    t.equal(factsOf(`{"timestamp":${value},"ts":null}`).timestamp, RECORD_TIME, value);
});

t.test('what is no JSON object is a message as a whole', async (t) => {
  const values = [
    '',
    'plain text',
    '{"source":"a"',
    '{"source":"a"} more',
    '{"source":"a",}',
    "{'source':'a'}",
    '[{"source":"a"}]',
    '"source"',
    '17',
    'null',
    '{"a":01}',
    '{"source":"a\tb"}',
    `${'{"a":'.repeat(200)}1${'}'.repeat(200)}`,
  ];
  for (const value of values) {
    const expected = { timestamp: RECORD_TIME, source: null, level: null, message: value, isObject: false };
    t.same(factsOf(value), expected, value.slice(0, 40));
    t.equal(parseEvent(Buffer.from(value), 0, Buffer.byteLength(value)), null);
  }
  t.equal(factsOf('2026-11-21 08:00:00 ERROR plain').level, 'ERROR');
});

t.test('very long lines are looked at whole', async (t) => {
  const long = 'x'.repeat(5_000_000);
  const facts = factsOf(`{"message":"${long}","metadata":{"k":"${long}"},"source":"behind"}`);
  t.equal(facts.source, 'behind');
  t.equal(facts.message?.length, long.length);
  t.equal(factsOf(`{"source":"${long}"}`).source, long);
});

t.test(
  'an event that is parsed is what JSON.parse makes of it, without an effect on prototypes',
  async (t) => {
    const bytes = Buffer.from('..{"__proto__":{"polluted":1},"n":1e2}..');
    const event = parseEvent(bytes, 2, bytes.length - 2);
    t.same(Object.keys(event!), ['__proto__', 'n']);
    t.equal(({} as { polluted?: number }).polluted, undefined);
  },
);

/** Compares with a plain reading of the same value. */
function agrees(text: string): boolean {
  const plain = plainFacts(text, RECORD_TIME);
  const facts = factsOf(text);
  const level = plain.level === null ? null : levelOfField(String(plain.level));
  return (
    facts.timestamp === plain.timestamp &&
    facts.source === plain.source &&
    facts.message === plain.message &&
    (level === null || facts.level === level)
  );
}

const names = [
  'timestamp',
  '@timestamp',
  'ts',
  'source',
  'service',
  'level',
  'severity',
  'message',
  'msg',
  'other',
  'Source',
  '',
];
const anyValue = fc.oneof(
  fc.string({ unit: 'grapheme' }),
  fc.constantFrom('2026-11-21T08:00:00Z', '2026-02-30', '1795248000', 'ERROR', 'warn', 'a', ''),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true, max: 1e15, min: -1e15 }),
  fc.jsonValue({ maxDepth: 3 }),
);
const member = fc.tuple(fc.constantFrom(...names), anyValue);

t.test('random events are read as JSON.parse reads them', async (t) => {
  fc.assert(
    fc.property(fc.array(member, { maxLength: 8 }), fc.constantFrom('', ' ', '\n\t'), (members, space) => {
      const text = members.map(
        ([name, value]) => `${space}${JSON.stringify(name)}${space}:${JSON.stringify(value)}`,
      );
      return agrees(`{${text.join(`${space},`)}${space}}`);
    }),
    { numRuns: 3000 },
  );
  t.pass('all of them');
});

t.test('damaged events are read as JSON.parse reads them', async (t) => {
  const sample =
    '{"timestamp":"2026-11-21T08:00:00.123Z","level":"INFO","source":"a","message":"m \\n ü","n":[1,-2.5e3,{"source":"b"}]}';
  fc.assert(
    fc.property(
      fc.nat(sample.length - 1),
      fc.constantFrom(...'{}[]",:\\u0-19ntf e.\n\x00'),
      fc.boolean(),
      (at, char, keep) => agrees(sample.slice(0, at) + char + sample.slice(keep ? at : at + 1)),
    ),
    { numRuns: 3000 },
  );
  t.pass('all of them');
});

t.test('real events are read as JSON.parse reads them', { skip }, async (t) => {
  for (const file of readdirSync(EVENTS)) {
    const lines = readFileSync(`${EVENTS}${file}`, 'utf8').trimEnd().split('\n');
    const wrong = lines.filter((line) => !agrees(line) || factsOf(line).level === null);
    t.same(wrong, [], file);
  }
});
