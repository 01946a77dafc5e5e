/**
 * FollowLock: one process at a time follows a file with a state. Two of them would each send the lines, and write over the
 * other's position.
 *
 * The lock is a file with the id of the process that holds it. One whose process is gone does not count.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';

export class FollowLock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Takes the lock of a state. Throws an Error when another process has it. */
  static async take(statePath: string, file: string): Promise<FollowLock> {
    const path = `${statePath}.lock`;
    if (await made(path)) return new FollowLock(path);
    const holder = await holderOf(path);
    if (holder === undefined) {
      await rm(path, { force: true });
      // Somebody else may have been quicker.
      if (await made(path)) return new FollowLock(path);
    }
    throw new Error(
      `${file} is being followed already${holder === undefined ? '' : `, by process ${holder}`}; if that is not so, remove ${path}`,
    );
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

async function made(path: string): Promise<boolean> {
  try {
    await writeFile(path, `${process.pid}\n`, { flag: 'wx', mode: 0o600 });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** The process that holds the lock, if it is there. */
async function holderOf(path: string): Promise<number | undefined> {
  const pid = Number(await readFile(path, 'utf8').catch(() => ''));
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  try {
    process.kill(pid, 0);
    return pid;
  } catch (error) {
    // It is there, and somebody else's.
    return (error as NodeJS.ErrnoException).code === 'EPERM' ? pid : undefined;
  }
}
