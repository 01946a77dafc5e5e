/** Dumping a segment: its header, then batch after batch. Behind damage it goes on where valid batches go on. */
import { basename } from 'node:path';
import { counted } from '../common/counted.ts';
import { readFully } from '../files/file-operations.ts';
import type { FileHandle } from '../files/file-system.ts';
import { parseNumberedName, parseSwapName, SEGMENT_SUFFIX } from '../files/log-file-names.ts';
import {
  BATCH_HEADER_BYTES,
  type BatchFault,
  batchNextOffset,
  batchRecordCount,
  batchSize,
} from '../format/record-batch.ts';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import { SegmentScanner } from '../segment/segment-scanner.ts';
import { batchItem, hasHeader, recordItems } from './dump-batch.ts';
import { type DumpItem, dumpItem, showTime } from './dump-item.ts';

export async function* dumpSegment(
  path: string,
  file: FileHandle,
  size: number,
  records: boolean,
): AsyncGenerator<DumpItem> {
  const header = await readFully(file, SEGMENT_HEADER_BYTES, 0);
  yield headerItem(header);
  const name = basename(path);
  const named = parseNumberedName(name, SEGMENT_SUFFIX) ?? parseSwapName(name)?.baseOffset ?? 0;
  const scanner = new SegmentScanner(file, SEGMENT_HEADER_BYTES, size);
  let expected = named;
  const total = { batches: 0, records: 0, damagedBytes: 0 };
  for (;;) {
    const batch = await scanner.peek();
    if (batch === null) break;
    if (batch.fault === null) {
      const { buffer, at } = batch;
      yield batchItem(buffer, at, scanner.position);
      if (records) yield* recordItems(buffer, at);
      expected = Math.max(expected, batchNextOffset(buffer, at));
      total.batches++;
      total.records += batchRecordCount(buffer, at);
      scanner.skip(batch);
      continue;
    }
    const next = await scanner.findNext(expected - 1);
    const found = next < 0 ? size : next;
    const { item, end } = await faultItem(file, scanner.position, found, batch.fault);
    yield item;
    total.damagedBytes += end - scanner.position;
    scanner.position = end;
  }
  const damage = total.damagedBytes > 0 ? `, ${counted(total.damagedBytes, 'byte')} damaged` : '';
  yield dumpItem(
    'end',
    `${counted(total.batches, 'batch', 'batches')}, ${counted(total.records, 'record')}${damage}`,
    total,
  );
}

function headerItem(bytes: Buffer): DumpItem {
  const header = decodeSegmentHeader(bytes);
  if (typeof header === 'string')
    return dumpItem('header', `header: BAD ${header}`, { checks: header }, true);
  const { topicId, partition, baseOffset, createdAt } = header;
  const line = `header: topic id ${topicId}, partition ${partition}, base offset ${baseOffset}, made ${showTime(createdAt)}, ok`;
  return dumpItem('header', line, {
    topicId,
    partition,
    baseOffset,
    createdAt: showTime(createdAt),
    checks: 'ok',
  });
}

/** Bytes that are no valid batch: one whose header makes sense, as it claims to be, or all up to where one is `found`. */
async function faultItem(
  file: FileHandle,
  position: number,
  found: number,
  fault: BatchFault,
): Promise<{ item: DumpItem; end: number }> {
  const header = await readFully(file, BATCH_HEADER_BYTES, position);
  if ((fault === 'checksum' || fault === 'fields') && hasHeader(header, 0)) {
    const end = position + batchSize(header, 0);
    if (end <= found) return { item: batchItem(header, 0, position, fault), end };
  }
  const bytes = found - position;
  const line = `bytes ${position} to ${found} (${counted(bytes, 'byte')}) are no valid batch: ${fault}`;
  const data = { startPosition: position, endPosition: found, bytes, checks: fault };
  return { item: dumpItem('fault', line, data, true), end: found };
}
