/** Sets of blocks, compared with sets of numbers. */
import fc from 'fast-check';
import t from 'tap';
import { BlockSet } from '../../src/query/block-set.ts';

const BLOCKS = 70;
const members = fc.uniqueArray(fc.nat(BLOCKS - 1));
const setOf = (numbers: readonly number[]) => BlockSet.of(BLOCKS, (block) => numbers.includes(block));
const sorted = (numbers: Iterable<number>) => [...numbers].sort((a, b) => a - b);

t.test('a set has what was put into it', async (t) => {
  fc.assert(
    fc.property(members, members, fc.nat(BLOCKS), fc.nat(BLOCKS), (a, b, from, end) => {
      const set = setOf(a);
      t.same([...set], sorted(a));
      t.equal(set.size, a.length);
      t.equal(set.isEmpty, a.length === 0);
      t.same([...set.and(setOf(b))], sorted(a.filter((each) => b.includes(each))));
      t.same([...set.or(setOf(b))], sorted(new Set([...a, ...b])));
      t.equal(
        set.hasAnyOf(from, end),
        a.some((each) => from <= each && each < end),
      );
      const fromRuns = [...set.runs()].flatMap(({ from, end }) =>
        sorted(Array(end - from).keys()).map((i) => from + i),
      );
      t.same(fromRuns, sorted(a));
    }),
    { numRuns: 50 },
  );
});

t.test('all and none', async (t) => {
  for (const blocks of [0, 1, 31, 32, 33, 64]) {
    t.equal(BlockSet.all(blocks).size, blocks);
    t.equal(BlockSet.none(blocks).size, 0);
    t.same([...BlockSet.all(blocks).runs()], blocks === 0 ? [] : [{ from: 0, end: blocks }]);
  }
});
