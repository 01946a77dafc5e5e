/** Reads what the journal holds after a crash: for each partition the batches that its segments may lack. */
import { SeglogError } from './errors.ts';
import { readWholeFile } from './file-operations.ts';
import { decodeJournal, decodeJournalHeader, type JournalEntry } from './journal-format.ts';
import { JOURNAL_SUFFIX, journalDirectory, journalPath, parseNumberedName } from './log-file-names.ts';
import type { EngineContext } from './partition-log.ts';
import { batchBaseOffset } from './record-batch.ts';
import type { JournaledBatches } from './recovery-scan.ts';

/** Sequences of the journal files there are, in order. */
export async function listJournal(context: EngineContext): Promise<number[]> {
  const names = await context.fileSystem.list(journalDirectory(context.directory));
  return names
    .map((name) => parseNumberedName(name, JOURNAL_SUFFIX))
    .filter((sequence) => sequence !== undefined)
    .sort((a, b) => a - b);
}

export class JournalReplay {
  readonly #partitions = new Map<string, Map<number, Buffer>>();

  static async read(context: EngineContext, sequences: readonly number[]): Promise<JournalReplay> {
    const replay = new JournalReplay();
    for (const sequence of sequences) await replay.#readFile(context, sequence);
    return replay;
  }

  batchesOf(topicId: string, partition: number): JournaledBatches {
    return this.#partitions.get(`${topicId}/${partition}`) ?? new Map();
  }

  async #readFile(context: EngineContext, sequence: number): Promise<void> {
    const path = journalPath(context.directory, sequence);
    const bytes = await readWholeFile(context.fileSystem, path);
    if (bytes === undefined) throw new SeglogError('NOT_READY', `${path} went away while it was read`);
    // A header that is no good is checked for its version only: each frame carries its sequence itself.
    decodeJournalHeader(bytes);
    const { frames, damagedPositions } = decodeJournal(bytes, sequence);
    for (const position of damagedPositions) {
      context.logger.error(
        { journal: path, position },
        'damaged journal frame: its batches count only where intact',
      );
      context.observer.failed?.('corruption');
    }
    for (const frame of frames) for (const entry of frame.entries) this.#add(entry);
  }

  /** The later frame wins: after a repair an offset may have been given anew. */
  #add({ topicId, partition, batch }: JournalEntry): void {
    const key = `${topicId.toString('hex')}/${partition}`;
    const batches = this.#partitions.get(key) ?? new Map<number, Buffer>();
    this.#partitions.set(key, batches);
    batches.set(batchBaseOffset(batch, 0), batch);
  }
}
