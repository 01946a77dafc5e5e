import t from 'tap';
import { murmur2 } from '../../src/engine/index.ts';
import { MAX_KERNEL_BYTES } from '../../src/query/event-kernel.ts';
import { type EventFault, readEventLines } from '../../src/query/event-lines.ts';

type Taken = [key: string, value: string, timestamp: number | undefined];

/** What becomes of lines that stand between other bytes. */
function read(lines: Buffer, defaultSource?: string) {
  const bytes = Buffer.concat([
    Buffer.from('{"source":"before"}\n'),
    lines,
    Buffer.from('{"source":"behind"}'),
  ]);
  const at = 20;
  const taken: Taken[] = [];
  const faults: [line: number, code: EventFault['code'], detail: string][] = [];
  const { accepted, lines: count } = readEventLines(bytes, at, at + lines.length, {
    firstLine: 10,
    defaultSource: defaultSource === undefined ? undefined : Buffer.from(defaultSource),
    sink: {
      addBytes: (key, value, timestamp) =>
        void taken.push([
          Buffer.from(key as string).toString(),
          Buffer.from(value as string).toString(),
          timestamp,
        ]),
      addSlices: (from, keyStart, keyEnd, keyHash, valueStart, valueEnd, timestamp) => {
        if (keyHash !== murmur2(from.subarray(keyStart, keyEnd)) >>> 0) throw new Error('another hash');
        taken.push([
          from.toString('utf8', keyStart, keyEnd),
          from.toString('utf8', valueStart, valueEnd),
          timestamp,
        ]);
      },
    },
    reject: (line, { code, detail }) => void faults.push([line, code, detail]),
  });
  if (accepted !== taken.length) throw new Error(`${accepted} are accepted, ${taken.length} taken`);
  return { taken, faults, count };
}

const LINES = [
  '{"source":"a","ts":5}',
  '',
  ' \t{"service":"ü", "message":"x"} \r',
  '{"source":"\\u0061b","ts":"2026-11-21T10:00:00+02:00"}',
  '{"message":"no source"}',
  '{"source":"a","time":"soon"}',
  '{"source":"\\udc00"}',
  '{"source":"a"} x',
  '[]',
  '{"source":"a","n":[1,}',
  `{"source":"a","n":${'['.repeat(200)}${']'.repeat(200)}}`,
  '{"source":"a\\n"}',
];
const TAKEN: Taken[] = [
  ['a', '{"source":"a","ts":5}', 5000],
  ['ü', '{"service":"ü", "message":"x"}', undefined],
  ['ab', LINES[3]!, Date.parse('2026-11-21T08:00:00Z')],
  ['a\n', LINES[11]!, undefined],
];
const FAULTS = [
  [14, 'invalid_event', /^it has no source/],
  [15, 'invalid_timestamp', '"time" is no time: ISO 8601 or an epoch number, from 1970 on, not soon'],
  [16, 'invalid_event', /surrogate/],
  [17, 'invalid_json', 'byte 16: more follows the value'],
  [18, 'invalid_event', 'an event is a JSON object'],
  [19, 'invalid_json', 'byte 22: "}" where a value should be'],
  [20, 'nesting_too_deep', /128/],
];

t.test('each line is judged by itself', async (t) => {
  for (const end of ['\n', '']) {
    const { taken, faults, count } = read(Buffer.from(LINES.join('\n') + end));
    t.same(taken, TAKEN);
    t.match(faults, FAULTS);
    t.equal(faults.length, FAULTS.length);
    t.equal(count, LINES.length);
  }
  t.same(read(Buffer.alloc(0)), { taken: [], faults: [], count: 0 });
});

t.test('a line that is no UTF-8 is refused, and the others read as ever', async (t) => {
  const bad = Buffer.from('{"source":"\xe9"}', 'latin1');
  const { taken, faults, count } = read(Buffer.concat([Buffer.from(`${LINES.join('\n')}\n`), bad]));
  t.same(taken, TAKEN);
  t.match(faults, [...FAULTS, [22, 'invalid_json', 'it is not valid UTF-8']]);
  t.equal(count, LINES.length + 1);
});

t.test('a line that is very long is read as others are', async (t) => {
  const long = `{"source":"long","message":"${'x'.repeat(MAX_KERNEL_BYTES)}"}`;
  const { taken, faults, count } = read(Buffer.from([long, ...LINES].join('\n')));
  t.same(taken, [['long', long, undefined], ...TAKEN]);
  t.equal(faults.length, FAULTS.length);
  t.equal(count, LINES.length + 1);
});

t.test('events without a source have the one that is given', async (t) => {
  const { taken, faults } = read(Buffer.from('{"message":"m"}\n{"source":"own"}\n{"source":""}'), 'given');
  t.same(taken, [
    ['given', '{"message":"m"}', undefined],
    ['own', '{"source":"own"}', undefined],
    ['given', '{"source":""}', undefined],
  ]);
  t.same(faults, []);
});
