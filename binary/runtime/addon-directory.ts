/**
 * Where the native addons of the single executable lie once they are unpacked. Code is loaded from there, so it is a
 * directory that nobody else can write to: it belongs to this user or to root, as do all above it, and no other may change
 * it or put another in its place. A file in it is named by the hash of what it holds, and counts only if it holds that.
 *
 * Several processes and threads may unpack at the same time: a file comes into being whole, by a rename.
 */
import { hash, randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { userInfo } from 'node:os';
import { dirname, isAbsolute, join } from 'node:path';

/** The variable that names the directory; then there is no other choice. */
export const CACHE_DIRECTORY_VARIABLE = 'SEGLOG_CACHE_DIR';

const STICKY = 0o1000;

/** What a process that was killed while it unpacked has left. */
const UNFINISHED = /\.node\.[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const UNFINISHED_MS = 3_600_000;

export interface Addon {
  /** Of the asset, and of the file. */
  readonly file: string;
  readonly sha256: string;
}

/** The directories to try, the best first; none where nobody says who this user is. */
export function addonDirectories(env: Readonly<Record<string, string | undefined>>): string[] {
  const named = env[CACHE_DIRECTORY_VARIABLE];
  if (named) return [named];
  const places: [string | undefined, string][] = [
    [env.XDG_CACHE_HOME, 'seglog'],
    [env.HOME, '.cache/seglog'],
    [homeOfUser(), '.cache/seglog'],
    [env.XDG_RUNTIME_DIR, 'seglog'],
  ];
  const paths = places.flatMap(([base, name]) => (base && isAbsolute(base) ? [join(base, name)] : []));
  return [...new Set(paths)];
}

function homeOfUser(): string | undefined {
  try {
    return userInfo().homedir;
  } catch {
    // A number without a name, as containers have it.
    return undefined;
  }
}

/**
 * The path of the addon in this directory, where it is unpacked unless it lies there already.
 * @throws Error that says what is wrong with the directory.
 */
export function placeAddon(directory: string, addon: Addon, contentOf: (addon: Addon) => Uint8Array): string {
  // One that was prepared is only read: its file system may be read-only.
  if (!existsSync(directory)) makeDirectory(directory);
  const real = safePath(directory);
  const path = join(real, addon.file);
  if (holds(path, addon)) return path;
  const unfinished = `${path}.${randomUUID()}`;
  try {
    writeFileSync(unfinished, contentOf(addon), { flag: 'wx', mode: 0o600 });
    renameSync(unfinished, path);
  } catch (error) {
    rmSync(unfinished, { force: true });
    throw error;
  }
  if (!holds(path, addon)) throw new Error('what was written there is not what is read');
  removeUnfinished(real);
  return path;
}

/** But not what another process may be at work on. */
function removeUnfinished(directory: string): void {
  const before = Date.now() - UNFINISHED_MS;
  for (const name of readdirSync(directory).filter((each) => UNFINISHED.test(each))) {
    const path = join(directory, name);
    // Another process may be quicker.
    const status = lstatSync(path, { throwIfNoEntry: false });
    if (status?.isFile() && status.mtimeMs < before) rmSync(path, { force: true });
  }
}

/** With those above it. Node's own way does not end where the system denies that there is what it has just been shown (/proc). */
function makeDirectory(path: string): void {
  if (!existsSync(dirname(path))) makeDirectory(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Another process may have been quicker.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Its path without links, of which others might change one later. @throws Error that says what is wrong with it. */
function safePath(directory: string): string {
  const path = realpathSync(directory);
  const status = statSync(path);
  if (!status.isDirectory()) throw new Error('it is no directory');
  const fault = faultOf(status);
  if (fault !== undefined) throw new Error(`${fault}: chmod 700, or name another directory`);
  // It has all in its hands anyway; in a user namespace that may be another number than 0.
  const system = statSync('/').uid;
  for (let above = path; above !== dirname(above); ) {
    above = dirname(above);
    const { uid, mode } = statSync(above);
    if (!isTrusted(uid) && uid !== system) throw new Error(`${above} above it belongs to another user`);
    // In one such as /tmp, which is sticky, only owners may rename.
    if ((mode & 0o022) !== 0 && (mode & STICKY) === 0) {
      throw new Error(`${above} above it can be written to by others`);
    }
  }
  return path;
}

/** Who else could change what has this status. */
function faultOf({ uid, mode }: Stats): string | undefined {
  if (!isTrusted(uid)) return 'it belongs to another user';
  if ((mode & 0o022) !== 0) return 'others can write to it';
  return undefined;
}

const isTrusted = (uid: number) => uid === 0 || uid === process.getuid!();

function holds(path: string, { sha256 }: Addon): boolean {
  let file: number;
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // A link there is not ours, and makes room for the file.
    if (code === 'ENOENT' || code === 'ELOOP') return false;
    throw error;
  }
  try {
    const status = fstatSync(file);
    return (
      status.isFile() && faultOf(status) === undefined && hash('sha256', readFileSync(file), 'hex') === sha256
    );
  } finally {
    closeSync(file);
  }
}
