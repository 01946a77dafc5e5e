/**
 * Loads native addons out of the single executable. The system loads code from files only, so they are unpacked, once for a
 * user and a version (addon-directory.ts). Where there is no place that stays, they go to a directory of this process's
 * own, which is removed as soon as they are loaded.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getAsset, getRawAsset } from 'node:sea';
import { type Addon, addonDirectories, CACHE_DIRECTORY_VARIABLE, placeAddon } from './addon-directory.ts';
import { ADDONS_ASSET } from './asset-names.ts';

/** @throws Error that names each place that was tried, and why it would not do. */
export function loadAddon(file: string): unknown {
  const failures: string[] = [];
  for (const directory of addonDirectories(process.env)) {
    try {
      return loadFrom(directory, file);
    } catch (error) {
      failures.push(`${directory}: ${reasonOf(error)}`);
    }
  }
  if (!process.env[CACHE_DIRECTORY_VARIABLE]) {
    try {
      return loadOnce(file);
    } catch (error) {
      failures.push(`${tmpdir()}: ${reasonOf(error)}`);
    }
  }
  throw new Error(
    [
      `seglog has to unpack native code, and found no place for it. Set ${CACHE_DIRECTORY_VARIABLE} to a directory`,
      'of yours from which code may be loaded (no noexec), or to one that was prepared. Tried:',
      ...failures.map((each) => `\n  ${each}`),
    ].join(' '),
  );
}

function loadFrom(directory: string, file: string): unknown {
  const all = addons();
  const path = placeAddon(directory, all.find((addon) => addon.file === file)!, contentOf);
  // All of them, so that a directory that was used once can be read-only from then on.
  for (const addon of all)
    if (!existsSync(join(directory, addon.file))) placeAddon(directory, addon, contentOf);
  return open(path);
}

/** Nobody else can look into such a directory, nor guess its name before it is made. */
function loadOnce(wanted: string): unknown {
  const directory = mkdtempSync(join(tmpdir(), 'seglog-'));
  try {
    const addon = addons().find(({ file }) => file === wanted)!;
    return open(placeAddon(directory, addon, contentOf));
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const addons = (): readonly Addon[] => JSON.parse(getAsset(ADDONS_ASSET, 'utf8'));

/** The memory is a part of the executable: it can be read, and nothing else. */
const contentOf = ({ file }: Addon) => new Uint8Array(getRawAsset(file));

function open(path: string): unknown {
  const module = { exports: {} };
  process.dlopen(module, path);
  return module.exports;
}

function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EROFS') return 'the file system is read-only';
  if (code === 'EACCES' || code === 'EPERM') return 'no permission';
  if (/failed to map segment/.test(message)) return 'its file system lets no code be loaded (noexec)';
  return message;
}
