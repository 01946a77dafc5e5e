/** A window over a file: the right bytes, whatever is asked for in whatever order, and no read without need. */
import t from 'tap';
import type { FileHandle } from '../../../src/engine/files/file-system.ts';
import { FileWindow } from '../../../src/engine/files/file-window.ts';
import { Random } from '../../crash/sim/random.ts';

const MIB = 1024 * 1024;

function fileOf(content: Buffer) {
  const reads: [position: number, length: number][] = [];
  const file = {
    read: async (buffer: Buffer, offset: number, length: number, position: number) => {
      reads.push([position, length]);
      return content.copy(buffer, offset, position, position + length);
    },
  };
  return { file: file as unknown as FileHandle, reads };
}

t.test('moves over a file in large reads, and keeps what it has', async (t) => {
  const content = new Random(1).bytes(3 * MIB + 100);
  const { file, reads } = fileOf(content);
  const window = new FileWindow(file, content.length);
  for (let position = 0; position < content.length; position += 1000) {
    const at = await window.load(position, 1500);
    const length = Math.min(1500, content.length - position);
    if (!window.bytes.subarray(at, at + length).equals(content.subarray(position, position + length)))
      t.fail(`at ${position}`);
  }
  t.equal(reads.length, 4);
  t.equal(
    reads.reduce((sum, [, length]) => sum + length, 0),
    content.length,
    'no byte is read twice',
  );
  t.equal(window.find(content.length - 10, 10), window.bytes.length - 10);
  t.equal(window.find(0, 1), -1);
});

t.test('at any places, in any order', async (t) => {
  const content = new Random(2).bytes(4 * MIB);
  const { file } = fileOf(content);
  const end = content.length - 5;
  const window = new FileWindow(file, end);
  const random = new Random(3);
  for (let i = 0; i < 300; i++) {
    const position = random.below(end);
    const length = 1 + random.below(2 * MIB);
    const at = await window.load(position, length);
    const expected = content.subarray(position, Math.min(position + length, end));
    if (!window.bytes.subarray(at, at + expected.length).equals(expected)) t.fail(`${length} at ${position}`);
  }
  t.ok(window.bytes.length <= 2 * MIB);
});

t.test('a file that is shorter than was said ends where it ends', async (t) => {
  const { file } = fileOf(Buffer.alloc(1000, 7));
  const window = new FileWindow(file, 5000);
  const at = await window.load(900, 200);
  t.equal(window.end, 1000);
  t.equal(window.bytes.length - at, 100);
  t.equal(window.find(900, 200), at);
  t.ok((await window.load(2000, 10)) >= window.bytes.length, 'nothing lies behind');
  t.equal(window.end, 1000);
});
