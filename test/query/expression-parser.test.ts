/** The language of queries: what its texts mean as trees, where the wrong ones are wrong, and that a tree can be written down again. */
import fc from 'fast-check';
import t from 'tap';
import {
  ALL,
  type Expression,
  expressionText,
  type FieldTest,
  normalized,
} from '../../src/query/expression.ts';
import { fieldFilter, parseExpression } from '../../src/query/expression-parser.ts';
import { QueryError } from '../../src/query/query-error.ts';
import { fold } from '../../src/query/words.ts';

const word = (text: string, prefix = false): Expression => ({ type: 'text', text, prefix });
const field = (name: string, test: FieldTest): Expression => ({ type: 'field', field: name, test });
const equal = (name: string, text: string) => field(name, { type: 'equal', text });
const and = (...of: Expression[]): Expression => ({ type: 'and', of });
const or = (...of: Expression[]): Expression => ({ type: 'or', of });
const not = (of: Expression): Expression => ({ type: 'not', of });

const TREES: readonly [text: string, tree: Expression][] = [
  ['', ALL],
  ['   ', ALL],
  ['*', ALL],
  ['refused', word('refused')],
  ['Connection REFUSED', and(word('connection'), word('refused'))],
  ['"Connection refused"', word('connection refused')],
  ['"a \\"b\\" \\\\ c"', word('a "b" \\ c')],
  ['10.0.0.1', word('10.0.0.1')],
  ['10.0.0.1:8080', word('10.0.0.1:8080')],
  ['http://host/x', word('http://host/x')],
  ['conn*', word('conn', true)],
  ['"connection ref"*', word('connection ref', true)],
  ['"conn*"', word('conn*')],
  ['ÀÉ', word('àé')],
  ['ΟΔΟΣ', word('οδοσ')],
  ['a OR b', or(word('a'), word('b'))],
  ['a or b', and(word('a'), word('b'), word('or'))],
  ['a b OR c', or(and(word('a'), word('b')), word('c'))],
  ['a AND (b OR c)', and(word('a'), or(word('b'), word('c')))],
  ['-a', not(word('a'))],
  ['NOT a b', and(word('b'), not(word('a')))],
  ['--a', word('a')],
  ['a -(b c)', and(word('a'), not(and(word('b'), word('c'))))],
  ['a - b', and(word('-'), word('a'), word('b'))],
  ['a-b', word('a-b')],
  ['b a a b', and(word('a'), word('b'))],
  ['a OR *', ALL],
  ['a AND *', word('a')],
  ['source:Payment', equal('source', 'payment')],
  ['source:pay*', field('source', { type: 'glob', parts: ['pay', ''] })],
  ['level:warning', equal('level', 'WARN')],
  ['level:Custom', equal('level', 'CUSTOM')],
  ['level:>=ERROR', or(equal('level', 'ERROR'), equal('level', 'FATAL'))],
  ['level:<debug', equal('level', 'TRACE')],
  ['level:(ERROR OR fatal)', or(equal('level', 'ERROR'), equal('level', 'FATAL'))],
  ['metadata.userId:42', equal('metadata.userId', '42')],
  ['metadata.userId:"4 2"', equal('metadata.userId', '4 2')],
  ['latency:>5', field('latency', { type: 'compare', operator: '>', number: 5 })],
  ['latency:<=-0.5e2', field('latency', { type: 'compare', operator: '<=', number: -50 })],
  ['host:*', field('host', { type: 'exists' })],
  ['host:*.example.*', field('host', { type: 'glob', parts: ['', '.example.', ''] })],
  ['host:"a b"*c', field('host', { type: 'glob', parts: ['a b', 'c'] })],
  ['message:refused', field('message', { type: 'text', text: 'refused', prefix: false })],
  ['message:ref*', field('message', { type: 'text', text: 'ref', prefix: true })],
  ['-host:a', not(equal('host', 'a'))],
  ['host:-a', equal('host', '-a')],
  ['@host:a', equal('@host', 'a')],
  ['/time[o/]ut \\d+\\/s/', { type: 'regex', source: 'time[o/]ut \\d+\\/s', flags: '' }],
  ['/timeout/i', { type: 'regex', source: 'timeout', flags: 'i' }],
  ['path:/^a b$/', field('path', { type: 'regex', source: '^a b$', flags: '' })],
  ['/var/log', word('/var/log')],
  ['/var/log/messages', word('/var/log/messages')],
  ['path:/api/users', equal('path', '/api/users')],
  ['ORDER', word('order')],
  ['(a)', word('a')],
];

t.test('texts become trees', async (t) => {
  for (const [text, tree] of TREES) t.strictSame(parseExpression(text), tree, text);
});

const FAULTS: readonly [text: string, position: number, message: RegExp][] = [
  ['a "b', 2, /not closed/],
  ['(a', 0, /not closed/],
  ['a)', 1, /closes nothing/],
  ['a OR', 4, /missing at the end/],
  ['OR a', 0, /nothing before it/],
  ['a AND OR b', 6, /nothing before it/],
  ['()', 1, /missing before/],
  ['NOT', 3, /missing at the end/],
  ['a Error: b', 8, /value is missing behind "Error:"/],
  ['a ""', 2, /nothing between the quotes/],
  ['*fused', 0, /at the end of a word/],
  ['re*ed', 0, /at the end of a word/],
  ['size:>big', 6, /takes a number, not "big"/],
  ['a /b(/', 2, /regular expression is not valid/],
  ['/a/g', 0, /followed by "i" only/],
  ['(((((((((((((((((((((((((((((((((a', 32, /at most 32 deep/],
  [Array.from({ length: 257 }, (_, i) => `w${i}`).join(' '), 1170, /at most 256/],
  ['a'.repeat(9000), 8192, /at most 8192/],
];

t.test('faults say where they are', async (t) => {
  for (const [text, position, message] of FAULTS) {
    const error = t.throws(() => parseExpression(text), { message }, text) as unknown as QueryError;
    t.ok(error instanceof QueryError);
    t.equal(error.position, position, text);
  }
});

t.test('a filter is a value of its field', async (t) => {
  t.strictSame(
    fieldFilter('source', 'a OR "b"*'),
    field('source', { type: 'glob', parts: ['a or "b"', ''] }),
  );
  t.strictSame(fieldFilter('level', 'err'), equal('level', 'ERROR'));
});

const text = fc
  .oneof(
    fc.string({ minLength: 1 }),
    fc.string({ unit: 'grapheme', minLength: 1 }),
    fc.stringMatching(/^[a-z_]+$/),
  )
  .map(fold)
  .filter((each) => each.isWellFormed());
const textTest = fc.record({ type: fc.constant('text' as const), text, prefix: fc.boolean() });
const regexTest = fc.record({
  type: fc.constant('regex' as const),
  source: fc.constantFrom('a+b', '\\/x\\s', '[/]y', '^z$'),
  flags: fc.constantFrom('' as const, 'i' as const),
});
const name = fc.constantFrom('host', 'a.b', '@x', 'metadata.userId', 'été');
const fieldTest: fc.Arbitrary<FieldTest> = fc.oneof(
  fc.record({ type: fc.constant('equal' as const), text }),
  fc.record({ type: fc.constant('exists' as const) }),
  fc.record({
    type: fc.constant('compare' as const),
    operator: fc.constantFrom('<' as const, '<=' as const, '>' as const, '>=' as const),
    number: fc
      .oneof(fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }))
      .map((each) => each + 0),
  }),
  fc
    .tuple(fc.option(text, { nil: '' }), fc.array(text, { maxLength: 2 }), fc.option(text, { nil: '' }))
    .map(([first, middle, last]) => [first, ...middle, last])
    .filter((parts) => parts.some((part) => part !== ''))
    .map((parts) => ({ type: 'glob' as const, parts })),
  regexTest,
);

const { expression } = fc.letrec<{ expression: Expression }>((tie) => ({
  expression: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    textTest,
    regexTest,
    fc.record({ type: fc.constant('field' as const), field: name, test: fieldTest }),
    fc.record({ type: fc.constant('not' as const), of: tie('expression') }),
    fc.record({
      type: fc.constantFrom('and' as const, 'or' as const),
      of: fc.array(tie('expression'), { minLength: 1, maxLength: 3 }),
    }) as fc.Arbitrary<Expression>,
  ),
}));

t.test('what is written down means the same', async () => {
  fc.assert(
    fc.property(expression, (tree) => {
      const one = normalized(tree);
      const again = parseExpression(expressionText(one));
      return JSON.stringify(again) === JSON.stringify(one);
    }),
    { numRuns: 2000 },
  );
});

t.test('no text does more than be refused', async () => {
  const piece = fc.constantFrom(
    'a',
    '"',
    '(',
    ')',
    ' OR ',
    ' ',
    '-',
    'NOT ',
    'f:',
    '*',
    '/',
    '>',
    '\\',
    'é',
    '1',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const typed = pieces.join('');
      try {
        const one = parseExpression(typed);
        return JSON.stringify(normalized(one)) === JSON.stringify(one);
      } catch (error) {
        return error instanceof QueryError && error.position! >= 0 && error.position! <= typed.length;
      }
    }),
    { numRuns: 5000 },
  );
});
