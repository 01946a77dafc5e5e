import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { Pace } from '../../../src/engine/files/pace.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

t.beforeEach(async () => {
  await turn();
});

/** How many calls go to the pool before the next one is made at once. */
async function aside(pace: Pace): Promise<number> {
  for (let count = 0; ; count++) {
    if (pace.atOnce(KIB)) return count;
    if (count % 100 === 0) await turn();
  }
}

t.test('quick calls are made at once', async (t) => {
  const pace = new Pace(MIB);
  for (let i = 0; i < 100; i++) {
    t.ok(pace.atOnce(KIB));
    pace.took(0.02, KIB);
  }
});

t.test(
  'a slow one sends the next ones to the pool, more of them each time that the disk is met',
  async (t) => {
    const pace = new Pace(MIB);
    const seen: number[] = [];
    for (let i = 0; i < 11; i++) {
      seen.push(await aside(pace));
      pace.took(5, KIB);
    }
    t.same(seen, [0, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 4096]);
    for (let i = 0; i < 20; i++) {
      await aside(pace);
      pace.took(0.02, KIB);
    }
    t.ok(pace.atOnce(KIB));
    pace.took(5, KIB);
    t.equal(await aside(pace), 16, 'quick ones are forgiven the past');
  },
);

t.test('many bytes may take longer', async (t) => {
  const pace = new Pace(8 * MIB);
  t.ok(pace.atOnce(4 * MIB));
  pace.took(4, 4 * MIB);
  t.equal(await aside(pace), 0);
  pace.took(4, 2 * MIB);
  t.equal(await aside(pace), 16);
});

t.test('what is done at once in one turn of the event loop is bounded, over all files', async (t) => {
  const [first, second] = [new Pace(MIB), new Pace(MIB)];
  t.notOk(first.atOnce(MIB + 1), 'much is for the pool');
  for (let i = 0; i < 8; i++) t.ok(first.atOnce(MIB));
  t.notOk(first.atOnce(KIB));
  t.notOk(second.atOnce(KIB));
  await turn();
  t.ok(first.atOnce(KIB));
  t.ok(second.atOnce(KIB));
});
