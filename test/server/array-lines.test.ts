import fc from 'fast-check';
import t from 'tap';
import { ArrayLines } from '../../src/server/array-lines.ts';

/** The lines of a text that comes in pieces of `size`. */
function linesOf(text: string, size = text.length): string[] {
  const array = new ArrayLines();
  const bytes = Buffer.from(text);
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += size) pieces.push(array.push(bytes.subarray(at, at + size)));
  array.end();
  return Buffer.concat(pieces)
    .toString()
    .split('\n')
    .map((line) => line.trim());
}

t.test('elements become lines, however they come', async (t) => {
  const cases: [text: string, lines: string[]][] = [
    ['[]', ['']],
    [' [ ] ', ['']],
    ['[1]', ['1']],
    ['[1,"a,b",[2,3],{"c":[4,{"d":"]"}]}]', ['1', '"a,b"', '[2,3]', '{"c":[4,{"d":"]"}]}']],
    ['[{"a":\n1},\r\n{"b":\t2}]\n', ['{"a": 1}', '{"b": 2}']],
    ['["\\"]","\\\\",","]', ['"\\"]"', '"\\\\"', '","']],
    ['{"a":\n[1,2]}', ['{"a": [1,2]}']],
    ['{"a":1}\n{"b":2}\n', ['{"a":1}', '{"b":2}', '']],
    ['["line\nbreak",1]', ['"line\x01break"', '1']],
  ];
  for (const [text, lines] of cases) {
    for (const size of [1, 2, 5, text.length])
      t.same(linesOf(text, size), lines, `${text} in pieces of ${size}`);
  }
});

t.test('what is no array is refused at the byte where it is none', async (t) => {
  const cases: [text: string, position: number][] = [
    ['[1,]', 3],
    ['[,1]', 1],
    ['[1,,2]', 3],
    ['[1] 2', 4],
    ['[1', 2],
    ['["a]', 4],
    ['[{]', 3],
  ];
  for (const [text, position] of cases) {
    for (const size of [1, 3, text.length])
      t.throws(() => linesOf(text, size), { code: 'invalid_json', details: { position } }, text);
  }
});

t.test('bad elements are lines of their own', async (t) => {
  t.same(linesOf('[1 2,}x,"a"b,3]'), ['1 2', '}x', '"a"b', '3']);
});

t.test('any array comes through', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.jsonValue(), { minLength: 1 }),
      fc.constantFrom(0, 1, '\t'),
      fc.integer({ min: 1, max: 20 }),
      (values, indent, size) => {
        const lines = linesOf(JSON.stringify(values, null, indent), size);
        return JSON.stringify(lines.map((line) => JSON.parse(line))) === JSON.stringify(values);
      },
    ),
  );
  t.pass('all of them');
});
