/**
 * Question: how fast is compaction in a worker thread, as a share of a bare copy of the same files that reads, checksums and
 * writes them; and how small does recompression make real log events?
 *
 * Compaction is both of its tasks, map and rewrite, over uncompressed records in batches of 64 KiB, once with most of the
 * records staying and once with few. The copy syncs as often as compaction does; one that never syncs stands beside it. Files
 * are in the page cache. The size is compared with `zstd -3` of the same log, uncompressed, as one file.
 */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { constants, zstdCompressSync } from 'node:zlib';
import { stampBatch } from '../src/engine/format/record-batch.ts';
import { RecordBatchBuilder } from '../src/engine/format/record-batch-builder.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../src/engine/format/segment-header.ts';
import type { SegmentInput } from '../src/engine/rewrite/rewrite-request.ts';
import { type Done, IDENTITY, type Work } from './compaction-worker.ts';
import { atLeast, type Bench, below, benchmark, figure, type Row, rowOf, type Side } from './harness.ts';
import { KIB, MIB } from './workload.ts';

const MAP_BYTES = 128 * MIB;
const BATCH_BYTES = 64 * KIB;
const SEGMENT_BYTES = 64 * MIB;
const ROUNDS = 5;

await benchmark('compaction', async (bench) => {
  const worker = new Worker(new URL('./compaction-worker.ts', import.meta.url));
  const ask = async (work: Work): Promise<Done> => {
    worker.postMessage(work);
    const [answer] = (await once(worker, 'message')) as [Done | string];
    if (typeof answer === 'string') throw new Error(answer);
    return answer;
  };
  const totalBytes = bench.size(512 * MIB, 192 * MIB);
  for (const recordBytes of [256, KIB]) {
    for (const staying of [0.9, 0.05]) await compact(bench, ask, totalBytes, recordBytes, staying);
  }
  await recompress(bench, ask);
  await worker.terminate();
});

type Ask = (work: Work) => Promise<Done>;

async function compact(
  bench: Bench,
  ask: Ask,
  totalBytes: number,
  recordBytes: number,
  staying: number,
): Promise<void> {
  const records = Math.floor(totalBytes / recordBytes);
  const segments = keyedSegments(bench.directory(), records, recordBytes, staying);
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  let last: Done | undefined;
  const side = (name: string, kind: Work['kind']): Side => ({
    name,
    round: async () => {
      last = await ask({ kind, segments, mapBytes: MAP_BYTES, blockBytes: BATCH_BYTES });
      return bytes / MIB / last.seconds;
    },
  });
  const candidate = side('map + rewrite', 'compact');
  const result = await bench.compare({
    title: `compaction of ${Math.round(bytes / MIB)} MiB, records of ${recordBytes} bytes, ${staying * 100} % staying`,
    unit: 'MiB/s',
    rounds: ROUNDS,
    candidate,
    limits: [
      { side: side('copy, synced alike', 'copy'), wanted: atLeast(0.35) },
      { side: side('copy, never synced', 'bare-copy') },
    ],
  });
  await candidate.round();
  const { recordsRead, recordsKept, bytesWritten, peakMib, seconds } = last!;
  bench.note(
    result,
    `${figure((100 * recordsKept) / recordsRead)} % of ${recordsRead.toLocaleString('en')} records kept, ${Math.round(bytesWritten / MIB)} MiB ` +
      `written, ${figure((seconds * 1e9) / recordsRead)} ns a record; process at most ${Math.round(peakMib)} MiB`,
  );
  for (const { path } of segments) fs.rmSync(path);
}

/** Records with keys of 20 bytes. A share of `staying` has a key of its own, all others that of some record before. */
function keyedSegments(
  directory: string,
  records: number,
  recordBytes: number,
  staying: number,
): SegmentInput[] {
  const filler = randomBytes(MIB);
  const valueBytes = recordBytes - 20 - 12;
  let keys = 0;
  return writeSegments(directory, records, BATCH_BYTES, (i, builder) => {
    const number = keys === 0 || Math.random() < staying ? keys++ : Math.floor(Math.random() * keys);
    const at = (i * 977) % (MIB - valueBytes);
    const key = `customer-${String(number).padStart(11, '0')}`;
    builder.add(1_763_700_000_000 + i, key, filler.subarray(at, at + valueBytes));
  });
}

function writeSegments(
  directory: string,
  records: number,
  batchBytes: number,
  add: (i: number, builder: RecordBatchBuilder) => void,
): SegmentInput[] {
  const segments: SegmentInput[] = [];
  for (let i = 0; i < records; ) {
    const baseOffset = i;
    const path = join(directory, `${baseOffset}.log`);
    const file = fs.openSync(path, 'w');
    fs.writeSync(file, encodeSegmentHeader({ ...IDENTITY, baseOffset, createdAt: 0 }));
    let bytes = SEGMENT_HEADER_BYTES;
    while (i < records && bytes < SEGMENT_BYTES) {
      const builder = new RecordBatchBuilder(batchBytes + 4 * KIB);
      const first = i;
      while (i < records && builder.bytes < batchBytes) add(i++, builder);
      const batch = builder.finish('none').bytes;
      stampBatch(batch, first, 0);
      bytes += fs.writeSync(file, batch);
    }
    fs.fdatasyncSync(file);
    fs.closeSync(file);
    segments.push({ path, baseOffset, endOffset: i, bytes, firstAppendAt: 0 });
  }
  return segments;
}

/** Log events made of real ones, where a checkout has them beside it: as JSON lines, with the source as key. */
async function recompress(bench: Bench, ask: Ask): Promise<void> {
  const corpus = fileURLToPath(new URL('../../shared/tools/corpus.mjs', import.meta.url));
  if (!fs.existsSync(corpus)) return;
  const directory = bench.directory();
  const whole = join(directory, 'events.ndjson');
  const output = fs.openSync(whole, 'w');
  const count = String(bench.size(1_000_000, 200_000));
  execFileSync(process.execPath, [corpus, '--events', count], { stdio: ['ignore', output, 'inherit'] });
  fs.closeSync(output);
  const text = fs.readFileSync(whole);
  const lines = text.toString().trimEnd().split('\n');
  const segments = writeSegments(directory, lines.length, BATCH_BYTES, (i, builder) => {
    const { timestamp, source } = JSON.parse(lines[i]!) as { timestamp: string; source: string };
    builder.add(Date.parse(timestamp), source, lines[i]!);
  });
  const bytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);
  const limit = zstd3(Buffer.concat(segments.map(({ path }) => fs.readFileSync(path))));
  const rows: Row[] = [];
  for (const blockKib of [64, 128, 256, 512, 1024]) {
    const work: Work = { kind: 'recompress', segments, mapBytes: 0, blockBytes: blockKib * KIB };
    const done: Done[] = [];
    for (let round = 0; round < 3; round++) done.push(await ask(work));
    const sizes = done.map(({ bytesWritten }) => bytesWritten / limit);
    const speeds = done.map(({ seconds }) => bytes / MIB / seconds);
    rows.push(rowOf(`blocks of ${blockKib} KiB, size`, '× zstd -3', sizes, below(1.25)));
    rows.push(rowOf(`blocks of ${blockKib} KiB, speed`, 'MiB/s', speeds));
  }
  const title = `recompression with zstd, ${lines.length.toLocaleString('en')} events, ${Math.round(bytes / MIB)} MiB`;
  const result = bench.report(title, rows);
  const asText = figure(limit / zstd3(text));
  bench.note(
    result,
    `zstd -3 of the log's own bytes, the limit, is ${asText} × that of the events as lines of JSON`,
  );
}

function zstd3(bytes: Buffer): number {
  return zstdCompressSync(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 3 } }).length;
}
