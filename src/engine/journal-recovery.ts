/** Reads what the journal holds after a crash: for each partition the batches that its segments may lack. */
import { SeglogError } from './errors.ts';
import { readWholeFile } from './file-operations.ts';
import type { FileSystem } from './file-system.ts';
import {
  type DamagedFrame,
  decodeJournal,
  decodeJournalHeader,
  type JournalEntry,
} from './journal-format.ts';
import { JOURNAL_SUFFIX, journalDirectory, journalPath, parseNumberedName } from './log-file-names.ts';
import { batchBaseOffset, batchNextOffset } from './record-batch.ts';
import type { JournaledBatches } from './recovery-evidence.ts';
import type { OffsetGap } from './types.ts';

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
  readonly #batches = new Map<string, Map<number, Buffer>>();
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
    for (const sequence of sequences) {
      const path = journalPath(data, sequence);
      const bytes = await readWholeFile(fileSystem, path);
      if (bytes === undefined) throw new SeglogError('NOT_READY', `${path} went away while it was read`);
      replay.#takeFile(bytes, sequence);
    }
    return replay;
  }

  batchesOf(topicId: string, partition: number): JournaledBatches {
    return this.#batches.get(keyOf(topicId, partition)) ?? new Map();
  }

  /** The end of the last batch of a partition, 0 if it has none. */
  endOf(topicId: string, partition: number): number {
    return [...this.batchesOf(topicId, partition).values()].reduce(
      (end, batch) => Math.max(end, batchNextOffset(batch, 0)),
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

  #takeFile(bytes: Buffer, sequence: number): void {
    // A header that is no good is no reason to drop the frames behind it: each names the sequence itself.
    if (decodeJournalHeader(bytes) === undefined) this.damagedHeaders.push(sequence);
    const { frames, damaged, unfinished } = decodeJournal(bytes, sequence);
    if (unfinished) this.unfinished.push({ sequence, position: unfinished.position, end: unfinished.end });
    const rest = damaged.map((frame) => ({ ...frame, sequence }));
    for (const { position, entries } of frames) {
      while (rest.length > 0 && rest[0]!.position < position) this.damaged.push(rest.shift()!);
      for (const entry of entries) this.#add(entry);
    }
    this.damaged.push(...rest);
  }

  /** Of two batches with the same offset the one of the later frame counts. */
  #add({ topicId, partition, batch }: JournalEntry): void {
    const key = keyOf(topicId.toString('hex'), partition);
    const batches = this.#batches.get(key) ?? new Map<number, Buffer>();
    this.#batches.set(key, batches);
    batches.set(batchBaseOffset(batch, 0), batch);
    this.#damagedBefore.set(key, this.damaged.length);
  }
}

/** The name under which repair keeps a damaged frame. */
export const keptFrameName = ({ sequence, position }: JournalDamage) =>
  `journal-${sequence}-${position}.bytes`;

/** Whether a partition has been repaired for the loss of this frame. */
function isGivenUp(gaps: readonly OffsetGap[], frame: JournalDamage): boolean {
  return gaps.some(({ keptAs }) => keptAs?.endsWith(`/${keptFrameName(frame)}`));
}
