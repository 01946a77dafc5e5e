/** An outline rules a segment out only where no event of it can pass. */
import t from 'tap';
import { BlockSet } from '../../src/query/block-set.ts';
import { FieldDictionary } from '../../src/query/field-dictionary.ts';
import { outlineOf, outlineTest } from '../../src/query/index-outline.ts';
import { expressionOf } from '../../src/query/log-query.ts';

const none = BlockSet.none(1);

function dictionary(name: string, texts: (string | null)[], complete = true, mixed = none): FieldDictionary {
  const values = texts.map((text) => ({
    text,
    count: 1,
    firstTime: 0,
    lastTime: 0,
    blocks: BlockSet.all(1),
  }));
  return new FieldDictionary(name, complete, values, mixed);
}

const numbers = (...list: number[]) => Float64Array.from(list);

const OUTLINE = outlineOf({
  minTime: 100,
  maxTime: 200,
  blocks: {
    count: 1,
    positions: numbers(64, 500),
    offsets: numbers(0, 7),
    events: numbers(7),
    bytes: numbers(900),
    minTimes: numbers(100),
    maxTimes: numbers(200),
  },
  dictionaries: [
    dictionary('source', ['Api', 'db', null]),
    dictionary('level', ['INFO', 'WARN']),
    dictionary('user', ['7'], true, BlockSet.all(1)),
    dictionary('host', [], false),
    dictionary('zone', ['eu']),
    dictionary(
      'pod',
      Array.from({ length: 65 }, (_, i) => `pod-${i}`),
    ),
  ],
});

const ruledOutBy = (q: string, from = Number.NEGATIVE_INFINITY, until = Number.POSITIVE_INFINITY) =>
  outlineTest(expressionOf({ topic: 'a', q }), from, until)(OUTLINE);

t.test('what it says of the index', async (t) => {
  t.match(OUTLINE, { minTime: 100, maxTime: 200, blocks: 1, endPosition: 500, endOffset: 7 });
  t.same(
    [...OUTLINE.values.keys()],
    ['source', 'level', 'zone'],
    'of fields that it knows all of, and not too much',
  );
});

t.test('by time', async (t) => {
  t.equal(ruledOutBy('', 200), undefined);
  t.equal(ruledOutBy('', 201), 'time');
  t.equal(ruledOutBy('', 0, 101), undefined);
  t.equal(ruledOutBy('', 0, 100), 'time');
});

t.test('by the values of fields', async (t) => {
  t.equal(ruledOutBy('source:api'), undefined);
  t.equal(ruledOutBy('source:API'), undefined);
  t.equal(ruledOutBy('source:web'), 'source');
  t.equal(ruledOutBy('level:error'), 'level');
  t.equal(ruledOutBy('level:warning'), undefined);
  t.equal(ruledOutBy('zone:us'), 'fields');
  t.equal(ruledOutBy('source:db level:error'), 'level');
  t.equal(ruledOutBy('source:web OR source:db'), undefined);
  t.equal(ruledOutBy('source:web OR source:cache'), 'source');
  t.equal(ruledOutBy('source:web OR word'), undefined);
  t.equal(ruledOutBy('source:web word'), 'source');
});

t.test('where nothing is sure, nothing is ruled out', async (t) => {
  for (const q of [
    '-source:api',
    'source:w*',
    'source:*',
    'user:8',
    'host:a',
    'pod:x',
    'unknown:1',
    'message:web',
    '/web/',
  ])
    t.equal(ruledOutBy(q), undefined, q);
});
