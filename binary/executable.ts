/**
 * One file that runs by itself: Node, with a script and assets put into it as Node's single executable applications have
 * them. What is put in is for the very Node that made it: another one crashes on the code cache without a word.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Node looks for this mark in itself, and for what follows it. */
const SENTINEL_FUSE = 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2';
const POSTJECT = fileURLToPath(import.meta.resolve('postject/dist/cli.js'));

export interface ExecutableParts {
  readonly main: string;
  /** By name: what they hold, or the file that holds it. */
  readonly assets: Readonly<Record<string, { text: string } | { path: string }>>;
}

/** Of the Node that this runs on. */
export function writeExecutable(target: string, { main, assets }: ExecutableParts): void {
  const work = mkdtempSync(join(tmpdir(), 'seglog-build-'));
  try {
    const blob = join(work, 'blob');
    writeFileSync(join(work, 'main.js'), main);
    const config = {
      main: join(work, 'main.js'),
      output: blob,
      disableExperimentalSEAWarning: true,
      useCodeCache: true,
      assets: Object.fromEntries(
        Object.entries(assets).map(([name, asset]) => {
          if ('path' in asset) return [name, asset.path];
          writeFileSync(join(work, name), asset.text);
          return [name, join(work, name)];
        }),
      ),
    };
    writeFileSync(join(work, 'config.json'), JSON.stringify(config));
    runNode(['--experimental-sea-config', join(work, 'config.json')]);
    const unfinished = `${target}.unfinished`;
    copyFileSync(process.execPath, unfinished);
    chmodSync(unfinished, 0o755);
    runNode([POSTJECT, unfinished, 'NODE_SEA_BLOB', blob, '--sentinel-fuse', SENTINEL_FUSE]);
    renameSync(unfinished, target);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** What it warns of stays unsaid: postject does so of each name of a section that it need not know. */
function runNode(args: readonly string[]): void {
  execFileSync(process.execPath, args, { stdio: 'pipe' });
}
