/**
 * Segments on a simulated disk, and the tasks that rewrite them: each output is checked against what rebuildSegment makes of
 * its file, and that its batches are whole and follow on each other.
 */
import type { CompressionType } from '../../src/engine/common/types.ts';
import { DescriptorCache } from '../../src/engine/files/descriptor-cache.ts';
import {
  batchBaseOffset,
  batchDeleteHorizon,
  batchLastOffsetDelta,
  batchNextOffset,
  batchRecordCount,
  batchSize,
  stampBatch,
} from '../../src/engine/format/record-batch.ts';
import { RecordBatchBuilder } from '../../src/engine/format/record-batch-builder.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../../src/engine/format/segment-header.ts';
import { createKeyMap } from '../../src/engine/rewrite/key-map.ts';
import { mapKeys } from '../../src/engine/rewrite/map-keys.ts';
import type {
  CompactionFilter,
  GapRange,
  MapResult,
  RewriteRequest,
  RewriteResult,
  SegmentInput,
} from '../../src/engine/rewrite/rewrite-request.ts';
import { rewriteSegments } from '../../src/engine/rewrite/rewrite-segments.ts';
import { walkBatches } from '../../src/engine/rewrite/segment-walk.ts';
import type { TaskContext } from '../../src/engine/rewrite/task-context.ts';
import { rebuildSegment } from '../../src/engine/segment/segment-files.ts';
import { SimFileSystem } from '../crash/sim-file-system.ts';

/** What the lab checks with: a test, or assertions that throw. */
export interface Checks {
  ok(value: unknown, ...message: [] | [string]): unknown;
  equal(found: unknown, wanted: unknown, ...message: [] | [string]): unknown;
  same(found: unknown, wanted: unknown, ...message: [] | [string]): unknown;
}

export const IDENTITY = { topicId: '0123456789abcdef'.repeat(2), partition: 3 };
export const CREATED_AT = 1_763_700_000_000;
const APPENDED_AT = 1_763_600_000_000;
const INDEX_INTERVAL_BYTES = 256;

export interface LabRecord {
  timestamp: number;
  key: string | null;
  value: string | null;
  headers?: { key: string; value: string | null }[];
}

export interface LabBatch {
  records: LabRecord[];
  codec?: CompressionType;
  producerId?: number;
  transactional?: boolean;
  control?: boolean;
  appendTime?: boolean;
}

export interface StoredRecord extends Required<LabRecord> {
  offset: number;
}

/** What the tests look at of a batch. */
export interface StoredBatch {
  baseOffset: number;
  nextOffset: number;
  records: number;
  horizon: number;
  bytes: Buffer;
}

export function encodeBatch(batch: LabBatch, baseOffset: number): Buffer {
  const builder = new RecordBatchBuilder();
  for (const { timestamp, key, value, headers } of batch.records) builder.add(timestamp, key, value, headers);
  const { bytes } = builder.finish(batch.codec ?? 'none');
  if (batch.producerId !== undefined) {
    bytes.writeBigInt64LE(BigInt(batch.producerId), 56);
    bytes.writeInt32LE(baseOffset % 1000, 64);
    bytes.writeInt16LE(1, 68);
  }
  const bits = (batch.appendTime ? 8 : 0) | (batch.transactional ? 16 : 0) | (batch.control ? 32 : 0);
  bytes.writeUInt16LE(bytes.readUInt16LE(70) | bits, 70);
  stampBatch(bytes, baseOffset, Math.max(0, baseOffset - 1));
  return Buffer.from(bytes);
}

export class RewriteLab {
  readonly files = new SimFileSystem({ maxCalls: 10_000_000 });
  readonly context: TaskContext = { fileSystem: this.files, pace: async () => {} };
  /** Ranges that a repair gave up. */
  readonly gaps: GapRange[] = [];
  /** As it is at the next rewrite. */
  now = CREATED_AT;
  #nextOffset = 0;
  #outputs = 0;

  static async open(): Promise<RewriteLab> {
    const lab = new RewriteLab();
    await lab.files.makeDirectory('/lab');
    return lab;
  }

  /** A segment that goes on where the last one ended; a number in place of a batch is a gap of so many offsets. */
  segment(batches: readonly (LabBatch | number)[]): SegmentInput {
    const baseOffset = this.#nextOffset;
    const header = encodeSegmentHeader({ ...IDENTITY, baseOffset, createdAt: CREATED_AT });
    const parts: Buffer[] = [header];
    for (const batch of batches) {
      if (typeof batch === 'number') {
        this.gaps.push({ first: this.#nextOffset, end: this.#nextOffset + batch });
        this.#nextOffset += batch;
      } else {
        parts.push(encodeBatch(batch, this.#nextOffset));
        this.#nextOffset += batch.records.length;
      }
    }
    const bytes = Buffer.concat(parts);
    const path = `/lab/${String(baseOffset).padStart(20, '0')}.log`;
    this.files.plant(path, bytes);
    return { path, baseOffset, endOffset: this.#nextOffset, bytes: bytes.length, firstAppendAt: APPENDED_AT };
  }

  request(segments: SegmentInput[], options: Partial<RewriteRequest> = {}): RewriteRequest {
    return {
      identity: IDENTITY,
      segments,
      gaps: this.gaps,
      outputPath: `/lab/${this.#outputs++}.rewritten~`,
      createdAt: this.now,
      indexIntervalBytes: INDEX_INTERVAL_BYTES,
      blockBytes: 64 * 1024,
      codec: 'keep',
      logStartOffset: 0,
      filter: undefined,
      ...options,
    };
  }

  map(
    segments: SegmentInput[],
    maxBytes = 65536,
    fromOffset = 0,
  ): Promise<MapResult & { map: SharedArrayBuffer }> {
    const map = createKeyMap(maxBytes);
    const request = { identity: IDENTITY, segments, gaps: this.gaps, fromOffset, map };
    return mapKeys(this.context, request).then((result) => ({ ...result, map }));
  }

  /** Rewrites, checks what came out, and gives it as input for the next time: the input itself when nothing changed. */
  async rewrite(
    t: Checks,
    segments: SegmentInput[],
    options: Partial<RewriteRequest> = {},
  ): Promise<RewriteResult & { segment: SegmentInput }> {
    const request = this.request(segments, options);
    const result = await rewriteSegments(this.context, request);
    const first = segments[0]!;
    if (result.output === undefined) {
      t.equal(segments.length, 1, 'neighbours become one segment');
      t.ok(!this.files.paths().includes(request.outputPath), 'nothing was written');
      return { ...result, segment: first };
    }
    const { stats, offsetIndex, timeIndex } = result.output;
    const cache = new DescriptorCache(this.files, 4, 'read');
    const rebuilt = await rebuildSegment(
      cache,
      request.outputPath,
      first.baseOffset,
      stats.bytes,
      INDEX_INTERVAL_BYTES,
    );
    await cache.close();
    t.same({ ...stats, firstAppendAt: 0 }, { ...rebuilt.stats, firstAppendAt: 0 }, 'counters as rebuilt');
    if (stats.batches > 0) t.equal(stats.firstAppendAt, first.firstAppendAt);
    t.equal(this.files.contents(request.outputPath).length, stats.bytes);
    const encode = (index: { encode(offset: number, position: number): Buffer[] }) =>
      Buffer.concat(index.encode(stats.endOffset, stats.bytes));
    t.ok(encode(rebuilt.indexes.offsets).equals(offsetIndex), 'offset index as rebuilt');
    t.ok(encode(rebuilt.indexes.times).equals(timeIndex), 'time index as rebuilt');
    t.equal(result.bytesWritten, stats.bytes);
    const { endOffset } = segments.at(-1)!;
    const segment = { ...first, path: request.outputPath, endOffset, bytes: stats.bytes };
    await this.batches([segment]);
    return { ...result, segment };
  }

  /** Rounds of mapping and rewriting, each segment by itself, until all keys have been mapped. */
  async compact(
    t: Checks,
    segments: SegmentInput[],
    { mapBytes = 65536, deleteRetentionMs = 1000, ...options }: CompactOptions = {},
  ): Promise<{ segments: SegmentInput[]; rounds: number }> {
    let current = segments;
    let rounds = 0;
    const end = segments.at(-1)!.endOffset;
    for (let from = 0; from < end; rounds++) {
      const dirty = current.filter(({ endOffset }) => endOffset > from);
      const { map, endOffset } = await this.map(dirty, mapBytes, from);
      t.ok(endOffset > from, 'a round gets on');
      const filter: CompactionFilter = { map, mappedEndOffset: endOffset, now: this.now, deleteRetentionMs };
      const next: SegmentInput[] = [];
      for (const segment of current)
        next.push((await this.rewrite(t, [segment], { ...options, filter })).segment);
      current = next;
      from = endOffset;
    }
    return { segments: current, rounds };
  }

  /** All batches; damage, and holes between them, make it fail. */
  async batches(segments: SegmentInput[]): Promise<StoredBatch[]> {
    const found: StoredBatch[] = [];
    const request = { identity: IDENTITY, segments, gaps: this.gaps };
    await walkBatches(this.context, request, (buffer, at) => {
      found.push({
        baseOffset: batchBaseOffset(buffer, at),
        nextOffset: batchNextOffset(buffer, at),
        records: batchRecordCount(buffer, at),
        horizon: batchDeleteHorizon(buffer, at),
        bytes: Buffer.from(buffer.subarray(at, at + batchSize(buffer, at))),
      });
      return batchLastOffsetDelta(buffer, at) >= 0;
    });
    return found;
  }

  async records(segments: SegmentInput[]): Promise<StoredRecord[]> {
    const chunks = (await this.batches(segments)).map(({ bytes }) => bytes);
    const text = (bytes: Buffer | null) => (bytes === null ? null : bytes.toString());
    return decodeRecords(chunks, 0).map(({ offset, timestamp, key, value, headers }) => ({
      offset,
      timestamp,
      key: text(key),
      value: text(value),
      headers: headers.map((header) => ({ key: header.key, value: text(header.value) })),
    }));
  }

  /** Changes one byte of a segment. */
  flip(segment: SegmentInput, position = SEGMENT_HEADER_BYTES + 100): void {
    const bytes = this.files.contents(segment.path);
    bytes[position]! ^= 0x40;
    this.files.plant(segment.path, bytes);
  }
}

export interface CompactOptions extends Partial<RewriteRequest> {
  mapBytes?: number;
  deleteRetentionMs?: number;
}

/** When records of batchOf were made. */
export const T = 1_763_700_000_000;

export const labRecord = (key: string | null, value: string | null, timestamp = T): LabRecord => ({
  timestamp,
  key,
  value,
});

/** A batch of records given as "key=value"; "key=" is a tombstone. */
export function batchOf(...pairs: string[]): LabBatch {
  return {
    records: pairs.map((pair) => {
      const [key, value] = pair.split('=');
      return labRecord(key!, value === '' ? null : value!);
    }),
  };
}

/** Records as "offset key=value". */
export async function contents(lab: RewriteLab, ...segments: SegmentInput[]): Promise<string[]> {
  return (await lab.records(segments)).map(({ offset, key, value }) => `${offset} ${key}=${value ?? ''}`);
}

/** A filter that knows all keys of these segments. */
export async function filterOf(
  lab: RewriteLab,
  segments: SegmentInput[],
  deleteRetentionMs = 0,
): Promise<CompactionFilter> {
  const { map, endOffset } = await lab.map(segments);
  return { map, mappedEndOffset: endOffset, now: lab.now, deleteRetentionMs };
}
