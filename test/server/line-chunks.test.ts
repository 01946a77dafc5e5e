import t from 'tap';
import { takenBytes } from '../../src/server/buffer-pool.ts';
import { ByteBudget } from '../../src/server/byte-budget.ts';
import { CHUNK_BYTES, LineChunks } from '../../src/server/line-chunks.ts';

const MIB = 1024 * 1024;

/** The chunks of a body that comes in pieces of the given sizes, in turns. */
function chunksOf(body: Buffer, sizes: readonly number[], maxLineBytes = 8 * MIB): string[] {
  const budget = new ByteBudget(64 * MIB);
  const chunks = new LineChunks(maxLineBytes, budget);
  const found: string[] = [];
  const drain = () => {
    for (let chunk = chunks.next(); chunk !== undefined; chunk = chunks.next())
      found.push(chunk.toString('latin1'));
  };
  for (let at = 0, i = 0; at < body.length; i++) {
    const piece = body.subarray(at, at + sizes[i % sizes.length]!);
    for (let taken = 0; taken < piece.length; drain()) taken = chunks.fill(piece, taken);
    at += piece.length;
  }
  const rest = chunks.rest();
  if (rest !== undefined) found.push(rest.toString('latin1'));
  chunks.close();
  if (budget.used !== 0) throw new Error('memory is not given back');
  return found;
}

const lines = (count: number, length: number) =>
  Array.from({ length: count }, (_, n) => `${n} `.padEnd(length, 'x')).join('\n');

t.test('chunks are whole lines, cut alike however the bytes come', async (t) => {
  const bodies = {
    'short lines': Buffer.from(`${lines(50_000, 60)}\n`),
    'no newline at the end': Buffer.from(lines(50_000, 60)),
    'nothing but newlines': Buffer.alloc(3 * MIB, '\n'),
    'a long line in between': Buffer.from(
      `${lines(100, 60)}\n${'y'.repeat(3 * MIB)}\n${lines(20_000, 60)}\n`,
    ),
    'a line of exactly a chunk': Buffer.from(`${'z'.repeat(CHUNK_BYTES - 1)}\n${'z'.repeat(CHUNK_BYTES)}\nx`),
  };
  for (const [name, body] of Object.entries(bodies)) {
    const whole = chunksOf(body, [body.length]);
    t.ok(Buffer.from(whole.join(''), 'latin1').equals(body), `${name}: all of it`);
    for (const chunk of whole.slice(0, -1)) t.ok(chunk.endsWith('\n'), `${name}: ends with a line`);
    for (const chunk of whole)
      t.ok(chunk.length <= CHUNK_BYTES || chunk.indexOf('\n') >= chunk.length - 1, `${name}: is small`);
    for (const sizes of [[64 * 1024], [1000, 1, 77_777], [CHUNK_BYTES + 1], [3, 2 * MIB]])
      t.same(chunksOf(body, sizes), whole, `${name} in pieces of ${sizes}`);
  }
  t.same(chunksOf(Buffer.from('a'), [1]), ['a']);
  t.same(chunksOf(Buffer.alloc(0), [1]), []);
});

t.test('a line that is too long is passed over in its place', async (t) => {
  const long = 'y'.repeat(3 * MIB);
  const bodies: [body: string, chunks: string[]][] = [
    [`a\n${long}\nb\n`, ['a\n', 'too long', 'b\n']],
    [`${long}\n${long}\n`, ['too long', 'too long']],
    [`${long}${long}${long}${long}`, ['too long']],
    [`a\n${long}`, ['a\n', 'too long']],
    [`${'y'.repeat(2 * MIB - 1)}\n${'y'.repeat(2 * MIB)}\n`, [`${'y'.repeat(2 * MIB - 1)}\n`, 'too long']],
  ];
  for (const [body, chunks] of bodies) {
    for (const sizes of [[64 * 1024], [body.length], [CHUNK_BYTES - 1, 5]])
      t.same(chunksOf(Buffer.from(body), sizes, 2 * MIB), chunks, `in pieces of ${sizes}`);
  }
});

t.test('memory is asked for before it is taken, and given back once', async (t) => {
  const before = takenBytes();
  const budget = new ByteBudget(512 * 1024);
  const chunks = new LineChunks(8 * MIB, budget);
  const piece = Buffer.alloc(64 * 1024, 'x');
  t.throws(
    () => {
      for (;;) {
        chunks.fill(piece, 0);
        chunks.next();
      }
    },
    { code: 'overloaded' },
  );
  t.ok(budget.used <= 512 * 1024);
  chunks.close();
  chunks.close();
  t.equal(budget.used, 0);
  t.equal(takenBytes(), before);
});
