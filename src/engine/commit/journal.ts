/**
 * The journal: group commits of many partitions with little each become durable by one write and one sync, in files
 * that are preallocated and used again, so that the sync touches no metadata.
 *
 * At most one `append` at a time. A file whose frames are all synced in their segments goes back to the pool; until
 * then it is kept. While no file is free `canTake` says no, and commits go to the segments directly.
 */
import type { Clock } from '../common/clock.ts';
import { errnoOf, SeglogError } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { EngineObserver } from '../common/types.ts';
import { removeIfExists, writeAndSync, writeFully } from '../files/file-operations.ts';
import type { FileHandle, FileSystem } from '../files/file-system.ts';
import { journalDirectory, journalPath, spareJournalPath } from '../files/log-file-names.ts';
import {
  encodeFrameHead,
  encodeJournalHeader,
  frameBytes,
  JOURNAL_HEADER_BYTES,
  type JournalEnd,
  type JournalEntry,
} from '../format/journal-format.ts';

interface JournalFile<Client> {
  sequence: number;
  path: string;
  file: FileHandle;
  /** Where the next frame goes. */
  position: number;
  /** The file that was full when this one was begun. */
  before?: JournalEnd;
  /** For each client with batches in this file: the end of the last one. */
  ends: Map<Client, number>;
}

export interface JournalOptions<Client> {
  readonly directory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly observer: EngineObserver;
  readonly fileBytes: number;
  readonly maxFiles: number;
  /** The first sequence to use; above those of all files there are. */
  readonly nextSequence: number;
  /** Whether there is room on the disk for so many bytes more; they count as written then. */
  takeRoom(bytes: number): boolean;
  /** Resolves once the log of `client` below `offset` is synced in its segments. */
  syncTo(client: Client, offset: number): Promise<void>;
}

const RETRY_MS = 10_000;
const FILL_BYTES = 1024 * 1024;

/** `Client` is whoever has batches in the journal: a partition. */
export class Journal<Client> {
  readonly #options: JournalOptions<Client>;
  #nextSequence: number;
  #current: JournalFile<Client> | undefined;
  #spare: JournalFile<Client> | undefined;
  /** Full files whose batches are not all in their segments yet. */
  readonly #retired = new Set<JournalFile<Client>>();
  readonly #free: JournalFile<Client>[] = [];
  #preparing: Promise<void> | undefined;
  #retryAt = 0;
  #failed = false;
  #closed = false;

  constructor(options: JournalOptions<Client>) {
    this.#options = options;
    this.#nextSequence = options.nextSequence;
  }

  get files(): number {
    return (this.#current ? 1 : 0) + (this.#spare ? 1 : 0) + this.#retired.size + this.#free.length;
  }

  /**
   * Takes a file of an earlier life into the pool. What it may still be needed for are the logs of these clients below these
   * offsets: until they are synced in their segments it stays as it is. One of another size is removed, or else left alone.
   */
  async adopt(sequence: number, ends: ReadonlyMap<Client, number> = new Map()): Promise<void> {
    const { directory, fileSystem, fileBytes, maxFiles } = this.#options;
    const path = journalPath(directory, sequence);
    if (this.files < maxFiles && (await fileSystem.status(path))?.size === fileBytes) {
      const file = await fileSystem.open(path, 'write');
      const journal = { sequence, path, file, position: JOURNAL_HEADER_BYTES, ends: new Map(ends) };
      if (ends.size > 0) this.#retired.add(journal);
      else this.#free.push(journal);
    } else if (ends.size === 0) {
      await fileSystem.remove(path);
    }
  }

  /** Whether a frame of this size can be appended now. Sees to it that there will be room if there is none. */
  canTake(batches: number, batchBytes: number): boolean {
    const bytes = frameBytes(batches, batchBytes);
    if (this.#failed || this.#closed || bytes > this.#options.fileBytes - JOURNAL_HEADER_BYTES) return false;
    if (this.#current !== undefined && this.#current.position + bytes <= this.#options.fileBytes) return true;
    if (this.#spare !== undefined) return true;
    if (this.#options.maxFiles === 1 && this.#current !== undefined) {
      // There is no other file to go on with while this one is made fit for use again.
      this.#retired.add(this.#current);
      this.#current = undefined;
    }
    this.#prepare();
    return false;
  }

  /** Durable when it resolves. A failure is final: nobody knows what the file holds, and nothing is written to it again. */
  async append(entries: readonly JournalEntry[], ends: ReadonlyMap<Client, number>): Promise<void> {
    const bytes = frameBytes(
      entries.length,
      entries.reduce((sum, { batch }) => sum + batch.length, 0),
    );
    const target = this.#fileFor(bytes);
    const { clock, observer } = this.#options;
    try {
      const { sequence, position } = target;
      const before = position === JOURNAL_HEADER_BYTES ? target.before : undefined;
      const head = encodeFrameHead(entries, sequence, position, before);
      const start = clock.monotonic();
      await writeAndSync(target.file, [head, ...entries.map(({ batch }) => batch)], target.position);
      observer.synced?.('journal', clock.monotonic() - start);
    } catch (error) {
      this.#failed = true;
      throw new SeglogError(
        'OUTCOME_UNKNOWN',
        `writing the journal failed (${errnoOf(error) ?? String(error)}): nothing more is appended; restart seglog once the disk is well`,
        {},
        { cause: error },
      );
    }
    target.position += bytes;
    for (const [client, end] of ends) target.ends.set(client, end);
  }

  /** Closes the files. What they hold must be synced in the segments before, or the next open reads it from them. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#preparing;
    const open = [this.#current, this.#spare, ...this.#retired, ...this.#free];
    // An error of close changes nothing about what is synced.
    await Promise.allSettled(open.map((journal) => journal?.file.close()));
  }

  #fileFor(bytes: number): JournalFile<Client> {
    const { fileBytes } = this.#options;
    if (this.#current === undefined || this.#current.position + bytes > fileBytes) {
      const full = this.#current;
      if (full !== undefined) this.#retired.add(full);
      this.#current = this.#spare!;
      this.#current.before = full && { sequence: full.sequence, end: full.position };
      this.#spare = undefined;
      this.#prepare();
    }
    return this.#current;
  }

  /**
   * Makes the retired files fit for use again: all that they cover gets synced in the segments. All of them together and
   * no sooner than a file is needed, since one sync of a segment then serves all that has come meanwhile.
   */
  async #reclaim(): Promise<JournalFile<Client> | undefined> {
    const ends = new Map<Client, number>();
    const files = [...this.#retired];
    // Later files come later, and their ends are further.
    for (const journal of files) for (const [client, end] of journal.ends) ends.set(client, end);
    await Promise.all([...ends].map(([client, end]) => this.#options.syncTo(client, end)));
    for (const journal of files) {
      this.#retired.delete(journal);
      this.#free.push(journal);
    }
    const journal = this.#free.pop();
    return journal && this.#recycle(journal);
  }

  #prepare(): void {
    const { clock, logger, maxFiles } = this.#options;
    if (this.#preparing !== undefined || this.#spare !== undefined || this.#closed || this.#failed) return;
    if (clock.monotonic() < this.#retryAt) return;
    this.#preparing = this.#next(maxFiles)
      .then((journal) => {
        this.#spare = journal;
      })
      .catch((error) => {
        this.#retryAt = clock.monotonic() + RETRY_MS;
        logger.warn({ err: error }, 'no journal file could be prepared: commits go to the segments directly');
      })
      .finally(() => {
        this.#preparing = undefined;
      });
  }

  async #next(maxFiles: number): Promise<JournalFile<Client> | undefined> {
    const free = this.#free.pop();
    if (free !== undefined) return this.#recycle(free);
    if (this.files < maxFiles) return this.#create();
    return this.#retired.size > 0 ? this.#reclaim() : undefined;
  }

  async #create(): Promise<JournalFile<Client> | undefined> {
    const { directory, fileSystem, fileBytes, takeRoom } = this.#options;
    if (!takeRoom(fileBytes)) {
      this.#retryAt = this.#options.clock.monotonic() + RETRY_MS;
      return undefined;
    }
    const sequence = this.#nextSequence++;
    const spare = spareJournalPath(directory);
    await removeIfExists(fileSystem, spare);
    const file = await fileSystem.open(spare, 'create');
    try {
      await this.#fill(file, sequence);
      return await this.#named(file, spare, sequence);
    } catch (error) {
      await file.close().catch(() => {});
      await removeIfExists(fileSystem, spare).catch(() => {});
      throw error;
    }
  }

  /** Bytes are written, not just the size set: a later sync has nothing to allocate. */
  async #fill(file: FileHandle, sequence: number): Promise<void> {
    const { fileBytes } = this.#options;
    const zeros = Buffer.alloc(Math.min(FILL_BYTES, fileBytes));
    for (let position = 0; position < fileBytes; position += zeros.length) {
      await writeFully(file, [zeros.subarray(0, Math.min(zeros.length, fileBytes - position))], position);
      // Piece by piece: commits in the other files do not wait behind all of it.
      await file.sync();
    }
    await writeFully(file, [encodeJournalHeader(sequence, fileBytes)], 0);
    await file.sync();
  }

  /** The old frames stay: their sequence is not that of the file any more. */
  async #recycle(journal: JournalFile<Client>): Promise<JournalFile<Client>> {
    const sequence = this.#nextSequence++;
    try {
      await writeFully(journal.file, [encodeJournalHeader(sequence, this.#options.fileBytes)], 0);
      await journal.file.sync();
      return await this.#named(journal.file, journal.path, sequence);
    } catch (error) {
      await journal.file.close();
      throw error;
    }
  }

  async #named(file: FileHandle, from: string, sequence: number): Promise<JournalFile<Client>> {
    const { directory, fileSystem } = this.#options;
    const path = journalPath(directory, sequence);
    await fileSystem.rename(from, path);
    await fileSystem.syncDirectory(journalDirectory(directory));
    return { sequence, path, file, position: JOURNAL_HEADER_BYTES, ends: new Map() };
  }
}
