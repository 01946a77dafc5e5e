/** What each test of the query language means, on events as they are stored; and the values that are looked at. */
import fc from 'fast-check';
import t from 'tap';
import { parseValues, someText } from '../../src/query/event-values.ts';
import { parseExpression } from '../../src/query/expression-parser.ts';
import { matches } from '../../src/query/matches.ts';
import { StoredEvent } from '../../src/query/search-event.ts';
import { occursInWords } from '../../src/query/text-search.ts';
import { fold, wordsOf } from '../../src/query/words.ts';

function stored(value: unknown): StoredEvent {
  const bytes = Buffer.from(typeof value === 'string' ? `##${value}##` : `##${JSON.stringify(value)}##`);
  return new StoredEvent(bytes, 2, bytes.length - 2, 0);
}

const EVENT = {
  timestamp: '2026-11-21T08:00:00Z',
  source: 'Payment-7',
  level: 'warning',
  message: 'Connection REFUSED by 10.0.0.1:8080 (retry_count=3)\nnaïve "café" ΟΔΟΣ, C:\\temp',
  metadata: { userId: 42, ratio: 0.5, big: 'BIG', ok: true, none: null, pid: '148' },
  tags: ['alpha', 'beta two', { name: 'Gamma' }],
  'http.status': 503,
  refusedKey: 'x',
};
/** No number of JavaScript has these digits. */
const JSON_TEXT = JSON.stringify(EVENT).replace('"BIG"', '12345678901234567890');

const CASES: readonly [query: string, matches: boolean][] = [
  ['', true],
  ['refused', true],
  ['REFUSED connection', true],
  ['refuse', false],
  ['refus*', true],
  ['efused', false],
  // Names are not searched.
  ['refusedKey', false],
  ['metadata', false],
  ['userId', false],
  ['"connection refused"', true],
  ['"refused connection"', false],
  ['"nection refused"', false],
  ['"refused b"', false],
  ['"refused b"*', true],
  ['10.0.0.1', true],
  ['10.0.0', true],
  ['10.0.0.10', false],
  ['0.0.1', true],
  ['retry', false],
  ['retry_count', true],
  ['retry_count=3', true],
  // The line break of the message parts words.
  ['naïve', true],
  ['NAÏVE', true],
  ['nnaïve', false],
  ['cafe', false],
  ['"\\"café\\""', true],
  ['οδοσ', true],
  ['ΟΔΟΣ', true],
  ['"c:\\\\temp"', true],
  // Numbers as they are written, and no other words of JSON.
  ['42', true],
  ['4', false],
  ['12345678901234567890', true],
  ['12345678901234567000', false],
  ['true', false],
  ['null', false],
  // Each value by itself.
  ['"alpha beta"', false],
  ['alpha two gamma', true],
  ['-alpha', false],
  ['-absent', true],
  ['absent OR gamma', true],
  ['absent gamma', false],
  ['level:WARN', true],
  ['level:warning', true],
  ['level:>=warn', true],
  ['level:>warn', false],
  ['level:w*', true],
  ['level:*', true],
  ['source:payment-7', true],
  ['source:payment', false],
  ['source:pay*', true],
  ['source:*7', true],
  ['message:refused', true],
  ['message:gamma', false],
  ['message:refu', false],
  ['message:/REF[A-Z]+ by/', true],
  ['metadata.userId:42', true],
  ['metadata.userId:4', false],
  ['metadata.userId:>41', true],
  ['metadata.userId:>=42.5', false],
  ['metadata.pid:<200', true],
  ['metadata.pid:148', true],
  ['metadata.ok:true', true],
  ['metadata.ok:*', true],
  ['metadata.none:*', false],
  ['metadata.none:null', true],
  ['metadata.missing:*', false],
  ['metadata:*', true],
  ['metadata:x', false],
  ['metadata.ok:>0', false],
  ['tags:alpha', true],
  ['tags:"BETA two"', true],
  ['tags:beta', false],
  ['tags.name:gamma', true],
  ['http.status:503', true],
  ['userId:42', false],
  ['/refused/', false],
  ['/refused/i', true],
  ['/^Connection/', true],
  ['/^refused/i', false],
  ['/^42$/', true],
  ['/beta$/', false],
  ['/caf.{1}"/', true],
];

t.test('events pass, or do not', async (t) => {
  const event = stored(JSON_TEXT);
  for (const [query, expected] of CASES) t.equal(matches(parseExpression(query), event), expected, query);
});

t.test('a value that is no object is a message', async (t) => {
  for (const value of ['ERROR: Disk "full"', '[1, "Disk full"]', '{"broken": Disk full', '"Disk full"']) {
    const event = stored(value);
    t.ok(matches(parseExpression('disk message:full'), event), value);
    t.notOk(matches(parseExpression('source:*'), event), value);
  }
  t.ok(matches(parseExpression('level:error'), stored('ERROR: disk')));
});

t.test('letters whose other case is ASCII', async (t) => {
  const kelvin = stored({ message: 'tok\u212an \u0130stanbul' });
  t.ok(matches(parseExpression('tokkn'), kelvin), 'a Kelvin sign is a k');
  t.notOk(matches(parseExpression('istanbul'), kelvin), 'a dot is no part of i');
  t.ok(matches(parseExpression('\u0130STANBUL'), kelvin));
});

t.test('texts are those that JSON.parse finds, numbers as they are written', async (t) => {
  const texts = (content: unknown) => {
    const found: string[] = [];
    someText(content, (text) => found.push(text) < 0);
    return found;
  };
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue({ noUnicodeString: false })),
      fc.boolean(),
      (event, wide) => {
        const json = JSON.stringify(event, null, wide ? 1 : 0);
        return JSON.stringify(texts(parseValues(json))) === JSON.stringify(leaves(JSON.parse(json)));
      },
    ),
    { numRuns: 2000 },
  );
  const numbers = ['1.0', '1e3', '12345678901234567890', '-0', '0.10', '7', '-7.5', '1E+2', '0'];
  for (const space of ['', ' ', '\n']) {
    const listed = `{"a":${space}[${space}${numbers.join(`${space},${space}`)}${space}]${space}}`;
    t.strictSame(texts(parseValues(listed)), numbers);
    for (const number of numbers)
      t.strictSame(texts(parseValues(`{"a"${space}:${space}${number}${space},"b":"x"}`)), [number, 'x']);
  }
});

function leaves(value: unknown): string[] {
  if (typeof value === 'object' && value !== null) return Object.values(value).flatMap(leaves);
  if (typeof value === 'string') return [value];
  return typeof value === 'number' ? [JSON.stringify(value)] : [];
}

t.test('a word occurs where it is one of the words', async () => {
  const texts = fc.array(fc.constantFrom('a', 'b', 'é', ' ', '-', '_', '𝔸', '😀', '\u0301', 'Σ'), {
    maxLength: 8,
  });
  fc.assert(
    fc.property(texts, texts, (value, wanted) => {
      const text = fold(value.join(''));
      const [word] = wordsOf(wanted.join(''));
      if (word === undefined) return true;
      const words = wordsOf(text);
      return (
        occursInWords(text, word, false) === words.includes(word) &&
        occursInWords(text, word, true) === words.some((each) => each.startsWith(word))
      );
    }),
    { numRuns: 5000 },
  );
});
