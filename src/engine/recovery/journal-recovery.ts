/** Reads what the journal holds after a crash: for each partition the batches that its segments may lack. */
import { SeglogError } from '../common/errors.ts';
import type { OffsetGap } from '../common/types.ts';
import { readFully, readInto } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { JOURNAL_SUFFIX, journalDirectory, journalPath, parseNumberedName } from '../files/log-file-names.ts';
import {
  type DamagedFrame,
  decodeJournal,
  decodeJournalHeader,
  type JournalEntry,
} from '../format/journal-format.ts';
import { checkBatch } from '../format/record-batch.ts';
import { batchFacts } from '../segment/segment-scanner.ts';
import type { JournaledBatch, JournaledBatches } from './recovery-evidence.ts';

/** Sequences of the journal files there are, in order. */
export async function listJournal(fileSystem: FileSystem, data: string): Promise<number[]> {
  const names = await fileSystem.list(journalDirectory(data));
  return names
    .map((name) => parseNumberedName(name, JOURNAL_SUFFIX))
    .filter((sequence) => sequence !== undefined)
    .sort((a, b) => a - b);
}

/** A damaged frame of one of the files. */
export interface JournalDamage extends DamagedFrame {
  sequence: number;
}

const keyOf = (topicId: string, partition: number) => `${topicId}/${partition}`;

export class JournalReplay {
  readonly #batches = new Map<string, Map<number, JournaledBatch>>();
  /** For each partition: how many damaged frames come before the last intact batch. */
  readonly #damagedBefore = new Map<string, number>();
  /** In the order in which they were written. */
  readonly damaged: JournalDamage[] = [];
  /** Frames that were never finished, and do not count. */
  readonly unfinished: { sequence: number; position: number; end: number }[] = [];
  /** Files whose header is damaged; their frames count all the same. */
  readonly damagedHeaders: number[] = [];

  static async read(
    fileSystem: FileSystem,
    data: string,
    sequences: readonly number[],
  ): Promise<JournalReplay> {
    const replay = new JournalReplay();
    // One file after the other in the same memory; of what it holds only places are kept.
    let memory: Buffer = Buffer.alloc(0);
    for (const sequence of sequences) {
      const path = journalPath(data, sequence);
      const file = await fileSystem.open(path, 'read');
      try {
        const size = await file.size();
        if (memory.length < size) memory = Buffer.allocUnsafeSlow(size);
        const read = await readInto(file, memory.subarray(0, size), 0);
        replay.#takeFile(memory.subarray(0, read), sequence, fileSystem, path);
      } finally {
        await file.close();
      }
    }
    return replay;
  }

  batchesOf(topicId: string, partition: number): JournaledBatches {
    return this.#batches.get(keyOf(topicId, partition)) ?? new Map();
  }

  /** One more than the highest partition of a topic that has batches, 0 if none. */
  partitionsOf(topicId: string): number {
    let count = 0;
    for (const key of this.#batches.keys()) {
      const [id, partition] = key.split('/');
      if (id === topicId) count = Math.max(count, Number(partition) + 1);
    }
    return count;
  }

  /** The end of the last batch of a partition, 0 if it has none. */
  endOf(topicId: string, partition: number): number {
    return [...this.batchesOf(topicId, partition).values()].reduce(
      (end, { facts }) => Math.max(end, facts.nextOffset),
      0,
    );
  }

  /**
   * Damaged frames that may have held acknowledged batches of a partition behind all that is left of it. Where a later
   * frame has a batch of the partition, that tells what is missing before it. Those in `gaps` have been given up.
   */
  suspectsOf(topicId: string, partition: number, gaps: readonly OffsetGap[]): JournalDamage[] {
    const key = keyOf(topicId, partition);
    return this.damaged
      .slice(this.#damagedBefore.get(key) ?? 0)
      .filter((frame) => !isGivenUp(gaps, frame))
      .filter(
        ({ lost }) =>
          lost === null ||
          lost.some(
            ({ topicId: id, partition: number, followed }) =>
              !followed && keyOf(id.toString('hex'), number) === key,
          ),
      );
  }

  #takeFile(bytes: Buffer, sequence: number, fileSystem: FileSystem, path: string): void {
    // A header that is no good is no reason to drop the frames behind it: each names the sequence itself.
    if (decodeJournalHeader(bytes) === undefined) this.damagedHeaders.push(sequence);
    const { frames, damaged, unfinished } = decodeJournal(bytes, sequence);
    if (unfinished) this.unfinished.push({ sequence, position: unfinished.position, end: unfinished.end });
    const rest = damaged.map(({ lost, ...frame }) => ({
      ...frame,
      sequence,
      lost: lost?.map(keptEntry) ?? null,
    }));
    for (const { position, entries } of frames) {
      while (rest.length > 0 && rest[0]!.position < position) this.damaged.push(rest.shift()!);
      for (const entry of entries) {
        const { byteOffset, length } = entry.batch;
        const position = byteOffset - bytes.byteOffset;
        this.#add(entry, () => readBatch(fileSystem, path, position, length));
      }
    }
    this.damaged.push(...rest);
  }

  /** Of two batches with the same offset the one of the later frame counts. */
  #add({ topicId, partition, batch }: JournalEntry, read: () => Promise<Buffer>): void {
    const key = keyOf(topicId.toString('hex'), partition);
    const batches = this.#batches.get(key) ?? new Map<number, JournaledBatch>();
    this.#batches.set(key, batches);
    const facts = batchFacts(batch, 0);
    batches.set(facts.baseOffset, { facts, read });
    this.#damagedBefore.set(key, this.damaged.length);
  }
}

/** The file's memory is used again: what is to stay is copied. */
function keptEntry<T extends { topicId: Buffer }>(entry: T): T {
  return { ...entry, topicId: Buffer.from(entry.topicId) };
}

async function readBatch(
  fileSystem: FileSystem,
  path: string,
  position: number,
  bytes: number,
): Promise<Buffer> {
  const file = await fileSystem.open(path, 'read');
  try {
    const batch = await readFully(file, bytes, position);
    if (checkBatch(batch, 0, batch.length) === null) return batch;
  } finally {
    await file.close();
  }
  throw new SeglogError('CORRUPT_MESSAGE', `${path} changed at position ${position} while it was recovered`);
}

/** The name under which repair keeps a damaged frame. */
export const keptFrameName = ({ sequence, position }: JournalDamage) =>
  `journal-${sequence}-${position}.bytes`;

/** Whether a partition has been repaired for the loss of this frame. */
function isGivenUp(gaps: readonly OffsetGap[], frame: JournalDamage): boolean {
  return gaps.some(({ keptAs }) => keptAs?.endsWith(`/${keptFrameName(frame)}`));
}
