/** A small disk for the tests of the simulator itself. */
import { errnoOf } from '../../../src/engine/common/errors.ts';
import { createSynced } from '../../../src/engine/files/file-operations.ts';
import type { FileHandle } from '../../../src/engine/files/file-system.ts';
import { type CrashPlace, SimFileSystem } from '../sim-file-system.ts';
import type { CrashVariant } from './crash-image.ts';

export const SEEDS = Array.from({ length: 60 }, (_, seed) => seed);
export const errno = (promise: Promise<unknown>) => promise.then(() => 'no error', errnoOf);
export const fill = (length: number, byte: number) => [Buffer.alloc(length, byte)];

/** A disk with a durable directory, and in it a durable file of 1,500 bytes of 1. */
export async function diskWithFile(): Promise<{ files: SimFileSystem; file: FileHandle }> {
  const files = new SimFileSystem();
  await files.makeDirectory('/d');
  await files.syncDirectory('/');
  await createSynced(files, '/d/file', fill(1500, 1));
  await files.syncDirectory('/d');
  return { files, file: await files.open('/d/file', 'write') };
}

/** What /d/file is after power cuts with many seeds, each state once. */
export function outcomes(
  files: SimFileSystem,
  variant: CrashVariant,
  place: Partial<CrashPlace> = {},
): Buffer[] {
  const found = new Map<string, Buffer>();
  for (const seed of SEEDS) {
    const content = files.crashImage({ ...place, variant, seed }).contents('/d/file');
    found.set(content.toString('latin1'), content);
  }
  return [...found.values()];
}
