/** Dumping a journal file: its header, then the frames of its present life with the batches in each. */

import { basename } from 'node:path';
import { counted } from '../common/counted.ts';
import { readFully } from '../files/file-operations.ts';
import type { FileHandle } from '../files/file-system.ts';
import { JOURNAL_SUFFIX, parseNumberedName } from '../files/log-file-names.ts';
import { decodeJournalHeader, JOURNAL_HEADER_BYTES, visitEntries } from '../format/journal-format.ts';
import { JournalScanner, type LostFrame, type ScannedFrame } from '../recovery/journal-scanner.ts';
import { batchItem, recordItems } from './dump-batch.ts';
import { type DumpItem, dumpItem } from './dump-item.ts';

export async function* dumpJournal(
  path: string,
  file: FileHandle,
  size: number,
  records: boolean,
): AsyncGenerator<DumpItem> {
  const stored = decodeJournalHeader(await readFully(file, JOURNAL_HEADER_BYTES, 0));
  const sequence = stored ?? parseNumberedName(basename(path), JOURNAL_SUFFIX) ?? 0;
  const scanner = new JournalScanner(file, sequence, size);
  const before = await scanner.endBefore();
  const follows = before === undefined ? '' : `; file ${before.sequence} before it ended at ${before.end}`;
  const facts = before === undefined ? {} : { before };
  if (stored === undefined)
    yield dumpItem('header', `header: BAD${follows}`, { ...facts, checks: 'bad' }, true);
  else
    yield dumpItem('header', `header: sequence ${sequence}, ok${follows}`, {
      sequence,
      ...facts,
      checks: 'ok',
    });
  const total = { frames: 0, batches: 0 };
  for (;;) {
    const frame = await scanner.next();
    if (frame === undefined) break;
    if (frame.kind === 'lost') {
      yield lostFrame(frame);
      continue;
    }
    if (frame.kind === 'unfinished') yield unfinishedFrame(frame);
    yield* frameItems(scanner, frame, records);
    if (frame.kind === 'unfinished') continue;
    total.frames++;
    total.batches += frame.entries - frame.lost;
  }
  yield dumpItem(
    'end',
    `${counted(total.frames, 'frame')}, ${counted(total.batches, 'batch', 'batches')}`,
    total,
  );
}

function lostFrame({ position, end }: LostFrame): DumpItem {
  const line = `bytes ${position} to ${end} are no valid frame`;
  return dumpItem('fault', line, { startPosition: position, endPosition: end, checks: 'bad' }, true);
}

function unfinishedFrame({ position, end }: ScannedFrame): DumpItem {
  const line = `the frame at ${position} is unfinished: its batches do not count`;
  return dumpItem('fault', line, { startPosition: position, endPosition: end, checks: 'unfinished' });
}

function* frameItems(scanner: JournalScanner, frame: ScannedFrame, records: boolean): Generator<DumpItem> {
  const { kind, position, end, bytes, at, entries, lost } = frame;
  const damaged = lost > 0 && kind === 'frame';
  const data = { position, end, batches: entries - lost, lostBatches: lost };
  const missing = lost > 0 ? `, ${counted(lost, 'batch', 'batches')} BAD` : ', ok';
  yield dumpItem(
    'frame',
    `frame at ${position}: ${counted(entries - lost, 'batch', 'batches')}${missing}`,
    data,
    damaged,
  );
  const items: Iterable<DumpItem>[] = [];
  visitEntries(bytes, at, (topicIdAt, partition, batchAt, batchBytes, index) => {
    const owner = { topicId: bytes.toString('hex', topicIdAt, topicIdAt + 16), partition };
    const name = ` topic id ${owner.topicId}, partition ${partition}`;
    if (!scanner.isIntact(index)) {
      const line = `${name}: a batch of ${batchBytes} bytes, BAD`;
      items.push([dumpItem('entry', line, { ...owner, bytes: batchBytes, checks: 'bad' }, damaged)]);
      return;
    }
    const item = batchItem(bytes, batchAt, position + batchAt - at);
    items.push([dumpItem('entry', `${name}: ${item.line}`, { ...owner, ...item.data, kind: 'entry' })]);
    if (records) items.push(recordItems(bytes, batchAt));
  });
  for (const each of items) yield* each;
}
