/**
 * FollowState: how far a followed file is stored, kept in a file of its own, so that the next run goes on there.
 *
 * Before a batch is sent its end is noted, and once it is acknowledged that it is. So whoever comes after a crash knows
 * which batch may or may not be stored, and sends exactly that one again under the same key.
 */
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { FileIdentity } from './file-identity.ts';

export interface FollowPlace {
  /** Of one file, under whatever name: keys of requests are made of it. */
  readonly id: string;
  readonly identity: FileIdentity;
  /** All before it is stored, or left out. In bytes. */
  readonly position: number;
  /** The number of the line there, from 1. */
  readonly line: number;
  /** The end of the batch that is on its way; null when none is. */
  readonly sending: number | null;
}

/** What is followed into where. */
export interface Followed {
  /** Absolute. */
  readonly file: string;
  readonly server: string;
  readonly topic: string;
}

interface StateDocument extends FollowPlace, Followed {
  readonly version: typeof VERSION;
}

const VERSION = 1;

export class FollowState {
  readonly path: string;
  readonly #about: Followed;
  #place: FollowPlace | undefined;
  #saving: Promise<void> = Promise.resolve();

  private constructor(path: string, about: Followed, place: FollowPlace | undefined) {
    this.path = path;
    this.#about = about;
    this.#place = place;
  }

  /** Of the file, as followed into that topic of that daemon. Throws an Error for a state that cannot be read. */
  static async open(directory: string, about: Followed): Promise<FollowState> {
    const path = await statePath(directory, about);
    return new FollowState(path, about, await load(path));
  }

  /** Undefined when the file was never followed. */
  get place(): FollowPlace | undefined {
    return this.#place;
  }

  /** Begins with another file, of which nothing is stored. */
  begin(identity: FileIdentity): Promise<void> {
    return this.#save({ id: randomUUID(), identity, position: 0, line: 1, sending: null });
  }

  /** Changes what is known of the file that was begun with. */
  update(change: Partial<Omit<FollowPlace, 'id'>>): Promise<void> {
    return this.#save({ ...this.#place!, ...change });
  }

  /** Resolves once the place is safe from crashes; one save at a time. */
  #save(place: FollowPlace): Promise<void> {
    this.#place = place;
    this.#saving = this.#saving.then(() => this.#write(place));
    return this.#saving;
  }

  async #write(place: FollowPlace): Promise<void> {
    const document: StateDocument = { version: VERSION, ...this.#about, ...place };
    const temporary = `${this.path}.tmp`;
    const handle = await open(temporary, 'w', 0o600);
    try {
      await handle.writeFile(`${JSON.stringify(document, null, 1)}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, this.path);
    const directory = await open(dirname(this.path));
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }
}

/** Where the state is kept; makes the directory. */
export async function statePath(directory: string, about: Followed): Promise<string> {
  await mkdir(directory, { recursive: true }).catch((error: Error) => {
    throw new Error(
      `positions cannot be kept in ${directory}: ${error.message}; give a directory by --state`,
    );
  });
  const hash = createHash('sha256').update(JSON.stringify(about)).digest('hex').slice(0, 16);
  return join(directory, `${basename(about.file)}-${hash}.json`);
}

async function load(path: string): Promise<FollowPlace | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const document = parse(text);
  if (document?.version !== VERSION)
    throw new Error(
      `${path} holds no position that this seglog knows: remove it to begin at the begin of the file`,
    );
  const { id, identity, position, line, sending } = document;
  return { id, identity, position, line, sending };
}

function parse(text: string): StateDocument | undefined {
  try {
    return JSON.parse(text) as StateDocument;
  } catch {
    return undefined;
  }
}
