/** The filter of words: it misses nothing, and is wrong as seldom as it says. */
import t from 'tap';
import { BlockSet } from '../../src/query/block-set.ts';
import { giveKernel, takeKernel } from '../../src/query/token-kernel.ts';
import { type Token, wordToken } from '../../src/query/tokens.ts';
import { blocksWithTokens, MAX_SLICE_BLOCKS, PAGE_BYTES, pageLengths } from '../../src/query/word-filter.ts';
import { bitsPerToken, WordSliceBuilder } from '../../src/query/word-filter-builder.ts';
import { Random } from '../crash/sim/random.ts';

/** A filter of blocks with these tokens. */
function filterOf(blocks: readonly Iterable<Token>[], rate: number) {
  const kernel = takeKernel();
  const builder = new WordSliceBuilder(kernel);
  const built = [];
  for (const tokens of blocks) {
    if (builder.isFull) built.push(builder.finish(rate));
    builder.beginBlock();
    for (const token of tokens) kernel.add(token);
  }
  built.push(builder.finish(rate));
  giveKernel(kernel);
  const slices = built.map(({ slice }) => slice);
  const pages = built.flatMap((each) => each.pages);
  const find = (tokens: readonly Token[], within = BlockSet.all(blocks.length)) =>
    blocksWithTokens(slices, (page) => pages[page]!, tokens, within);
  return { slices, pages, built, find };
}

/** Some words are in all blocks, some in many, most in one. */
function randomBlocks(random: Random, count: number, wordsOfBlock: number): Set<Token>[] {
  return Array.from({ length: count }, (_, block) => {
    const tokens = new Set<Token>();
    for (let i = 0; i < wordsOfBlock; i++) {
      const shared = Math.floor(wordsOfBlock ** (random.below(1000) / 1000));
      tokens.add(wordToken(random.chance(0.5) ? `shared${shared}` : `own${block}x${i}`));
    }
    return tokens;
  });
}

t.test('no block is missed, and others are named as seldom as was asked for', async (t) => {
  const random = new Random(1);
  for (const [blocks, words, rate] of [
    [1, 10, 0.01],
    [1, 5000, 0.01],
    [2, 3, 0.01],
    [40, 800, 0.01],
    [40, 800, 0.001],
    [MAX_SLICE_BLOCKS, 300, 0.05],
    [2 * MAX_SLICE_BLOCKS + 3, 200, 0.01],
  ] as const) {
    const given = randomBlocks(random, blocks, words);
    const { slices, pages, find } = filterOf(given, rate);
    t.same(
      slices.flatMap(pageLengths),
      pages.map(({ length }) => length),
      'pages are as long as the slice says',
    );
    t.ok(pages.every(({ length }) => length <= PAGE_BYTES));
    for (const token of new Set(given.flatMap((tokens) => [...tokens]))) {
      const found = await find([token]);
      if (given.some((tokens, block) => tokens.has(token) && !found.has(block))) t.fail(`${token} is missed`);
    }
    let wrong = 0;
    const absent = 2000;
    for (let i = 0; i < absent; i++) wrong += (await find([wordToken(`absent${i}`)])).size;
    const measured = wrong / absent / blocks;
    t.ok(measured < rate * 1.25 + 0.002, `${blocks} blocks of ${words}: ${measured} for ${rate}`);
  }
});

t.test('what is in many blocks is answered exactly', async (t) => {
  const given = randomBlocks(new Random(2), 100, 500);
  const { find, slices } = filterOf(given, 0.01);
  const counts = new Map<Token, number>();
  for (const tokens of given) for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
  const frequent = [...counts].filter(([, count]) => count > (32 + 104) / bitsPerToken(0.01));
  t.equal(slices[0]!.exactTokens, frequent.length);
  for (const [token, count] of frequent) t.equal((await find([token])).size, count);
});

t.test('several tokens are looked for where the others are', async (t) => {
  const given = [['a', 'b'], ['a'], ['b'], ['a', 'b', 'c']].map((words) => words.map(wordToken));
  const { find } = filterOf(given, 0.0001);
  const of = async (words: string[], within?: BlockSet) => [...(await find(words.map(wordToken), within))];
  t.same(await of(['a', 'b']), [0, 3]);
  t.same(await of(['a', 'b', 'c']), [3]);
  t.same(await of(['d']), []);
  t.same(await of([]), [0, 1, 2, 3]);
  t.same(
    await of(
      ['a'],
      BlockSet.of(4, (block) => block > 0),
    ),
    [1, 3],
  );
});

t.test('blocks without words have none', async (t) => {
  const { find, pages } = filterOf([[], [], []], 0.01);
  t.equal(pages.length, 0);
  t.ok((await find([wordToken('a')])).isEmpty);
});

t.test('a block with too many words may hold any of them, and costs no more', async (t) => {
  function* many() {
    for (let i = 0; i < 300_000; i++) yield wordToken(`word${i}`);
  }
  const { built, find } = filterOf([[wordToken('a')], many(), [wordToken('b')]], 0.01);
  t.same([...built[0]!.opaque], [1]);
  t.same(
    [...(await find([wordToken('a')]))].filter((block) => block !== 1),
    [0],
  );
  t.ok(built[0]!.pages.reduce((sum, { length }) => sum + length, 0) < 1000);
});
