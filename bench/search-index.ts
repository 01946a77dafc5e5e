/**
 * Question: what do search indexes of real log events cost (bytes on disk, time to make them, memory), and are they wrong as
 * seldom as they say?
 *
 * Events lie in 16 partitions by their source, in day-aligned segments, and are indexed twice: as they were appended, and
 * recompressed. Bytes are compared with `zstd -3` of the events as one file of JSON lines; time with a thread that does nothing
 * but JSON.parse of the same lines. A wrong answer is a block that is named for a word that it does not have.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { constants, createZstdCompress } from 'node:zlib';
import {
  batchRecords,
  batchSize,
  Engine,
  type ProduceRecord,
  partitionForKey,
  RecordCursor,
  resolveSettings,
  SEGMENT_HEADER_BYTES,
  type SearchSegment,
} from '../src/engine/index.ts';
import type { SearchIndex } from '../src/query/search-index.ts';
import { SearchIndexBuilder } from '../src/query/search-index-builder.ts';
import { encodeIndex } from '../src/query/search-index-format.ts';
import { FALSE_POSITIVE_RATE, SearchIndexes } from '../src/query/search-indexes.ts';
import { QUERY_SETTINGS } from '../src/query/settings.ts';
import { wordToken } from '../src/query/tokens.ts';
import { type Bench, below, benchmark, figure, rowOf } from './harness.ts';
import { KIB, MIB } from './workload.ts';

const CORPUS = fileURLToPath(new URL('../../shared/tools/corpus.mjs', import.meta.url));
const PARTITIONS = 16;
const TOPIC = 'logs';
const APPEND_BYTES = 512 * KIB;
const ABSENT_WORDS = 200;

await benchmark('search-index', async (bench) => {
  if (!fs.existsSync(CORPUS)) return;
  const events = bench.size(10_000_000, 500_000);
  const engine = await Engine.open({
    directory: bench.directory(),
    settings: { 'background.io.bytes.per.second': -1, 'housekeeping.interval.ms': 100 },
  });
  await engine.createTopic(TOPIC, {
    partitions: PARTITIONS,
    config: { 'segment.align': 'day', 'segment.ms': '3650d' },
  });
  const { rawBytes, zstdBytes } = await load(engine, events);
  await sealAll(engine);
  await indexAll(bench, engine, 'as they were appended', events, rawBytes, zstdBytes);
  await engine.alterTopic(TOPIC, { config: { 'recompress.after.ms': 0 } });
  await recompressed(engine);
  await indexAll(bench, engine, 'recompressed', events, rawBytes, zstdBytes);
  await makingSpeed(bench, engine);
  await engine.close();
});

/** Appends made events; resolves with their bytes as JSON lines, and what `zstd -3` makes of all of them. */
async function load(engine: Engine, events: number): Promise<{ rawBytes: number; zstdBytes: number }> {
  const args = ['--events', String(events), '--sources', '200', '--span-hours', '72', '--skew', '1'];
  const source = spawn(process.execPath, [CORPUS, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const zstd = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3 } });
  const sizes = { rawBytes: 0, zstdBytes: 0 };
  zstd.on('data', ({ length }: Buffer) => {
    sizes.zstdBytes += length;
  });
  const waiting = Array.from({ length: PARTITIONS }, (): ProduceRecord[] => []);
  const bytes = new Array<number>(PARTITIONS).fill(0);
  const flush = async (partition: number) => {
    bytes[partition] = 0;
    await engine.append(TOPIC, waiting[partition]!.splice(0), { partition, acks: 1 });
  };
  let rest = '';
  for await (const chunk of source.stdout) {
    sizes.rawBytes += chunk.length;
    if (!zstd.write(chunk)) await new Promise((resolve) => zstd.once('drain', resolve));
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop()!;
    for (const line of lines) {
      const value = Buffer.from(line, 'latin1');
      const event = JSON.parse(value.toString()) as { timestamp: string; source: string };
      const partition = partitionForKey(Buffer.from(event.source), PARTITIONS);
      waiting[partition]!.push({ key: event.source, value, timestamp: Date.parse(event.timestamp) });
      bytes[partition]! += value.length;
      if (bytes[partition]! >= APPEND_BYTES) await flush(partition);
    }
  }
  for (const [partition, records] of waiting.entries()) if (records.length > 0) await flush(partition);
  zstd.end();
  await new Promise((resolve) => zstd.once('close', resolve));
  return sizes;
}

function sealedSegments(engine: Engine): { segment: SearchSegment; partition: number }[] {
  return Array.from({ length: PARTITIONS }, (_, partition) =>
    engine.search
      .partition(TOPIC, partition)
      .segments.filter(({ sealed }) => sealed)
      .map((segment) => ({ segment, partition })),
  ).flat();
}

async function sealAll(engine: Engine): Promise<void> {
  await engine.alterTopic(TOPIC, { config: { 'segment.ms': 1000 } });
  const isSealed = (partition: number) =>
    engine.search
      .partition(TOPIC, partition)
      .segments.every(({ sealed, records }) => sealed || records === 0);
  while (![...Array(PARTITIONS).keys()].every(isSealed)) await delay(100);
}

async function recompressed(engine: Engine): Promise<void> {
  do await delay(200);
  while (
    engine.background.backlog().recompressions > 0 ||
    engine.background.jobs().some(({ state }) => state === 'queued' || state === 'running')
  );
}

/** Has all segments indexed, and says what that costs. */
async function indexAll(
  bench: Bench,
  engine: Engine,
  how: string,
  events: number,
  rawBytes: number,
  zstdBytes: number,
): Promise<void> {
  const settings = resolveSettings(QUERY_SETTINGS, {
    'query.index.bytes.per.second': -1,
    'query.index.cache.bytes': 4 * 1024 * MIB,
  });
  const indexes = new SearchIndexes(engine, { settings });
  await indexes.idle();
  const segments = sealedSegments(engine);
  const logBytes = segments.reduce((sum, { segment }) => sum + segment.bytes, 0);
  let indexBytes = 0;
  let blocks = 0;
  let wrong = 0;
  for (const { segment, partition } of segments) {
    indexBytes += fs.statSync(segment.searchPath).size;
    const of = engine.search.partition(TOPIC, partition);
    const index = (await (await indexes.sealed(TOPIC, partition, of, segment))!.index()) as SearchIndex;
    blocks += index.blocks.count;
    for (let i = 0; i < ABSENT_WORDS; i++)
      wrong += (await index.blocksWithTokens([wordToken(`no-event-has-${i}-${segment.id}`)])).size;
  }
  const title = `search indexes of ${events.toLocaleString('en')} events, ${Math.round(rawBytes / MIB)} MiB, ${how}: ${segments.length} segments, ${blocks} blocks`;
  const share = (bytes: number) => [bytes / zstdBytes];
  const wanted = how === 'recompressed' ? below(1.35) : undefined;
  const result = bench.report(title, [
    rowOf('log', '× zstd -3', share(logBytes)),
    rowOf('log and indexes', '× zstd -3', share(logBytes + indexBytes), wanted),
    rowOf('indexes', '% of the log', [(100 * indexBytes) / logBytes]),
    rowOf(
      'wrong blocks for a word',
      '%',
      [(100 * wrong) / (blocks * ABSENT_WORDS)],
      below(110 * FALSE_POSITIVE_RATE),
    ),
  ]);
  const { cacheBytes } = indexes.figures;
  bench.note(result, `stated: ${100 * FALSE_POSITIVE_RATE} % of blocks for a word that is in none`);
  bench.note(
    result,
    `in memory, when all are asked for: ${figure(cacheBytes / segments.length / KIB)} KiB for a segment`,
  );
  await indexes.close();
}

/** In this thread, over what is in memory. */
async function makingSpeed(bench: Bench, engine: Engine): Promise<void> {
  const files = sealedSegments(engine)
    .slice(0, bench.size(8, 3))
    .map(({ segment }) => fs.readFileSync(segment.path));
  const bytes = files.flatMap(batchesOf).reduce((sum, { records }) => sum + records, 0);
  const rate = async (work: (file: Buffer) => void) => {
    const start = performance.now();
    for (const file of files) work(file);
    return bytes / MIB / ((performance.now() - start) / 1000);
  };
  await bench.compare({
    title: `making search indexes, ${Math.round(bytes / MIB)} MiB of records, recompressed`,
    unit: 'MiB/s',
    candidate: { name: 'search index', round: () => rate(makeIndex) },
    limits: [{ side: { name: 'JSON.parse of each event', round: () => rate(parseEvents) } }],
  });
}

function batchesOf(file: Buffer): { at: number; records: number }[] {
  const batches = [];
  for (let at = SEGMENT_HEADER_BYTES; at < file.length; at += batchSize(file, at))
    batches.push({ at, records: batchRecords(file, at).length });
  return batches;
}

function makeIndex(file: Buffer): void {
  const builder = new SearchIndexBuilder({
    fields: ['source', 'level'],
    falsePositiveRate: FALSE_POSITIVE_RATE,
  });
  for (let at = SEGMENT_HEADER_BYTES; at < file.length; at += batchSize(file, at)) builder.add(file, at, at);
  encodeIndex(builder.finish());
}

/** Of what is decompressed as well. */
function parseEvents(file: Buffer): void {
  for (let at = SEGMENT_HEADER_BYTES; at < file.length; at += batchSize(file, at)) {
    const record = new RecordCursor(file, at);
    while (record.next()) JSON.parse(record.buffer.toString('latin1', record.valueStart, record.valueEnd));
  }
}
