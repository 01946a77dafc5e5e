/**
 * The snapshot of what a partition remembers of appends that may be sent again (partition-producers.ts): a small file that is
 * replaced as one step. It speaks of the log below its offset; what came after is found in the headers of batches. Without it
 * all is, as far as the log still has the batches.
 *
 * It is a sidecar whose body has two arrays of bytes, rows one behind the other, little-endian:
 *
 *     producer                                  idempotency key
 *       0   u64  producer id                      0   u64  the first 53 bits of the key's SHA-256
 *       8   i64  when it last appended            8   u64  base offset of its batch
 *       16  u16  epoch                            16  i64  max timestamp of the batch
 *       18  u16  batches that follow, 1 to 5      24  i64  when it was appended
 *       20  for each, oldest first:               32  u32  count of offsets of the batch
 *           u64  base offset                      36  u32  fingerprint of the request
 *           i64  max timestamp                    40  u32  partitions over which it was spread
 *           u32  base sequence
 *           u32  count of offsets
 */
import { type FileContent, readWholeFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { producersPath } from '../files/log-file-names.ts';
import { readI64, readU64, writeI64, writeU64 } from '../format/integers.ts';
import { decodeSidecar, encodeLargeSidecar } from '../format/sidecar.ts';
import type { PartitionIdentity } from '../segment/segment-identity.ts';
import type { StoredAppend } from './append-conditions.ts';
import { type IdempotencyKeys, MAX_REQUEST_PARTITIONS, type StoredRequest } from './idempotency-keys.ts';
import {
  batchesOf,
  isBelow,
  type ProducerState,
  type ProducerStates,
  REMEMBERED_BATCHES,
  stateBelow,
} from './producer-states.ts';

const PRODUCER_BYTES = 20;
const BATCH_BYTES = 24;
const KEY_BYTES = 44;
/** Encoded in one go: a millisecond's work. */
const ROWS_AT_ONCE = 4096;
const MAX_U31 = 2 ** 31 - 1;
const MAX_EPOCH = 2 ** 15 - 1;

export interface ProducersBody extends PartitionIdentity {
  offset: number;
  producers: Uint8Array;
  keys: Uint8Array;
}

/** What a snapshot says; it was checked whole. */
export class ProducersSnapshot {
  /** It speaks of the log below. */
  readonly offset: number;
  /** Of its file. */
  readonly bytes: number;
  readonly #producers: Buffer;
  readonly #keys: Buffer;

  constructor({ offset, producers, keys }: ProducersBody, bytes: number) {
    this.offset = offset;
    this.bytes = bytes;
    this.#producers = asBuffer(producers);
    this.#keys = asBuffer(keys);
  }

  /** In the order of their last appends. */
  *producers(): Generator<ProducerState> {
    const rows = this.#producers;
    for (let at = 0; at < rows.length; ) {
      const count = rows.readUInt16LE(at + 18);
      const state: ProducerState = {
        id: readU64(rows, at),
        epoch: rows.readUInt16LE(at + 16),
        appendedAt: readI64(rows, at + 8),
        batches: [],
        displaced: undefined,
        round: 0,
      };
      at += PRODUCER_BYTES;
      for (let i = 0; i < count; i++, at += BATCH_BYTES)
        state.batches.push(
          rows.readUInt32LE(at + 16),
          rows.readUInt32LE(at + 20),
          readU64(rows, at),
          readI64(rows, at + 8),
        );
      yield state;
    }
  }

  /** In the order in which they were appended. */
  *keys(): Generator<StoredRequest> {
    const rows = this.#keys;
    for (let at = 0; at < rows.length; at += KEY_BYTES)
      yield {
        id: readU64(rows, at),
        baseOffset: readU64(rows, at + 8),
        maxTimestamp: readI64(rows, at + 16),
        appendedAt: readI64(rows, at + 24),
        count: rows.readUInt32LE(at + 32),
        fingerprint: rows.readUInt32LE(at + 36),
        partitions: rows.readUInt32LE(at + 40),
      };
  }

  /** Whether all of it is what may stand there. */
  isSound(): boolean {
    for (const state of this.producers()) {
      if (!isSafe(state.id, state.appendedAt) || state.epoch > MAX_EPOCH) return false;
      for (const batch of batchesOf(state))
        if (batch.baseSequence > MAX_U31 || !this.#isSoundBatch(batch)) return false;
    }
    for (const key of this.keys()) {
      const { id, appendedAt, fingerprint, partitions } = key;
      if (!isSafe(id, appendedAt) || !this.#isSoundBatch(key)) return false;
      if (fingerprint > MAX_U31 || partitions < 1 || partitions > MAX_REQUEST_PARTITIONS) return false;
    }
    return true;
  }

  #isSoundBatch({ baseOffset, maxTimestamp, count }: StoredAppend): boolean {
    return isSafe(baseOffset, maxTimestamp) && count >= 1 && baseOffset + count <= this.offset;
  }
}

const isSafe = (a: number, b: number): boolean => Number.isSafeInteger(a) && Number.isSafeInteger(b);

/** Undefined when there is none. Throws UNSUPPORTED_VERSION. */
export async function readProducers(
  fileSystem: FileSystem,
  partitionDir: string,
  owner: PartitionIdentity,
): Promise<ProducersSnapshot | 'damaged' | undefined> {
  const bytes = await readWholeFile(fileSystem, producersPath(partitionDir));
  return bytes === undefined ? undefined : (decodeProducers(bytes, owner) ?? 'damaged');
}

/** Undefined when it is damaged, or not of `owner`. */
export function decodeProducers(bytes: Buffer, owner?: PartitionIdentity): ProducersSnapshot | undefined {
  const body = decodeSidecar<ProducersBody>('producers', bytes);
  if (!isProducersBody(body)) return undefined;
  if (owner !== undefined && (body.topicId !== owner.topicId || body.partition !== owner.partition))
    return undefined;
  const snapshot = new ProducersSnapshot(body, bytes.length);
  return snapshot.isSound() ? snapshot : undefined;
}

function isProducersBody(value: unknown): value is ProducersBody {
  if (typeof value !== 'object' || value === null) return false;
  const { offset, producers, keys } = value as ProducersBody;
  return (
    Number.isSafeInteger(offset) &&
    offset >= 0 &&
    producers instanceof Uint8Array &&
    hasWholeProducers(asBuffer(producers)) &&
    keys instanceof Uint8Array &&
    keys.length % KEY_BYTES === 0
  );
}

function hasWholeProducers(rows: Buffer): boolean {
  let at = 0;
  while (at + PRODUCER_BYTES <= rows.length) {
    const count = rows.readUInt16LE(at + 18);
    if (count < 1 || count > REMEMBERED_BATCHES) return false;
    at += PRODUCER_BYTES + count * BATCH_BYTES;
  }
  return at === rows.length;
}

/**
 * What is remembered of the log below `offset`. It may be much: `pause` is awaited between pieces of the work, and what comes
 * meanwhile lies behind the offset.
 */
export async function producersFile(
  partitionDir: string,
  { topicId, partition }: PartitionIdentity,
  offset: number,
  states: ProducerStates,
  keys: IdempotencyKeys,
  pause: () => Promise<void>,
): Promise<FileContent> {
  const large = {
    producers: await encodeProducers(states, offset, pause),
    keys: await encodeKeys(keys, offset, pause),
  };
  const buffers = await encodeLargeSidecar('producers', { topicId, partition, offset }, large, pause);
  return { path: producersPath(partitionDir), buffers };
}

async function encodeProducers(
  states: ProducerStates,
  offset: number,
  pause: () => Promise<void>,
): Promise<Buffer> {
  // Those that come meanwhile are not of the log below the offset.
  const rows = Buffer.allocUnsafe(states.size * (PRODUCER_BYTES + REMEMBERED_BATCHES * BATCH_BYTES));
  let end = 0;
  let count = 0;
  for (const state of states.eachOnce()) {
    end = encodeProducer(rows, end, state, offset);
    if (++count % ROWS_AT_ONCE === 0) await pause();
  }
  return rows.subarray(0, end);
}

/** Where the next one goes. */
function encodeProducer(rows: Buffer, start: number, state: ProducerState, offset: number): number {
  if (isBelow(state, offset)) return encodeNumbers(rows, start, state);
  const below = stateBelow(state, offset);
  if (below === undefined) return start;
  let at = start + PRODUCER_BYTES;
  for (const { baseOffset, maxTimestamp, baseSequence, count: offsets } of below.batches) {
    writeU64(rows, at, baseOffset);
    writeI64(rows, at + 8, maxTimestamp);
    rows.writeUInt32LE(baseSequence, at + 16);
    rows.writeUInt32LE(offsets, at + 20);
    at += BATCH_BYTES;
  }
  writeU64(rows, start, state.id);
  writeI64(rows, start + 8, state.appendedAt);
  rows.writeUInt16LE(below.epoch, start + 16);
  rows.writeUInt16LE(below.batches.length, start + 18);
  return at;
}

/** As most are: all of their batches, which need not become objects for that. */
function encodeNumbers(
  rows: Buffer,
  start: number,
  { id, epoch, appendedAt, batches }: ProducerState,
): number {
  let at = start + PRODUCER_BYTES;
  for (let i = 0; i < batches.length; i += 4, at += BATCH_BYTES) {
    writeU64(rows, at, batches[i + 2]!);
    writeI64(rows, at + 8, batches[i + 3]!);
    rows.writeUInt32LE(batches[i]!, at + 16);
    rows.writeUInt32LE(batches[i + 1]!, at + 20);
  }
  writeU64(rows, start, id);
  writeI64(rows, start + 8, appendedAt);
  rows.writeUInt16LE(epoch, start + 16);
  rows.writeUInt16LE(batches.length / 4, start + 18);
  return at;
}

async function encodeKeys(
  keys: IdempotencyKeys,
  offset: number,
  pause: () => Promise<void>,
): Promise<Buffer> {
  const rows = Buffer.allocUnsafe(keys.size * KEY_BYTES);
  const nextRow = keys.nextRow;
  let end = 0;
  // Those in front may expire meanwhile.
  for (let row = keys.firstRow; row < nextRow; row = Math.max(row + 1, keys.firstRow)) {
    const key = keys.at(row);
    if (key !== undefined && key.baseOffset >= offset) break;
    if (key !== undefined) end = encodeKey(rows, end, key);
    if (row % ROWS_AT_ONCE === ROWS_AT_ONCE - 1) await pause();
  }
  return rows.subarray(0, end);
}

function encodeKey(rows: Buffer, at: number, key: StoredRequest): number {
  writeU64(rows, at, key.id);
  writeU64(rows, at + 8, key.baseOffset);
  writeI64(rows, at + 16, key.maxTimestamp);
  writeI64(rows, at + 24, key.appendedAt);
  rows.writeUInt32LE(key.count, at + 32);
  rows.writeUInt32LE(key.fingerprint, at + 36);
  rows.writeUInt32LE(key.partitions, at + 40);
  return at + KEY_BYTES;
}

const asBuffer = ({ buffer, byteOffset, length }: Uint8Array) => Buffer.from(buffer, byteOffset, length);
