import { PassThrough } from 'node:stream';
import t from 'tap';
import { bytesFor, count, humanBytes, humanDuration, jsonText, range, table } from '../../src/cli/text.ts';

const terminal = Object.assign(new PassThrough(), { isTTY: true });
const pipe = new PassThrough();

t.test('sizes and durations for people', async (t) => {
  t.same([0, 512, 1536, 10 * 1024 ** 2, 1.5 * 1024 ** 4].map(humanBytes), [
    '0 B',
    '512 B',
    '1.5 KiB',
    '10.0 MiB',
    '1.5 TiB',
  ]);
  t.same([40, 1400, 59_400, 200_000, 7_500_000, 273_600_000].map(humanDuration), [
    '40 ms',
    '1.4 s',
    '59 s',
    '3 min 20 s',
    '2 h 5 min',
    '3 d 4 h',
  ]);
});

t.test('a terminal gets sizes and JSON for people, a pipe gets them for programs', async (t) => {
  t.equal(bytesFor(terminal, 2048), '2.0 KiB');
  t.equal(bytesFor(pipe, 2048), '2048');
  t.equal(jsonText(pipe, { a: [1] }), '{"a":[1]}\n');
  t.equal(jsonText(terminal, { a: 1 }), '{\n  "a": 1\n}\n');
});

t.test('one and many', async (t) => {
  t.same(
    [count(0, 'record'), count(1, 'record'), count(2, 'record')],
    ['0 records', '1 record', '2 records'],
  );
});

t.test('columns of numbers stand to the right', async (t) => {
  const text = table(
    ['NAME', 'N', 'BYTES'],
    [
      ['a', '1', '1.5 MiB'],
      ['long', '1000', '12 B'],
    ],
  );
  t.equal(text, 'NAME     N    BYTES\na        1  1.5 MiB\nlong  1000     12 B\n');
});

t.test('a range names its first and its last', async (t) => {
  t.equal(range(4521, 8836), '4521–8835');
  t.equal(range(7, 8), '7–7');
  t.equal(range(7, 7), '7–7', 'an empty one is a place');
});
