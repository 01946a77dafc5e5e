/** What this program was made of: in a package files beside it say so, in a single executable the bundler has put it in. */
import { readFileSync } from 'node:fs';

export interface BuildFacts {
  version: string;
  /** Of its repository; "unknown" where it runs from its sources. */
  commit: string;
  /** The newest format of a data directory that it knows. */
  formatVersion: number;
}

declare const SEGLOG_BUILD: BuildFacts | undefined;

const bundled = typeof SEGLOG_BUILD === 'undefined' ? undefined : SEGLOG_BUILD;

export function readVersion(): string {
  if (bundled !== undefined) return bundled.version;
  return JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;
}

/** What `seglog --version` prints. */
export async function versionLine(): Promise<string> {
  const { version, commit, formatVersion } = bundled ?? (await readFacts());
  return `seglog ${version} (commit ${commit}, Node ${process.version}, format ${formatVersion})`;
}

async function readFacts(): Promise<BuildFacts> {
  const { FORMAT_VERSION } = await import('../engine/index.ts');
  return { version: readVersion(), commit: readCommit(), formatVersion: FORMAT_VERSION };
}

function readCommit(): string {
  try {
    return readFileSync(new URL('../commit', import.meta.url), 'utf8').trim();
  } catch {
    return 'unknown';
  }
}
