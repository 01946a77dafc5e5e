import fc from 'fast-check';
import t from 'tap';
import { murmur2, partitionForKey, StickyRoundRobin } from '../../../src/engine/commit/partitioner.ts';

t.test('murmur2 hashes as Kafka’s UtilsTest.testMurmur2 says', async (t) => {
  const published: [string, number][] = [
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
    ['', 275646681],
  ];
  for (const [key, hash] of published) t.equal(murmur2(Buffer.from(key)), hash, `"${key}"`);
  t.equal(murmur2(Buffer.from([12, 42, 56, 24, 109, 111])), 274204207);
});

t.test('a key’s partition is the hash without its sign, modulo the count', async (t) => {
  t.equal(partitionForKey('foobar', 1_000_000), 1357151166 % 1_000_000);
  t.equal(partitionForKey(Buffer.from('21'), 12), 1173551340 % 12);
  t.equal(partitionForKey('abc', 7), 479470107 % 7);
  t.equal(partitionForKey('anything', 1), 0);
});

t.test('text and its bytes go to the same partition, which exists', async () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary', maxLength: 2000 }),
      fc.integer({ min: 1, max: 256 }),
      (key, count) => {
        const partition = partitionForKey(key, count);
        return partition === partitionForKey(new Uint8Array(Buffer.from(key)), count) && partition < count;
      },
    ),
  );
});

t.test('long keys are hashed whole', async (t) => {
  for (const key of ['x'.repeat(1365), 'x'.repeat(1366), '漢'.repeat(1365), '漢'.repeat(100_000)]) {
    t.equal(partitionForKey(key, 1009), partitionForKey(Buffer.from(key), 1009));
  }
});

t.test('appends without a key take turns, also when partitions are added', async (t) => {
  const turns = new StickyRoundRobin();
  t.same(
    [3, 3, 3, 3, 3, 5, 5, 5, 5, 2, 2].map((partitions) => turns.next(partitions)),
    [0, 1, 2, 0, 1, 2, 3, 4, 0, 1, 0],
  );
});
