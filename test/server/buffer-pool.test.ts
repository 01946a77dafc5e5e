import t from 'tap';
import { giveBuffer, poolMemory, takeBuffer, takenBytes } from '../../src/server/buffer-pool.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

const isPooled = ({ buffer }: Buffer) => buffer === poolMemory.buffer;

t.test('buffers are as large as asked for, and never overlap', async (t) => {
  const taken = [1, 64 * KIB, 64 * KIB + 1, MIB, 3 * MIB].map((bytes, i) => {
    const buffer = takeBuffer(bytes);
    t.ok(buffer.length >= bytes && isPooled(buffer));
    return buffer.fill(i);
  });
  taken.forEach((buffer, i) => {
    t.ok(buffer.every((byte) => byte === i));
  });
  for (const buffer of taken) giveBuffer(buffer);
  t.equal(takenBytes(), 0);
});

t.test('what was given back is taken again, the lowest first', async (t) => {
  const [first, second, third] = [takeBuffer(MIB), takeBuffer(64 * KIB), takeBuffer(MIB)];
  giveBuffer(first.subarray(0, 10));
  const [small, large] = [takeBuffer(512 * KIB), takeBuffer(600 * KIB)];
  t.equal(small.byteOffset, first.byteOffset);
  t.ok(large.byteOffset > third.byteOffset, 'the rest of the gap is too small for it');
  t.equal(takeBuffer(512 * KIB).byteOffset, first.byteOffset + 512 * KIB);
  for (const buffer of [small, second, third, large]) giveBuffer(buffer);
  giveBuffer(poolMemoryAt(first.byteOffset + 512 * KIB));
  t.equal(takenBytes(), 0);
});

const poolMemoryAt = (position: number) => Buffer.from(poolMemory.buffer, position, 1);

t.test('beyond the pool, and for what is very large, there are ordinary buffers', async (t) => {
  const large = takeBuffer(9 * MIB);
  t.ok(!isPooled(large) && large.length === 9 * MIB);
  giveBuffer(large);
  const all: Buffer[] = [];
  for (let buffer = takeBuffer(8 * MIB); isPooled(buffer); buffer = takeBuffer(8 * MIB)) all.push(buffer);
  t.equal(takenBytes(), all.length * 8 * MIB);
  t.notOk(isPooled(takeBuffer(1)));
  giveBuffer(all.pop()!);
  const again = takeBuffer(1);
  t.ok(isPooled(again));
  for (const buffer of [...all, again]) giveBuffer(buffer);
  t.throws(() => giveBuffer(again), { name: 'AssertionError' }, 'twice is a mistake of ours');
  t.equal(takenBytes(), 0);
});
