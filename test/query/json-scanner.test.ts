import fc from 'fast-check';
import t from 'tap';
import { JsonFault, JsonScanner, MAX_JSON_DEPTH } from '../../src/query/json-scanner.ts';

function isJson(text: string): boolean {
  const bytes = Buffer.from(text);
  const scanner = new JsonScanner(bytes);
  try {
    return scanner.skipWhitespace(scanner.value(0)) === bytes.length;
  } catch (error) {
    if (error instanceof JsonFault) return false;
    throw error;
  }
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

t.test('the scanner and JSON.parse agree on what is JSON', async (t) => {
  const pieces = [
    '{',
    '}',
    '[',
    ']',
    ',',
    ':',
    '"a"',
    '"\\n"',
    '"\\u00e9"',
    '1',
    '-',
    '0',
    '1.5',
    '1e9',
    'true',
  ];
  pieces.push(
    'false',
    'null',
    ' ',
    '\n',
    '\t',
    '"',
    '\\',
    'x',
    'é',
    '01',
    '-0',
    '.5',
    'nul',
    '\u0001',
    '"long enough for words"',
  );
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...pieces), { maxLength: 9 }),
      (parts) => isJson(parts.join('')) === parses(parts.join('')),
    ),
    { numRuns: 20_000 },
  );
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), (text) => isJson(text)),
    { numRuns: 500 },
  );
  t.pass();
});

t.test('any one changed byte of a document is judged as JSON.parse judges it', async () => {
  const document =
    '{"a":[1,-2.5e+3,true,null,"x\\u0041\\"y"],"long name here":{"":"quite a long string value"}}';
  fc.assert(
    fc.property(fc.nat(document.length - 1), fc.integer({ min: 0x20, max: 0x7e }), (at, byte) => {
      const changed = document.slice(0, at) + String.fromCharCode(byte) + document.slice(at + 1);
      return isJson(changed) === parses(changed);
    }),
    { numRuns: 5_000 },
  );
});

t.test('a fault says at which byte it goes wrong', async (t) => {
  const faults: [text: string, position: number, message: RegExp][] = [
    ['{"a":1,}', 7, /"}" where a name in quotes should be/],
    ['{"a" 1}', 5, /"1" where ":" should be/],
    ['[1 2]', 3, /"2" where "," or "]" should be/],
    ['"abc', 4, /a string does not end/],
    ['"a\nb"', 2, /control character/],
    ['"a\\x"', 2, /an escape/],
    ['"a\\u12g4"', 2, /an escape/],
    ['01', 0, /a number is not valid/],
    ['tru', 0, /"t" where a value should be/],
    ['', 0, /it ends where a value should be/],
    ['\u0007', 0, /byte 0x07 where a value should be/],
  ];
  for (const [text, position, message] of faults) {
    const bytes = Buffer.from(text);
    try {
      new JsonScanner(bytes).value(0);
      t.fail(text);
    } catch (error) {
      t.match(error, { position, message }, text);
    }
  }
});

t.test('nesting is bounded, and the bound is no fault of the syntax', async (t) => {
  const nested = (depth: number) => Buffer.from('['.repeat(depth) + ']'.repeat(depth));
  t.equal(new JsonScanner(nested(MAX_JSON_DEPTH)).value(0), MAX_JSON_DEPTH * 2);
  t.throws(() => new JsonScanner(nested(MAX_JSON_DEPTH + 1)).value(0), { name: 'JsonFault', tooDeep: true });
  t.throws(() => new JsonScanner(Buffer.from('{"a":'.repeat(1_000_000))).value(0), {
    name: 'JsonFault',
    tooDeep: true,
  });
});

t.test('a value ends where it ends, whatever follows', async (t) => {
  const bytes = Buffer.from(' {"a":[1]} {"b":2}');
  const scanner = new JsonScanner(bytes);
  t.equal(scanner.value(0), 10);
  t.equal(scanner.value(10), bytes.length);
  t.throws(() => scanner.value(0, 6), JsonFault, 'the end is not passed');
});
