/** Units of a segment: what is wanted first is small, no block is left out, and none is read twice. */
import t from 'tap';
import type { SearchSegment } from '../../src/engine/index.ts';
import { BlockSet } from '../../src/query/block-set.ts';
import { unindexedUnit, unitsOf } from '../../src/query/plan.ts';
import type { BlockTable } from '../../src/query/search-index.ts';

const MIB = 1024 * 1024;
const SEGMENT: SearchSegment = {
  id: 1,
  path: 'p',
  searchPath: 's',
  baseOffset: 0,
  endOffset: 1000,
  bytes: 100_064,
  records: 1000,
  minTimestamp: 0,
  maxTimestamp: 1000,
  sealed: true,
};

/** Of ten offsets and of ten ms each, with so many bytes once decompressed. */
function table(bytes: readonly number[]): BlockTable {
  const column = (of: (i: number) => number, more = 0) =>
    Float64Array.from({ length: bytes.length + more }, (_, i) => of(i));
  return {
    count: bytes.length,
    positions: column((i) => 64 + i * 1000, 1),
    offsets: column((i) => i * 10, 1),
    events: column(() => 10),
    bytes: Float64Array.from(bytes),
    minTimes: column((i) => i * 10),
    maxTimes: column((i) => i * 10 + 9),
  };
}

function units(bytes: readonly number[], order?: 'asc' | 'desc', blocks = BlockSet.all(bytes.length)) {
  const otherTimes = BlockSet.of(bytes.length, (block) => block === 1);
  return unitsOf({ partition: 3, segment: SEGMENT, table: table(bytes), blocks, otherTimes }, order);
}

t.test('the first units are small, and each block is in one of them', async (t) => {
  for (const order of ['asc', 'desc'] as const) {
    const made = units(new Array(200).fill(1000), order);
    const sizes = made.map(({ ranges }) => ranges.length);
    t.same(sizes.slice(0, 8), [1, 1, 2, 2, 4, 4, 8, 8]);
    t.ok(Math.max(...sizes) <= 32);
    const positions = made.flatMap(({ ranges }) => ranges.map(({ position }) => position));
    t.same(
      positions.toSorted((a, b) => a - b),
      Array.from({ length: 200 }, (_, i) => 64 + i * 1000),
    );
    const [first, second] = made;
    t.ok(order === 'asc' ? first!.maxTime < second!.minTime : first!.minTime > second!.maxTime);
  }
});

t.test('for counting they are as large as may be: so many blocks, or so many bytes', async (t) => {
  t.same(
    units(new Array(70).fill(1000)).map(({ ranges }) => ranges.length),
    [32, 32, 6],
  );
  t.same(
    units([5 * MIB, 5 * MIB, 2 * MIB, 9 * MIB, MIB]).map(({ ranges }) => ranges.length),
    [1, 2, 1, 1],
  );
});

t.test(
  'a unit tells the offsets and times of its blocks, and whether records have the times of events',
  async (t) => {
    const [unit, ...others] = units(
      [1, 1, 1, 1],
      undefined,
      BlockSet.of(4, (block) => block !== 0),
    );
    t.same(others, []);
    t.match(unit, {
      partition: 3,
      firstOffset: 10,
      endOffset: 40,
      minTime: 10,
      maxTime: 39,
      recordTimes: false,
    });
    t.same(unit!.ranges[0], { position: 1064, end: 2064 });
    t.equal(
      units(
        [1, 1, 1, 1],
        undefined,
        BlockSet.of(4, (block) => block > 1),
      )[0]!.recordTimes,
      true,
    );
    t.same(units([1, 1], undefined, BlockSet.none(2)), []);
  },
);

t.test('of a segment without an index all is one unit', async (t) => {
  t.match(unindexedUnit(2, SEGMENT), {
    ranges: [{ position: 64, end: 100_064 }],
    firstOffset: 0,
    endOffset: 1000,
    minTime: Number.NEGATIVE_INFINITY,
    maxTime: Number.POSITIVE_INFINITY,
    settled: true,
  });
  t.equal(unindexedUnit(2, { ...SEGMENT, sealed: false }).settled, false);
});
