import { setImmediate as turn } from 'node:timers/promises';
import t from 'tap';
import { ReadPace } from '../../../src/engine/files/read-pace.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

t.beforeEach(async () => {
  await turn();
});

/** How many reads go to the pool before the next one is done at once. */
async function aside(pace: ReadPace): Promise<number> {
  for (let count = 0; ; count++) {
    if (pace.atOnce(KIB)) return count;
    if (count % 100 === 0) await turn();
  }
}

t.test('quick reads are done at once', async (t) => {
  const pace = new ReadPace();
  for (let i = 0; i < 100; i++) {
    t.ok(pace.atOnce(KIB));
    pace.took(0.02);
  }
});

t.test(
  'a slow one sends the next ones to the pool, more of them each time that the disk is met again',
  async (t) => {
    const pace = new ReadPace();
    const seen: number[] = [];
    for (let i = 0; i < 11; i++) {
      seen.push(await aside(pace));
      pace.took(5);
    }
    t.same(seen, [0, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 4096]);
    for (let i = 0; i < 20; i++) {
      await aside(pace);
      pace.took(0.02);
    }
    t.ok(pace.atOnce(KIB));
    pace.took(5);
    t.equal(await aside(pace), 16, 'quick ones are forgiven the past');
  },
);

t.test('what is read at once in one turn of the event loop is bounded, over all files', async (t) => {
  const [first, second] = [new ReadPace(), new ReadPace()];
  t.notOk(first.atOnce(MIB + 1), 'much is for the pool');
  for (let i = 0; i < 4; i++) t.ok(first.atOnce(MIB));
  t.notOk(first.atOnce(KIB));
  t.notOk(second.atOnce(KIB));
  await turn();
  t.ok(first.atOnce(KIB));
  t.ok(second.atOnce(KIB));
});
