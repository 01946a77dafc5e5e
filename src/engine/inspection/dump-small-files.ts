/** Dumping the small files: indexes, sidecars and JSON files. */
import { basename } from 'node:path';
import { counted } from '../common/counted.ts';
import { CleanMarker } from '../directory/clean-marker.ts';
import { OFFSET_INDEX_SUFFIX, parseNumberedName, TIME_INDEX_SUFFIX } from '../files/log-file-names.ts';
import { decodeJsonFile } from '../format/json-file.ts';
import { OffsetIndex } from '../format/offset-index.ts';
import { decodeSearchHead, isSearchPart, searchHeadBytes } from '../format/search-file.ts';
import { decodeSidecar, type SidecarKind } from '../format/sidecar.ts';
import { TimeIndex } from '../format/time-index.ts';
import { batchesOf } from '../partition/producer-states.ts';
import { decodeProducers, type ProducersBody } from '../partition/producers-file.ts';
import { type DumpItem, dumpItem, showTime } from './dump-item.ts';

const BASE_OFFSET_AT = 16;

export function* dumpOffsetIndex(path: string, bytes: Buffer): Generator<DumpItem> {
  const stored = OffsetIndex.decode(bytes, baseOffsetOf(path, bytes, OFFSET_INDEX_SUFFIX));
  if (stored === undefined) return yield badHeader();
  const { index, coveredEndOffset, coveredEndPosition } = stored;
  yield indexHeader(index.entries, coveredEndOffset, coveredEndPosition);
  for (let i = 0; i < index.entries; i++) {
    const { offset, position } = index.entry(i);
    yield dumpItem('entry', `offset ${offset} at ${position}`, { offset, position });
  }
}

export function* dumpTimeIndex(path: string, bytes: Buffer): Generator<DumpItem> {
  const stored = TimeIndex.decode(bytes, baseOffsetOf(path, bytes, TIME_INDEX_SUFFIX));
  if (stored === undefined) return yield badHeader();
  const { index, coveredEndOffset, coveredEndPosition } = stored;
  yield indexHeader(index.entries, coveredEndOffset, coveredEndPosition);
  for (let i = 0; i < index.entries; i++) {
    const { timestamp, offset } = index.entry(i);
    const time = showTime(timestamp);
    yield dumpItem('entry', `up to ${time} until offset ${offset}`, { timestamp: time, offset });
  }
}

/** From the name; from the file itself where it has another name by now. */
function baseOffsetOf(path: string, bytes: Buffer, suffix: string): number {
  const named = parseNumberedName(basename(path), suffix);
  if (named !== undefined || bytes.length < BASE_OFFSET_AT + 8) return named ?? 0;
  return Number(bytes.readBigUInt64LE(BASE_OFFSET_AT));
}

function indexHeader(entries: number, coveredEndOffset: number, coveredEndPosition: number): DumpItem {
  const line = `header: ${counted(entries, 'entry', 'entries')} for the log below offset ${coveredEndOffset}, position ${coveredEndPosition}, ok`;
  return dumpItem('header', line, { entries, coveredEndOffset, coveredEndPosition, checks: 'ok' });
}

const badHeader = () => dumpItem('header', 'the file fails its checks', { checks: 'bad' }, true);

export function* dumpSearchFile(bytes: Buffer): Generator<DumpItem> {
  const head = decodeSearchHead(bytes.subarray(0, searchHeadBytes(bytes) ?? 0));
  if (typeof head === 'string') return yield badHeader();
  const { topicId, partition, baseOffset, endOffset, bytes: segmentBytes, createdAt } = head.identity;
  const made = showTime(createdAt);
  const line = `header: of topic id ${topicId}, partition ${partition}, offsets ${baseOffset} to ${endOffset} (exclusive), ${segmentBytes} bytes, made ${made}, ok`;
  yield dumpItem('header', line, { ...head.identity, createdAt: made, checks: 'ok' });
  for (const [i, part] of head.parts.entries()) {
    const { position, length } = part;
    const isWell = isSearchPart(head, part, bytes.subarray(position, position + length));
    const checks = isWell ? 'ok' : 'bad';
    const text = `part ${i}: ${length} bytes at ${position}, ${isWell ? 'ok' : 'fails its checks'}`;
    yield dumpItem('entry', text, { part: i, position, bytes: length, checks }, !isWell);
  }
}

export function* dumpSidecar(kind: SidecarKind, bytes: Buffer): Generator<DumpItem> {
  const body = decodeSidecar<unknown>(kind, bytes);
  if (body === undefined) return yield badHeader();
  yield dumpItem('header', 'header: ok', { checks: 'ok' });
  const marker = kind === 'clean' ? CleanMarker.decode(bytes) : undefined;
  if (marker === undefined) return yield* fieldItems(body);
  for (const [topicId, partition] of marker.partitions()) {
    const state = marker.get(topicId, partition)!;
    const { logStartOffset, logEndOffset, segments } = state;
    const line = `topic id ${topicId}, partition ${partition}: log start offset ${logStartOffset}, log end offset ${logEndOffset}, segments: ${segments.length}`;
    yield dumpItem('entry', line, { topicId, partition, ...state });
  }
}

export function* dumpProducers(bytes: Buffer): Generator<DumpItem> {
  const snapshot = decodeProducers(bytes);
  if (snapshot === undefined) return yield badHeader();
  const { topicId, partition, offset } = decodeSidecar<ProducersBody>('producers', bytes)!;
  const of = `topic id ${topicId}, partition ${partition}, for the log below offset ${offset}`;
  yield dumpItem('header', `header: ${of}, ok`, { topicId, partition, offset, checks: 'ok' });
  for (const state of snapshot.producers()) {
    const { id, epoch, appendedAt } = state;
    const batches = batchesOf(state);
    const time = showTime(appendedAt);
    const list = batches.map(
      ({ baseSequence, baseOffset, count }) => `sequence ${baseSequence} at ${baseOffset} (${count})`,
    );
    const line = `producer ${id}, epoch ${epoch}, appended ${time}: ${list.join(', ')}`;
    yield dumpItem('entry', line, { producerId: id, epoch, appendedAt: time, batches });
  }
  for (const {
    id,
    appendedAt,
    fingerprint,
    partitions,
    baseOffset,
    count,
    maxTimestamp,
  } of snapshot.keys()) {
    const time = showTime(appendedAt);
    const line = `idempotency key ${id}, fingerprint ${fingerprint}, over ${counted(partitions, 'partition')}, appended ${time}: at ${baseOffset} (${count})`;
    const place = { baseOffset, count, maxTimestamp };
    yield dumpItem('entry', line, { keyId: id, fingerprint, partitions, appendedAt: time, ...place });
  }
}

export function* dumpJson(bytes: Buffer): Generator<DumpItem> {
  const fields = decodeJsonFile(bytes);
  if (typeof fields === 'string') {
    yield dumpItem(
      'header',
      `the file fails its checks: ${fields}`,
      { checks: 'bad', message: fields },
      true,
    );
    return;
  }
  yield dumpItem('header', 'header: ok', { checks: 'ok' });
  yield* fieldItems(fields);
}

function* fieldItems(body: unknown): Generator<DumpItem> {
  const fields = typeof body === 'object' && body !== null ? body : { value: body };
  for (const [name, value] of Object.entries(fields))
    yield dumpItem('body', `${name}: ${JSON.stringify(value)}`, { [name]: value });
}
