/** The files that a followed file has become while nobody looked: app.log.1, app.log.2.gz, app-20261121.log and the like. */
import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { type FileIdentity, holdsFile } from './file-identity.ts';

interface Candidate {
  readonly path: string;
  readonly name: string;
  readonly changedAt: number;
  /** It is the known file under another name. */
  readonly isRenamed: boolean;
}

/**
 * The file that the known one has become, and those that came after it, in the order in which they were written. Empty when it is
 * not there any more. The file that has the name now is none of them.
 */
export async function rotatedSince(path: string, known: FileIdentity): Promise<string[]> {
  const candidates = await candidatesOf(path, known);
  const holding: Candidate[] = [];
  for (const each of candidates) if (await holdsFile(each.path, known)) holding.push(each);
  // Several may begin alike; a copy is as good as the file itself.
  const old = holding.find(({ isRenamed }) => isRenamed) ?? holding.at(-1);
  if (old === undefined) return [];
  const newer = candidates.slice(candidates.indexOf(old) + 1).filter((each) => !holding.includes(each));
  return [old, ...withoutCopies(newer)].map((each) => each.path);
}

/** Files whose names are those of rotated ones, and the known one whatever its name; the oldest first. */
async function candidatesOf(path: string, known: FileIdentity): Promise<Candidate[]> {
  const directory = dirname(resolve(path));
  const own = basename(path);
  const stem = basename(own, extname(own));
  const isRotation = rotationOf(own);
  const found: Candidate[] = [];
  for (const name of await readdir(directory)) {
    if (name === own || !name.startsWith(stem)) continue;
    const each = join(directory, name);
    const status = await stat(each).catch(() => undefined);
    if (!status?.isFile()) continue;
    const isRenamed = status.ino === known.inode && status.dev === known.device;
    if (isRenamed || isRotation.test(name))
      found.push({ path: each, name, changedAt: status.mtimeMs, isRenamed });
  }
  return found.sort((a, b) => a.changedAt - b.changedAt || byName(a.name, b.name));
}

/** Where times are alike: of numbers the largest comes first, of dates the earliest. */
function byName(a: string, b: string): number {
  const numbers = [a, b].map((name) => /[.-](\d{1,4})(?:\.|$)/.exec(name)?.[1]);
  if (numbers[0] !== undefined && numbers[1] !== undefined) return Number(numbers[1]) - Number(numbers[0]);
  return a < b ? -1 : 1;
}

/** Names that log rotation gives: a number or a date behind the name, or before its ending. */
function rotationOf(own: string): RegExp {
  const ending = extname(own);
  const stem = basename(own, ending);
  const [quotedStem, quotedEnding] = [quoted(stem), quoted(ending)];
  return new RegExp(
    `^${quotedStem}(?:${quotedEnding}[.-]\\d[\\d.T_-]*|[.-]\\d[\\d.T_-]*${quotedEnding})(?:\\.gz|\\.zst)?$`,
  );
}

const quoted = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** Of a file that is there both as it was and compressed, only the first. */
function withoutCopies(files: readonly Candidate[]): Candidate[] {
  const plain = (name: string) => name.replace(/\.(?:gz|zst)$/, '');
  const seen = new Set<string>();
  return files.filter(({ name }) => {
    if (seen.has(plain(name))) return false;
    seen.add(plain(name));
    return true;
  });
}
