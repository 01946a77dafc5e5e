/** What a server uses, over all of its processes, and where its program is. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import {
  diskBytes,
  findDirectory,
  findProgram,
  parseStat,
  withDescendants,
} from '../../../bench/peers/server-process.ts';

t.test('a process whose name has spaces and parentheses is understood', async (t) => {
  const text = `77 (a) b (c) S 12 77 77 0 -1 4194560 1 2 3 4 100 20 3 4 20 0 1 0 5 6 7`;
  t.same(parseStat(text), { pid: 77, parent: 12, cpuTicks: 127 });
});

t.test('the processes that a server has started are its own, and nobody else', async (t) => {
  const stat = (pid: number, parent: number) => ({ pid, parent, cpuTicks: 1 });
  const stats = [stat(4, 3), stat(1, 0), stat(2, 1), stat(3, 2), stat(5, 1), stat(6, 5)];
  t.same(
    withDescendants(2, stats).map(({ pid }) => pid),
    [2, 3, 4],
  );
  t.same(withDescendants(7, stats), []);
});

t.test('all files below a directory count', async (t) => {
  const directory = t.testdir({ a: '', sub: { b: '' } });
  const before = diskBytes(directory);
  writeFileSync(join(directory, 'sub', 'b'), Buffer.alloc(100_000, 1));
  const grown = diskBytes(directory) - before;
  t.ok(grown >= 100_000 && grown < 200_000, `${grown}`);
});

t.test('programs are found where all of them are, or they are not', async (t) => {
  const directory = t.testdir({
    some: { 'seglog-rival': '' },
    all: { 'seglog-rival': '', 'seglog-tool': '' },
  });
  const [some, all] = [join(directory, 'some'), join(directory, 'all')];
  t.equal(findDirectory(['seglog-rival', 'seglog-tool'], [some, all]), all);
  t.equal(findDirectory(['seglog-rival'], [some, all]), some);
  t.equal(findProgram('seglog-rival'), undefined);
});
