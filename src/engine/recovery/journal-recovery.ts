/** Reads what the journal holds after a crash: for each partition the batches that its segments may lack. */
import { SeglogError } from '../common/errors.ts';
import type { OffsetGap } from '../common/types.ts';
import { DescriptorCache } from '../files/descriptor-cache.ts';
import { isOutOfSpace, readFully, writeFully } from '../files/file-operations.ts';
import type { FileHandle, FileSystem } from '../files/file-system.ts';
import { JOURNAL_SUFFIX, journalDirectory, journalPath, parseNumberedName } from '../files/log-file-names.ts';
import { decodeJournalHeader, JOURNAL_HEADER_BYTES, visitEntries } from '../format/journal-format.ts';
import { batchBaseOffset, batchNextOffset, checkBatch } from '../format/record-batch.ts';
import { JournalScanner, type ScannedFrame } from './journal-scanner.ts';
import { type BatchPlace, BatchPlaces, JournaledBatches } from './journaled-batches.ts';

/** Sequences of the journal files there are, in order. */
export async function listJournal(fileSystem: FileSystem, data: string): Promise<number[]> {
  const directory = journalDirectory(data);
  if ((await fileSystem.status(directory)) === undefined) return [];
  const names = await fileSystem.list(directory);
  return names
    .map((name) => parseNumberedName(name, JOURNAL_SUFFIX))
    .filter((sequence) => sequence !== undefined)
    .sort((a, b) => a - b);
}

/** A batch of a damaged frame that fails its checks, as the frame's table has it. */
export interface LostEntry {
  topicId: string;
  partition: number;
  /** A later batch of the same partition in this frame is intact: what is missing before it is known. */
  followed: boolean;
}

/** A frame that was durable once and is damaged now, wholly or in part. */
export interface JournalDamage {
  sequence: number;
  position: number;
  end: number;
  /** The batches that are lost; null when not even the table can be read. */
  lost: LostEntry[] | null;
}

/** What the journal has of one partition. */
interface Owner {
  topicId: string;
  partition: number;
  batches: number;
  /** Of its batches in BatchPlaces; -1 if there is none. */
  last: number;
  /** How many damaged frames come before the last intact batch. */
  damagedBefore: number;
}

const OPEN_FILES = 16;

export class JournalReplay {
  readonly #fileSystem: FileSystem;
  readonly #files: DescriptorCache;
  readonly #paths: string[] = [];
  /** The frame that was written last. */
  #last: { path: string; position: number; end: number } | undefined;
  #durable: Promise<boolean> | undefined;
  readonly #places = new BatchPlaces();
  /** By topic id and partition. */
  readonly #owners = new Map<string, Map<number, Owner>>();
  /** The same by the first bytes of the topic id, so that an entry costs no text of its id. */
  readonly #recent = new Map<number, { id: Buffer; owners: Map<number, Owner> }>();
  /** In the order in which they were written. */
  readonly damaged: JournalDamage[] = [];
  /** Frames that were never finished, and do not count. */
  readonly unfinished: { sequence: number; position: number; end: number }[] = [];
  /** Files whose header is damaged; their frames count all the same. */
  readonly damagedHeaders: number[] = [];

  private constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
    this.#files = new DescriptorCache(fileSystem, OPEN_FILES, 'read');
  }

  /** One file after the other, in order; of what they hold only places are kept. */
  static async read(
    fileSystem: FileSystem,
    data: string,
    sequences: readonly number[],
  ): Promise<JournalReplay> {
    const replay = new JournalReplay(fileSystem);
    const ends = new Map<number, number>();
    for (const sequence of sequences) {
      const before = await withFile(fileSystem, journalPath(data, sequence), async (file) =>
        new JournalScanner(file, sequence, await file.size()).endBefore(),
      );
      if (before !== undefined) ends.set(before.sequence, before.end);
    }
    for (const sequence of sequences) {
      const path = journalPath(data, sequence);
      replay.#paths.push(path);
      await withFile(fileSystem, path, (file) => replay.#readFile(file, sequence, ends.get(sequence)));
    }
    return replay;
  }

  /**
   * Makes durable what was read, for whoever serves it from here. A frame is only written after the sync of the one before
   * it, so that is the last one alone: it is written over itself and synced. False when there is no space for that.
   */
  makeDurable(): Promise<boolean> {
    this.#durable ??= this.#writeLast();
    return this.#durable;
  }

  async #writeLast(): Promise<boolean> {
    if (this.#last === undefined) return true;
    const { path, position, end } = this.#last;
    const file = await this.#fileSystem.open(path, 'write');
    try {
      await writeFully(file, [await readFully(file, end - position, position)], position);
      await file.sync();
      return true;
    } catch (error) {
      if (!isOutOfSpace(error)) throw error;
      return false;
    } finally {
      await file.close();
    }
  }

  /** Closes the files from which batches were read. */
  close(): Promise<void> {
    return this.#files.close();
  }

  batchesOf(topicId: string, partition: number): JournaledBatches {
    const owner = this.#owners.get(topicId)?.get(partition);
    if (owner === undefined || owner.batches === 0) return JournaledBatches.NONE;
    const entries = this.#places.sorted(owner.last, owner.batches);
    return new JournaledBatches(this.#places, entries, (place) => this.#readBatch(place));
  }

  /** One more than the highest partition of a topic that has batches, 0 if none. */
  partitionsOf(topicId: string): number {
    let count = 0;
    for (const { partition } of this.#owners.get(topicId)?.values() ?? [])
      count = Math.max(count, partition + 1);
    return count;
  }

  /**
   * Damaged frames that may have held acknowledged batches of a partition behind all that is left of it. Where a later
   * frame has a batch of the partition, that tells what is missing before it. Those in `gaps` have been given up.
   */
  suspectsOf(topicId: string, partition: number, gaps: readonly OffsetGap[]): JournalDamage[] {
    const { damagedBefore = 0 } = this.#owners.get(topicId)?.get(partition) ?? {};
    const isOf = (entry: LostEntry) => entry.topicId === topicId && entry.partition === partition;
    return this.damaged
      .slice(damagedBefore)
      .filter((frame) => !isGivenUp(gaps, frame))
      .filter(({ lost }) => lost === null || lost.some((entry) => isOf(entry) && !entry.followed));
  }

  async #readFile(file: FileHandle, sequence: number, knownEnd: number | undefined): Promise<void> {
    // A header that is no good is no reason to drop the frames behind it: each names the sequence itself.
    if (decodeJournalHeader(await readFully(file, JOURNAL_HEADER_BYTES, 0)) === undefined)
      this.damagedHeaders.push(sequence);
    const scanner = new JournalScanner(file, sequence, await file.size(), knownEnd);
    for (;;) {
      const frame = await scanner.next();
      if (frame === undefined) return;
      const { kind, position, end } = frame;
      if (kind === 'frame') this.#takeFrame(scanner, frame, sequence);
      else if (kind === 'lost') this.damaged.push({ sequence, position, end, lost: null });
      else this.unfinished.push({ sequence, position, end });
    }
  }

  #takeFrame(scanner: JournalScanner, frame: ScannedFrame, sequence: number): void {
    const { position, end, bytes, at } = frame;
    this.#last = { path: this.#paths.at(-1)!, position, end };
    const lost: LostEntry[] = [];
    visitEntries(bytes, at, (topicIdAt, partition, batchAt, batchBytes, index) => {
      const owner = this.#ownerOf(bytes, topicIdAt, partition);
      if (!scanner.isIntact(index)) {
        lost.push({ topicId: owner.topicId, partition, followed: false });
        return;
      }
      for (const entry of lost)
        entry.followed ||= entry.partition === partition && entry.topicId === owner.topicId;
      owner.last = this.#places.add(
        batchBaseOffset(bytes, batchAt),
        batchNextOffset(bytes, batchAt),
        this.#paths.length - 1,
        position + batchAt - at,
        batchBytes,
        owner.last,
      );
      owner.batches++;
      owner.damagedBefore = this.damaged.length;
    });
    if (lost.length > 0) this.damaged.push({ sequence, position, end, lost });
  }

  #ownerOf(bytes: Buffer, topicIdAt: number, partition: number): Owner {
    const start = bytes.readInt32LE(topicIdAt);
    let topic = this.#recent.get(start);
    if (topic === undefined || !isTopic(topic.id, bytes, topicIdAt)) {
      const id = Buffer.from(bytes.subarray(topicIdAt, topicIdAt + 16));
      const hex = id.toString('hex');
      const owners = this.#owners.get(hex) ?? new Map<number, Owner>();
      this.#owners.set(hex, owners);
      topic = { id, owners };
      this.#recent.set(start, topic);
    }
    let owner = topic.owners.get(partition);
    if (owner === undefined) {
      const topicId = topic.id.toString('hex');
      owner = { topicId, partition, batches: 0, last: -1, damagedBefore: 0 };
      topic.owners.set(partition, owner);
    }
    return owner;
  }

  async #readBatch({ baseOffset, file, position, bytes }: BatchPlace): Promise<Buffer> {
    const lease = await this.#files.lease(this.#paths[file]!);
    try {
      const batch = await readFully(lease.file, bytes, position);
      const valid = checkBatch(batch, 0, batch.length) === null;
      if (valid && batchBaseOffset(batch, 0) === baseOffset) return batch;
    } finally {
      lease.release();
    }
    throw new SeglogError(
      'CORRUPT_MESSAGE',
      `${this.#paths[file]} changed at position ${position} while it was recovered`,
    );
  }
}

async function withFile<T>(
  fileSystem: FileSystem,
  path: string,
  use: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await fileSystem.open(path, 'read');
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

function isTopic(id: Buffer, bytes: Buffer, at: number): boolean {
  for (let i = 0; i < 16; i += 4) if (id.readInt32LE(i) !== bytes.readInt32LE(at + i)) return false;
  return true;
}

/** The name under which repair keeps a damaged frame. */
export const keptFrameName = ({ sequence, position }: JournalDamage) =>
  `journal-${sequence}-${position}.bytes`;

/** Whether a partition has been repaired for the loss of this frame. */
function isGivenUp(gaps: readonly OffsetGap[], frame: JournalDamage): boolean {
  return gaps.some(({ keptAs }) => keptAs?.endsWith(`/${keptFrameName(frame)}`));
}
