/** All that a journal file holds, as lists. */
import { type JournalEntry, visitEntries } from '../../src/engine/format/journal-format.ts';
import { JournalScanner, type LostFrame } from '../../src/engine/recovery/journal-scanner.ts';
import { memoryFile } from './memory-file.ts';

interface ReadFrame {
  position: number;
  end: number;
  /** Those whose batch is intact. */
  entries: JournalEntry[];
  lost: number;
}

export interface JournalContent {
  frames: ReadFrame[];
  lost: LostFrame[];
  unfinished: ReadFrame | undefined;
}

export async function journalContent(
  file: Buffer,
  sequence: number,
  knownEnd?: number,
): Promise<JournalContent> {
  const scanner = new JournalScanner(memoryFile(file), sequence, file.length, knownEnd);
  const content: JournalContent = { frames: [], lost: [], unfinished: undefined };
  for (;;) {
    const frame = await scanner.next();
    if (frame === undefined) return content;
    if (frame.kind === 'lost') {
      content.lost.push(frame);
      continue;
    }
    const { position, end, bytes, at, lost } = frame;
    const entries: JournalEntry[] = [];
    visitEntries(bytes, at, (topicIdAt, partition, batchAt, batchBytes, index) => {
      if (!scanner.isIntact(index)) return;
      const topicId = Buffer.from(bytes.subarray(topicIdAt, topicIdAt + 16));
      entries.push({ topicId, partition, batch: Buffer.from(bytes.subarray(batchAt, batchAt + batchBytes)) });
    });
    const read = { position, end, entries, lost };
    if (frame.kind === 'unfinished') content.unfinished = read;
    else content.frames.push(read);
  }
}
