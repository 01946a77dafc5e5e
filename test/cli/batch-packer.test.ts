import { decode } from '@msgpack/msgpack';
import t from 'tap';
import { RecordPacker, TextPacker } from '../../src/cli/batch-packer.ts';

t.test('plain lines are taken as they stand, in batches of whole lines', async (t) => {
  const packer = new TextPacker();
  packer.push(Buffer.from('a\nbb\n'));
  packer.push(Buffer.from('ccc\n'));
  t.equal(packer.gatheredBytes, 9);
  const first = packer.take(5)!;
  t.equal(first.body().toString(), 'a\nbb\n');
  t.match(first, { firstLine: 1, lastLine: 2, inputBytes: 5, contentType: 'text/plain' });
  const second = packer.take(5)!;
  t.equal(second.body().toString(), 'ccc\n');
  t.match(second, { firstLine: 3, lastLine: 3 });
  t.equal(packer.take(5), undefined);
  t.equal(packer.gatheredBytes, 0);
});

t.test('a line longer than the limit is a batch of its own', async (t) => {
  const packer = new TextPacker();
  packer.push(Buffer.from('a\nlonger than that\nb\n'));
  const bodies = [packer.take(4), packer.take(4), packer.take(4)].map((batch) => batch!.body().toString());
  t.same(bodies, ['a\n', 'longer than that\n', 'b\n']);
});

t.test('a batch of plain lines splits between lines until one is left', async (t) => {
  const packer = new TextPacker();
  packer.push(Buffer.from('a\nbb\nccc\n'));
  const [first, second] = packer.take(100)!.split()!;
  t.equal(first.body().toString() + second.body().toString(), 'a\nbb\nccc\n');
  t.equal(second.firstLine, first.lastLine + 1);
  packer.push(Buffer.from('alone\n'));
  t.equal(packer.take(100)!.split(), undefined);
});

t.test('parsed lines keep their numbers, and refused ones are reported and left out', async (t) => {
  const rejected: string[] = [];
  const packer = new RecordPacker(
    (line) => {
      if (line.length === 0) throw new Error('it is empty');
      return { value: line };
    },
    (line, error) => void rejected.push(`${line}: ${error.message}`),
  );
  packer.push(Buffer.from('a\n\nb\nc\n'));
  t.same(rejected, ['2: it is empty']);
  t.equal(packer.gatheredBytes, 6);
  const batch = packer.take(4)!;
  t.match(batch, { firstLine: 1, lastLine: 3, inputBytes: 4, contentType: 'application/msgpack' });
  t.same(decode(batch.body()), {
    records: [{ value: new Uint8Array([97]) }, { value: new Uint8Array([98]) }],
  });
  const [first, second] = batch.split()!;
  t.equal(first.lastLine, 1);
  t.equal(second.firstLine, 3);
  t.equal(second.split(), undefined);
  t.match(packer.take(4), { firstLine: 4, lastLine: 4 });
  t.equal(packer.take(4), undefined);
});
