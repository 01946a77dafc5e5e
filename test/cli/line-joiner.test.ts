import * as fc from 'fast-check';
import t from 'tap';
import { countLines, forEachLine, LineJoiner, lineEndWithin } from '../../src/cli/line-joiner.ts';

/** Bytes in which newlines are frequent, cut into chunks anywhere. */
const chunks = fc.array(
  fc
    .array(fc.oneof(fc.constant(10), fc.integer({ min: 0, max: 255 })), { maxLength: 20 })
    .map((each) => Buffer.from(each)),
);

t.test('pieces and rest put together are the stream, and every piece ends where a line ends', async (t) => {
  fc.assert(
    fc.property(chunks, (input) => {
      const joiner = new LineJoiner(1000);
      const pieces = input.map((chunk) => joiner.push(chunk));
      for (const piece of pieces) if (piece.length > 0 && piece.at(-1) !== 10) return false;
      return Buffer.concat([...pieces, joiner.end()]).equals(Buffer.concat(input));
    }),
  );
  t.pass('holds for every cut that was tried');
});

t.test('lines are what lies between newlines, empty ones and the unfinished last one included', async (t) => {
  fc.assert(
    fc.property(chunks, (input) => {
      const bytes = Buffer.concat(input);
      const expected = bytes.toString('latin1').split('\n');
      if (expected.at(-1) === '') expected.pop();
      const lines: string[] = [];
      forEachLine(bytes, (line) => void lines.push(line.toString('latin1')));
      return JSON.stringify(lines) === JSON.stringify(expected) && countLines(bytes) === expected.length;
    }),
  );
  t.pass('holds for every text that was tried');
});

t.test('a line that grows past the limit is refused instead of filling the memory', async (t) => {
  const joiner = new LineJoiner(10);
  joiner.push(Buffer.from('12345'));
  t.throws(() => joiner.push(Buffer.from('678901')), /longer than 10 bytes/);
});

t.test('the end of the lines within a limit', async (t) => {
  const bytes = Buffer.from('aa\nbbbb\nc');
  for (const [limit, end] of [
    [100, 9],
    [8, 8],
    [7, 3],
    [3, 3],
    [2, 3],
    [0, 3],
  ] as const) {
    t.equal(lineEndWithin(bytes, limit), end, `within ${limit} bytes`);
  }
  t.equal(lineEndWithin(Buffer.from('abcdef'), 2), 6, 'a single line is never cut');
});
