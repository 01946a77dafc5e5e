/** The full check of a data directory at the end of a test that opened it. A test that damages one on purpose does without. */
import { join } from 'node:path';
import type { Test } from 'tap';
import { type FileSystem, nodeFileSystem, verifyDirectory } from '../../src/engine/index.ts';

/** Throws when there is damage in `directory`. Nobody may have it open any more. */
export async function verifyNow(directory: string, fileSystem: FileSystem = nodeFileSystem): Promise<void> {
  const { ok, state, findings } = await verifyDirectory({ directory, fileSystem });
  if (state === 'running') throw new Error(`${directory} is still open after the test`);
  const damage = findings.filter(({ severity }) => severity === 'damage');
  if (!ok) throw new Error(`${directory} is damaged after the test: ${JSON.stringify(damage, null, 2)}`);
}

/** A data directory that is yet to be made, for one test: it is verified after it. */
export function dataDirectory(t: Pick<Test, 'teardown' | 'testdir'>): string {
  // Handlers run in the order in which they were added: this one before the directory is removed.
  t.teardown(() => verifyNow(directory));
  const directory = join(t.testdir(), 'data');
  return directory;
}
