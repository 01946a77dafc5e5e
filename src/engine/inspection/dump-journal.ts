/** Dumping a journal file: its header, then the frames of its present life with the batches in each. */
import { basename } from 'node:path';
import { JOURNAL_SUFFIX, parseNumberedName } from '../files/log-file-names.ts';
import {
  type DamagedFrame,
  decodeJournal,
  decodeJournalHeader,
  type JournalFrame,
  type LostEntry,
} from '../format/journal-format.ts';
import { batchItem, recordItems } from './dump-batch.ts';
import { type DumpItem, dumpItem } from './dump-item.ts';

export function* dumpJournal(path: string, bytes: Buffer, records: boolean): Generator<DumpItem> {
  const stored = decodeJournalHeader(bytes);
  const sequence = stored ?? parseNumberedName(basename(path), JOURNAL_SUFFIX) ?? 0;
  if (stored === undefined) yield dumpItem('header', 'header: BAD', { checks: 'bad' }, true);
  else yield dumpItem('header', `header: sequence ${sequence}, ok`, { sequence, checks: 'ok' });
  const { frames, damaged, unfinished } = decodeJournal(bytes, sequence);
  const unreadable = damaged.filter(({ lost }) => lost === null);
  for (const frame of frames) {
    while (unreadable.length > 0 && unreadable[0]!.position < frame.position)
      yield damagedFrame(unreadable.shift()!);
    yield* frameItems(frame, bytes, frame.lost.length > 0, records);
  }
  if (unfinished !== undefined) {
    yield dumpItem('fault', `the frame at ${unfinished.position} is unfinished: its batches do not count`, {
      startPosition: unfinished.position,
      endPosition: unfinished.end,
      checks: 'unfinished',
    });
    yield* frameItems(unfinished, bytes, false, records);
  }
  const batches = frames.reduce((sum, { entries }) => sum + entries.length, 0);
  yield dumpItem('end', `${frames.length} frames, ${batches} batches`, { frames: frames.length, batches });
}

function damagedFrame({ position, end }: DamagedFrame): DumpItem {
  const line = `bytes ${position} to ${end} are no valid frame`;
  return dumpItem('fault', line, { startPosition: position, endPosition: end, checks: 'bad' }, true);
}

function* frameItems(
  frame: JournalFrame,
  file: Buffer,
  damaged: boolean,
  records: boolean,
): Generator<DumpItem> {
  const { position, end, entries, lost } = frame;
  const data = { position, end, batches: entries.length, lostBatches: lost.length };
  const missing = lost.length > 0 ? `, ${lost.length} batches BAD` : ', ok';
  yield dumpItem('frame', `frame at ${position}: ${entries.length} batches${missing}`, data, damaged);
  for (const { topicId, partition, batch } of entries) {
    const owner = { topicId: topicId.toString('hex'), partition };
    const item = batchItem(batch, 0, batch.byteOffset - file.byteOffset);
    const line = ` topic id ${owner.topicId}, partition ${partition}: ${item.line}`;
    yield dumpItem('entry', line, { ...owner, ...item.data, kind: 'entry' });
    if (records) yield* recordItems(batch, 0);
  }
  for (const entry of lost) yield lostItem(entry, damaged);
}

function lostItem({ topicId, partition, bytes }: LostEntry, damaged: boolean): DumpItem {
  const owner = { topicId: topicId.toString('hex'), partition };
  const line = ` topic id ${owner.topicId}, partition ${partition}: a batch of ${bytes} bytes, BAD`;
  return dumpItem('entry', line, { ...owner, bytes, checks: 'bad' }, damaged);
}
