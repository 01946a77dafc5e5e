/**
 * The two sides of bench/compaction.ts in a worker thread: compaction's tasks, and a bare copy that reads, checksums and writes
 * the same files. Told `{ work, … }`, it does that and answers with the seconds it took, or with an error's text.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { parentPort } from 'node:worker_threads';
import type * as XxhashAddon from 'xxhash-addon';
import { nodeFileSystem } from '../src/engine/index.ts';
import { createKeyMap } from '../src/engine/rewrite/key-map.ts';
import { mapKeys } from '../src/engine/rewrite/map-keys.ts';
import type { RewriteRequest, RewriteResult, SegmentInput } from '../src/engine/rewrite/rewrite-request.ts';
import { rewriteSegments } from '../src/engine/rewrite/rewrite-segments.ts';
import { MIB } from './workload.ts';

export interface Work {
  /** `copy` syncs as compaction does, every 4 MiB and at the end; `bare-copy` never. */
  kind: 'compact' | 'recompress' | 'copy' | 'bare-copy';
  segments: SegmentInput[];
  mapBytes: number;
  blockBytes: number;
}

export interface Done {
  seconds: number;
  recordsRead: number;
  recordsKept: number;
  bytesWritten: number;
  peakMib: number;
}

export const IDENTITY = { topicId: '0'.repeat(32), partition: 0 };
const SYNC_EVERY_BYTES = 4 * MIB;
const { XXHash3 } = createRequire(import.meta.url)('xxhash-addon') as typeof XxhashAddon;
const context = { fileSystem: nodeFileSystem, pace: async () => {} };
let map: SharedArrayBuffer | undefined;

parentPort?.on('message', (work: Work) => {
  run(work).then(
    (done) => parentPort!.postMessage(done),
    (error) => parentPort!.postMessage(String(error)),
  );
});

async function run(work: Work): Promise<Done> {
  const done: Done = { seconds: 0, recordsRead: 0, recordsKept: 0, bytesWritten: 0, peakMib: 0 };
  const start = performance.now();
  if (work.kind === 'compact') await compact(work, done);
  else if (work.kind === 'recompress')
    for (const segment of work.segments) await rewrite(work, segment, 'zstd', undefined, done);
  else for (const { path } of work.segments) copy(path, work.kind === 'copy');
  done.seconds = (performance.now() - start) / 1000;
  done.peakMib = process.resourceUsage().maxRSS / 1024;
  if (work.kind !== 'recompress')
    for (const { path } of work.segments) fs.rmSync(`${path}~`, { force: true });
  return done;
}

async function compact(work: Work, done: Done): Promise<void> {
  const { segments } = work;
  map ??= createKeyMap(work.mapBytes);
  const { endOffset } = await mapKeys(context, {
    identity: IDENTITY,
    segments,
    gaps: [],
    fromOffset: 0,
    map,
  });
  if (endOffset !== segments.at(-1)!.endOffset) throw new Error('the key map is too small');
  const filter = { map, mappedEndOffset: endOffset, now: Date.now(), deleteRetentionMs: 1000 };
  for (const segment of segments) await rewrite(work, segment, 'keep', filter, done);
}

async function rewrite(
  { blockBytes }: Work,
  segment: SegmentInput,
  codec: RewriteRequest['codec'],
  filter: RewriteRequest['filter'],
  done: Done,
): Promise<RewriteResult> {
  const result = await rewriteSegments(context, {
    identity: IDENTITY,
    segments: [segment],
    gaps: [],
    outputPath: `${segment.path}~`,
    createdAt: Date.now(),
    indexIntervalBytes: 4096,
    blockBytes,
    codec,
    logStartOffset: 0,
    filter,
  });
  done.recordsRead += result.recordsRead;
  done.recordsKept += result.recordsKept;
  done.bytesWritten += result.bytesWritten;
  return result;
}

function copy(path: string, syncs: boolean): void {
  const buffer = Buffer.allocUnsafeSlow(MIB);
  const from = fs.openSync(path, 'r');
  const to = fs.openSync(`${path}~`, 'w');
  for (let position = 0, unsynced = 0; ; ) {
    const length = fs.readSync(from, buffer, 0, MIB, position);
    if (length === 0) break;
    XXHash3.hash(buffer.subarray(0, length));
    fs.writeSync(to, buffer, 0, length, position);
    position += length;
    unsynced += length;
    if (syncs && unsynced >= SYNC_EVERY_BYTES) {
      fs.fdatasyncSync(to);
      unsynced = 0;
    }
  }
  if (syncs) fs.fdatasyncSync(to);
  fs.closeSync(from);
  fs.closeSync(to);
}
