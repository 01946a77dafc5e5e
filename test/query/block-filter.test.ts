/** Which blocks may hold events that pass an expression, and which knowledge tells the others apart. */
import t from 'tap';
import { filterBlocks } from '../../src/query/block-filter.ts';
import { expressionOf } from '../../src/query/log-query.ts';
import { SearchIndex } from '../../src/query/search-index.ts';
import { BLOCK_BYTES, SearchIndexBuilder } from '../../src/query/search-index-builder.ts';
import { segmentBatches } from '../helpers/event-segment.ts';

const T = Date.parse('2025-11-26T00:00:00Z');
const FILLER = 'x'.repeat(BLOCK_BYTES);

type Given = [source: string, level: string | undefined, message?: string];

/** An index of a segment with a block for each list, an hour after the one before. */
function indexOf(blocks: readonly (readonly Given[])[], fields = ['source', 'level']): SearchIndex {
  const builder = new SearchIndexBuilder({ fields, falsePositiveRate: 1e-6 });
  const batches = segmentBatches(
    blocks.map((events, i) => ({
      records: [...events, ['filler', undefined, FILLER] as Given].map(([source, level, message = '']) => ({
        timestamp: T + i * 3_600_000,
        value: JSON.stringify({ source, level, message, user: `${source}-user` }),
      })),
    })),
  );
  for (const { bytes, position } of batches) builder.add(bytes, 0, position);
  const { content, counts, pages } = builder.finish();
  return new SearchIndex(content, {
    readCounts: async () => counts,
    readPage: (page) => pages[page]!,
    bytes: 0,
  });
}

async function blocksOf(
  index: SearchIndex,
  asked: { q?: string; source?: string; level?: string },
  from = T,
  until = T + 100 * 3_600_000,
) {
  const { blocks, pruned } = await filterBlocks(index, expressionOf({ topic: 'a', ...asked }), from, until);
  return { blocks: [...blocks], pruned };
}

const NONE = { time: 0, source: 0, level: 0, fields: 0, text: 0 };

t.test('by time, then by source, by level and by words', async (t) => {
  const index = indexOf([
    [['a', 'INFO', 'one two']],
    [['b', 'ERROR', 'two']],
    [['a', 'ERROR', 'three']],
    [['a', 'ERROR', 'two']],
  ]);
  t.same(await blocksOf(index, {}), { blocks: [0, 1, 2, 3], pruned: NONE });
  t.same(await blocksOf(index, {}, T + 1), { blocks: [1, 2, 3], pruned: { ...NONE, time: 1 } });
  t.same(await blocksOf(index, { source: 'a' }), { blocks: [0, 2, 3], pruned: { ...NONE, source: 1 } });
  t.same(await blocksOf(index, { source: 'a', level: 'error', q: 'two' }), {
    blocks: [3],
    pruned: { ...NONE, source: 1, level: 1, text: 1 },
  });
  t.same(await blocksOf(index, { q: 'user:b-user' }), { blocks: [1], pruned: { ...NONE, text: 3 } });
});

t.test('a negation leaves out only blocks of which all events have it', async (t) => {
  const index = indexOf([[['filler', 'INFO']], [['b', 'INFO']]]);
  t.same((await blocksOf(index, { q: '-source:filler' })).blocks, [1]);
  t.same((await blocksOf(index, { q: '-level:INFO' })).blocks, [0, 1], 'those without a level are not of it');
  t.same((await blocksOf(index, { q: '-x' })).blocks, [0, 1], 'of words nothing is known of all events');
});

t.test('a block with the level and the source, but of no one event, is left out', async (t) => {
  const index = indexOf([
    [
      ['a', 'ERROR'],
      ['b', 'INFO'],
    ],
    [
      ['a', 'info'],
      ['B', 'err'],
    ],
    [
      ['a', 'WARN'],
      ['b', 'DEBUG'],
    ],
  ]);
  t.same(await blocksOf(index, { source: 'b', level: 'ERROR' }), {
    blocks: [1],
    pruned: { ...NONE, level: 2 },
  });
  t.same((await blocksOf(index, { source: 'a,b', level: 'ERROR' })).blocks, [0, 1]);
  t.same((await blocksOf(index, { source: 'a', level: 'WARN,INFO' })).blocks, [1, 2]);
  t.same((await blocksOf(index, { q: 'source:a level:ERROR OR source:b level:DEBUG' })).blocks, [0, 2]);
  t.same((await blocksOf(index, { q: 'source:b -level:ERROR' })).blocks, [0, 1, 2]);
  t.same((await blocksOf(index, { q: '-(source:b level:ERROR)' })).blocks, [0, 1, 2]);
  t.same((await blocksOf(index, { source: 'b*', level: 'ERROR' })).blocks, [0, 1], 'of no one source');
});

t.test('an index that knows nothing of pairs leaves nothing out by them', async (t) => {
  const events: Given[] = [
    ['a', 'ERROR'],
    ['b', 'INFO'],
  ];
  t.same((await blocksOf(indexOf([events]), { source: 'b', level: 'ERROR' })).blocks, []);
  t.same((await blocksOf(indexOf([events], ['source']), { source: 'b', level: 'ERROR' })).blocks, [0]);
});
