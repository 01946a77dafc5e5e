/** Batches and their records as dump shows them, for segments and for the journal. */
import { isUtf8 } from 'node:buffer';
import { counted } from '../common/counted.ts';
import { isSeglogError } from '../common/errors.ts';
import {
  BATCH_HEADER_BYTES,
  type BatchFault,
  batchAttributes,
  batchBaseOffset,
  batchBaseTimestamp,
  batchDurableFloor,
  batchLastOffset,
  batchMaxTimestamp,
  batchRecordCount,
  batchSize,
  batchUncompressedBytes,
  COMPRESSION_TYPES,
} from '../format/record-batch.ts';
import { decodeHeaders, visitRecords } from '../format/record-batch-reader.ts';
import { conditionsOf } from '../partition/append-conditions.ts';
import { type DumpItem, dumpItem, showTime } from './dump-item.ts';

/** A batch by its header. With a fault the header is shown for what it claims. */
export function batchItem(
  buffer: Buffer,
  at: number,
  position: number,
  fault: BatchFault | null = null,
): DumpItem {
  const data = {
    position,
    bytes: batchSize(buffer, at),
    baseOffset: batchBaseOffset(buffer, at),
    lastOffset: batchLastOffset(buffer, at),
    records: batchRecordCount(buffer, at),
    baseTimestamp: showTime(batchBaseTimestamp(buffer, at)),
    maxTimestamp: showTime(batchMaxTimestamp(buffer, at)),
    codec: COMPRESSION_TYPES[batchAttributes(buffer, at) & 0b111] ?? 'unknown',
    uncompressedBytes: batchUncompressedBytes(buffer, at),
    durableFloor: batchDurableFloor(buffer, at),
    ...originOf(buffer, at),
    checks: fault ?? 'ok',
  };
  const line =
    `batch at ${position}: offsets ${data.baseOffset}-${data.lastOffset}, ${counted(data.records, 'record')}, ${counted(data.bytes, 'byte')}, ` +
    `${data.baseTimestamp} to ${data.maxTimestamp}, ${data.codec}, floor ${data.durableFloor}, ${showOrigin(data)}` +
    (fault === null ? 'ok' : `BAD ${fault}`);
  return dumpItem('batch', line, data, fault !== null);
}

/** Whose a batch is, where its header says so. */
interface BatchOrigin {
  producerId?: number;
  epoch?: number;
  sequence?: number;
  keyId?: number;
  fingerprint?: number;
  partitions?: number;
}

function originOf(buffer: Buffer, at: number): BatchOrigin {
  const conditions = conditionsOf(buffer, at);
  if (conditions?.producer !== undefined) {
    const { id, epoch, sequence } = conditions.producer;
    return { producerId: id, epoch, sequence };
  }
  if (conditions?.request === undefined) return {};
  const { id, fingerprint, partitions } = conditions.request;
  return { keyId: id, fingerprint, partitions };
}

function showOrigin({ producerId, epoch, sequence, keyId, fingerprint, partitions }: BatchOrigin): string {
  if (producerId !== undefined) return `producer ${producerId} epoch ${epoch} sequence ${sequence}, `;
  if (keyId === undefined) return '';
  return `idempotency key ${keyId} fingerprint ${fingerprint} over ${counted(partitions!, 'partition')}, `;
}

/** Bytes that a header takes; with fewer there is nothing to show. */
export const hasHeader = (buffer: Buffer, at: number) => buffer.length - at >= BATCH_HEADER_BYTES;

/** The records of a checked batch, and what is wrong with them if they cannot be decoded. */
export function recordItems(buffer: Buffer, at: number): DumpItem[] {
  const items: DumpItem[] = [];
  try {
    visitRecords(
      buffer.subarray(at, at + batchSize(buffer, at)),
      0,
      (offset, timestamp, bytes, keyStart, keyEnd, valueStart, valueEnd, headersStart) => {
        const key = keyStart < 0 ? null : bytes.subarray(keyStart, keyEnd);
        const value = valueStart < 0 ? null : bytes.subarray(valueStart, valueEnd);
        items.push(recordItem(offset, timestamp, key, value, bytes, headersStart));
      },
    );
  } catch (error) {
    if (!isSeglogError(error)) throw error;
    items.push(
      dumpItem('fault', `  records cannot be read: ${error.message}`, { message: error.message }, true),
    );
  }
  return items;
}

function recordItem(
  offset: number,
  timestamp: number,
  key: Buffer | null,
  value: Buffer | null,
  bytes: Buffer,
  headersStart: number,
): DumpItem {
  const headers = decodeHeaders(bytes, headersStart);
  const time = showTime(timestamp);
  const line = [
    `  record ${offset}, ${time}, key ${quoted(key)}, value ${quoted(value)}`,
    ...headers.map((header) => `${JSON.stringify(header.key)}=${quoted(header.value)}`),
  ].join(', ');
  return dumpItem('record', line, {
    offset,
    timestamp: time,
    ...named('key', key),
    ...named('value', value),
    headers: headers.map((header) => ({ key: header.key, ...named('value', header.value) })),
  });
}

/** Bytes under a name: text where they are UTF-8, else base64, which a second field tells. */
function named(name: string, bytes: Buffer | null): Record<string, string | null> {
  if (bytes === null) return { [name]: null };
  if (isUtf8(bytes)) return { [name]: bytes.toString('utf8') };
  return { [name]: bytes.toString('base64'), [`${name}Encoding`]: 'base64' };
}

function quoted(bytes: Buffer | null): string {
  if (bytes === null) return 'null';
  return isUtf8(bytes) ? JSON.stringify(bytes.toString('utf8')) : `base64:${bytes.toString('base64')}`;
}
