/** Places of the journal's batches by partition: the same answers as a map of all of them would give. */
import t from 'tap';
import { BatchPlaces, JournaledBatches } from '../../../src/engine/recovery/journaled-batches.ts';
import { Random } from '../../crash/sim/random.ts';

interface Added {
  baseOffset: number;
  nextOffset: number;
  position: number;
}

/** Batches of several partitions, in the order of the journal; now and then one is written again. */
function journalOf(seed: number, partitions: number, count: number) {
  const random = new Random(seed);
  const places = new BatchPlaces();
  const owners = Array.from({ length: partitions }, () => ({ last: -1, batches: 0, added: [] as Added[] }));
  const ends = owners.map(() => random.below(50));
  for (let position = 0; position < count; position++) {
    const partition = random.below(partitions);
    const owner = owners[partition]!;
    if (random.chance(0.02)) ends[partition] = Math.max(0, ends[partition]! - random.below(8));
    const baseOffset = ends[partition]!;
    const nextOffset = baseOffset + 1 + random.below(4);
    ends[partition] = nextOffset + (random.chance(0.05) ? random.below(10) : 0);
    owner.last = places.add(baseOffset, nextOffset, 3, position, 100, owner.last);
    owner.batches++;
    owner.added.push({ baseOffset, nextOffset, position });
  }
  return { places, owners };
}

t.test('batches are found by their offsets; of two with the same one the later counts', async (t) => {
  for (let seed = 0; seed < 30; seed++) {
    const { places, owners } = journalOf(seed, 3, 4000);
    for (const { last, batches, added } of owners) {
      const found = new JournaledBatches(places, places.sorted(last, batches), async ({ file, position }) =>
        Buffer.from(`${file} ${position}`),
      );
      const expected = new Map(added.map((each) => [each.baseOffset, each]));
      const offsets = [...expected.keys()].sort((a, b) => a - b);
      t.equal(found.lastBaseOffset, offsets.at(-1));
      t.equal(found.endOffset, Math.max(...[...expected.values()].map(({ nextOffset }) => nextOffset)));
      for (let offset = 0; offset < offsets.at(-1)! + 5; offset += 7) {
        const batch = expected.get(offset);
        if (found.get(offset)?.nextOffset !== batch?.nextOffset) t.fail(`get ${offset}`);
        if (batch && String(await found.get(offset)!.read()) !== `3 ${batch.position}`)
          t.fail(`read ${offset}`);
        for (const end of [offset + 1, offset + 3, offset + 20, Number.POSITIVE_INFINITY]) {
          const first = offsets.find((each) => each >= offset && expected.get(each)!.nextOffset <= end);
          if (found.firstWithin(offset, end)?.baseOffset !== first)
            t.fail(`first within ${offset} to ${end}`);
          const any = offsets.some((each) => offset <= each && each < end);
          if (found.hasAny(offset, end) !== any) t.fail(`any in ${offset} to ${end}`);
        }
      }
    }
  }
});

t.test('no batches', async (t) => {
  const none = JournaledBatches.NONE;
  t.same([none.lastBaseOffset, none.endOffset], [0, 0]);
  t.equal(none.get(0), undefined);
  t.equal(none.firstWithin(0, Number.POSITIVE_INFINITY), undefined);
  t.equal(none.hasAny(0, Number.POSITIVE_INFINITY), false);
});
