/**
 * Seeded mutations of every file of a data directory, with wrong and with right checksums: whoever reads it gives a typed
 * result or a SeglogError, no other exception, and takes no more memory than the file is worth.
 */
import t from 'tap';
import { CleanMarker } from '../../src/engine/directory/clean-marker.ts';
import { decodeTopicFile } from '../../src/engine/directory/topic.ts';
import { checksumInto } from '../../src/engine/format/checksum.ts';
import { writeFileHeader } from '../../src/engine/format/file-header.ts';
import { decodeJournalHeader } from '../../src/engine/format/journal-format.ts';
import { decodeJsonFile, encodeJsonFile } from '../../src/engine/format/json-file.ts';
import { OffsetIndex } from '../../src/engine/format/offset-index.ts';
import { batchSize, checkBatch, findBatch } from '../../src/engine/format/record-batch.ts';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../../src/engine/format/segment-header.ts';
import { TimeIndex } from '../../src/engine/format/time-index.ts';
import {
  type Clock,
  decodeRecords,
  dumpFile,
  Engine,
  isSeglogError,
  repairDirectory,
  verifyDirectory,
} from '../../src/engine/index.ts';
import { decodeGaps } from '../../src/engine/partition/gaps.ts';
import { decodeProducers } from '../../src/engine/partition/producers-file.ts';
import { decodeSummary } from '../../src/engine/segment/segment-files.ts';
import { Random } from '../crash/sim/random.ts';
import { SimFileSystem } from '../crash/sim-file-system.ts';
import { collectGarbage } from '../helpers/collect-garbage.ts';
import { journalContent } from '../helpers/journal-frames.ts';
import { mutate, mutateJson } from '../helpers/mutations.ts';
import { sampleValue } from '../helpers/sample-log.ts';
import { testSeed, testSize } from '../helpers/test-size.ts';

const DATA = '/data';
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
const MAX_GROWTH_KIB = 96 * 1024;

const stillClock: Clock = {
  now: () => 1_700_000_000_000,
  monotonic: () => 0,
  after: () => () => {},
  soon: (callback) => void setImmediate(callback),
};
const settings = { 'journal.file.bytes': 65536, 'journal.files': 2 };
const open = (files: SimFileSystem) =>
  Engine.open({ directory: DATA, fileSystem: files, clock: stillClock, settings });

/** A directory with every kind of file, a gap included; it was closed cleanly. */
async function wholeDirectory(): Promise<SimFileSystem> {
  const files = new SimFileSystem();
  const fill = async (engine: Engine, from: number, to: number) => {
    for (let offset = from; offset < to; offset += 3) {
      const records = [0, 1, 2].map((i) => ({
        value: sampleValue(0, offset + i),
        headers: [{ key: 'h', value: 'v' }],
      }));
      const compression = CODECS[offset % CODECS.length]!;
      const key = { idempotency: { key: `key ${offset}`, fingerprint: offset } };
      const producer = { producer: { id: offset, epoch: 0, sequence: 0 }, partition: 0 };
      await engine.append('log', records, { compression, ...(offset % 2 === 0 ? key : producer) });
    }
  };
  let engine = await open(files);
  const config = { 'segment.bytes': 4096, 'index.interval.bytes': 256, 'segment.align': 'day' };
  await engine.createTopic('log', { partitions: 1, config });
  await fill(engine, 0, 45);
  await engine.close();
  const first = files.paths().find((path) => path.endsWith('.log'))!;
  const bytes = files.contents(first);
  bytes[300]! ^= 1;
  files.plant(first, bytes);
  for (const path of files.paths().filter((each) => each.endsWith('.journal'))) await files.remove(path);
  await repairDirectory({ directory: DATA, acceptLoss: true, fileSystem: files, clock: stillClock });
  engine = await open(files);
  await fill(engine, 45, 90);
  await engine.close();
  return files;
}

const whole = await wholeDirectory();
const paths = whole
  .paths()
  .filter((path) =>
    /\.(log|index|timeindex|summary|journal|json)$|checkpoint$|producers$|clean-shutdown$/.test(path),
  );
const pathOf = (suffix: string) => paths.find((path) => path.endsWith(suffix))!;

/** Only SeglogErrors are answers. */
async function parse(decode: () => unknown): Promise<void> {
  try {
    await decode();
  } catch (error) {
    if (!isSeglogError(error)) throw error;
  }
}

/** Gives changed bytes their checksum back, where the format has one over the whole file. */
function withChecksum(path: string, bytes: Buffer): Buffer {
  const magics: [RegExp, string][] = [
    [/\.index$/, 'SLOI'],
    [/\.timeindex$/, 'SLTI'],
    [/\.summary$/, 'SLSU'],
    [/checkpoint$/, 'SLCP'],
    [/producers$/, 'SLPR'],
    [/clean-shutdown$/, 'SLCM'],
  ];
  const magic = magics.find(([pattern]) => pattern.test(path))?.[1];
  if (magic !== undefined && bytes.length >= 16) writeFileHeader(bytes, { magic, version: 1, name: '' });
  if (path.endsWith('.log') && bytes.length >= 64) {
    writeFileHeader(bytes.subarray(0, 64), { magic: 'SLSG', version: 1, name: '' });
    stampBatches(bytes, 64, bytes.length);
  }
  if (path.endsWith('.journal') && bytes.length >= 1024) {
    writeFileHeader(bytes.subarray(0, 32), { magic: 'SLJO', version: 1, name: '' });
    const tableEnd = Math.min(bytes.length, 512 + 48 + 32 * Math.min(bytes.readUInt32LE(516), 1000));
    if (tableEnd > 528) checksumInto(bytes.subarray(528, tableEnd), bytes, 520);
  }
  return bytes;
}

function stampBatches(bytes: Buffer, from: number, to: number): void {
  for (let at = from; at + 80 <= to; ) {
    const size = batchSize(bytes, at);
    if (size < 80 || at + size > to) return;
    checksumInto(bytes.subarray(at + 16, at + size), bytes, at + 8);
    at += size;
  }
}

function changed(path: string, random: Random): Buffer {
  const bytes = whole.contents(path);
  if (path.endsWith('.json') && random.chance(0.6)) {
    const fields = decodeJsonFile(bytes) as Record<string, unknown>;
    const value = mutateJson(fields, random);
    return typeof value === 'object' && value !== null
      ? encodeJsonFile(value)
      : Buffer.from(JSON.stringify(value));
  }
  // The frames of a journal are at its beginning.
  const journal = path.endsWith('.journal');
  const mutated = journal
    ? Buffer.concat([mutate(bytes.subarray(0, 4096), random), bytes.subarray(4096)])
    : mutate(bytes, random);
  return random.chance(0.6) ? withChecksum(path, mutated) : mutated;
}

const PARSERS: [suffix: string, decode: (bytes: Buffer) => unknown][] = [
  ['.index', (bytes) => OffsetIndex.decode(bytes, 0)],
  ['.timeindex', (bytes) => TimeIndex.decode(bytes, 0)],
  ['.summary', (bytes) => decodeSummary(bytes, 0)],
  [
    '/producers',
    (bytes) => {
      const snapshot = decodeProducers(bytes);
      return snapshot && [...snapshot.producers(), ...snapshot.keys()];
    },
  ],
  ['clean-shutdown', (bytes) => [...(CleanMarker.decode(bytes)?.partitions() ?? [])]],
  ['topic.json', (bytes) => decodeTopicFile(bytes, 'log', 'topic.json')],
  ['gaps.json', (bytes) => decodeGaps(bytes, 'gaps.json', { topicId: '0'.repeat(32), partition: 0 })],
  [
    '.journal',
    async (bytes) => {
      decodeJournalHeader(bytes);
      const sequence = bytes.length < 24 ? 0 : bytes.readUInt8(16);
      for (const { entries } of (await journalContent(bytes, sequence)).frames)
        for (const { batch } of entries) decodeRecords([batch], 0);
    },
  ],
  [
    '.log',
    (bytes) => {
      decodeSegmentHeader(bytes);
      for (let at = SEGMENT_HEADER_BYTES; at >= 0 && at < bytes.length; ) {
        if (checkBatch(bytes, at, bytes.length) === null) {
          decodeRecords([bytes.subarray(at, at + batchSize(bytes, at))], 0);
          at += batchSize(bytes, at);
        } else {
          at = findBatch(bytes, at + 1, bytes.length);
        }
      }
    },
  ],
];

for (const [suffix, decode] of PARSERS) {
  t.test(`mutated ${suffix} files are taken apart or refused`, async (t) => {
    const path = pathOf(suffix);
    const random = new Random(testSeed, suffix);
    collectGarbage();
    const before = process.resourceUsage().maxRSS;
    await parse(() => decode(whole.contents(path)));
    for (let i = 0; i < 800 * testSize; i++) {
      if (i % 64 === 0) collectGarbage();
      const bytes = changed(path, random);
      try {
        await parse(() => decode(bytes));
      } catch (error) {
        t.fail(`run ${i}, seed ${testSeed}: ${(error as Error).stack}`);
      }
    }
    const growth = process.resourceUsage().maxRSS - before;
    t.ok(growth < MAX_GROWTH_KIB, `${growth} KiB more memory`);
  });
}

t.test(
  'a directory with a mutated file is verified, dumped, opened, read and repaired, or refused',
  async (t) => {
    const random = new Random(testSeed, 'directory');
    collectGarbage();
    const before = process.resourceUsage().maxRSS;
    const refused = async (what: string, use: () => Promise<unknown>) => {
      try {
        await use();
      } catch (error) {
        if (!isSeglogError(error)) t.fail(`${what}: ${(error as Error).stack}`);
      }
    };
    for (let i = 0; i < 160 * testSize; i++) {
      if (i % 4 === 0) collectGarbage();
      const path = paths[i % paths.length]!;
      const files = whole.crashImage({ variant: 'kill' });
      files.plant(path, changed(path, random));
      if (i % 2 === 1 && !path.endsWith('clean-shutdown')) await files.remove(`${DATA}/clean-shutdown`);
      const place = `${path}, run ${i}, seed ${testSeed}`;
      await refused(`dump ${place}`, async () => {
        for await (const { data } of dumpFile(path, { records: true, fileSystem: files }))
          JSON.stringify(data);
      });
      await refused(`verify ${place}`, () => verifyDirectory({ directory: DATA, fileSystem: files }));
      const image = files.crashImage({ variant: 'kill' });
      await refused(`open ${place}`, () => useEngine(image));
      await refused(`repair ${place}`, async () => {
        const directory = DATA;
        await repairDirectory({ directory, acceptLoss: true, fileSystem: files, clock: stillClock });
        const { ok, findings } = await verifyDirectory({ directory, fileSystem: files });
        if (!ok && !/\.json$/.test(path)) t.fail(`repaired, but ${JSON.stringify(findings)}: ${place}`);
      });
      if (image.openHandles > 0 || files.openHandles > 0) t.fail(`handles stay open: ${place}`);
    }
    const growth = process.resourceUsage().maxRSS - before;
    t.ok(growth < MAX_GROWTH_KIB, `${growth} KiB more memory`);
  },
);

async function useEngine(files: SimFileSystem): Promise<void> {
  const engine = await open(files);
  try {
    const { logStartOffset, highWatermark } = engine.offsets('log', 0);
    for (let offset = logStartOffset; offset < highWatermark; ) {
      const { chunks, nextOffset } = await engine.read('log', 0, { offset }).catch((error) => {
        if (isSeglogError(error, 'CORRUPT_MESSAGE') && typeof error.details.endOffset === 'number')
          return { chunks: [], nextOffset: error.details.endOffset };
        throw error;
      });
      await parse(() => decodeRecords(chunks, offset));
      if (nextOffset <= offset) throw new Error(`a read at ${offset} leads to ${nextOffset}`);
      offset = nextOffset;
    }
    await engine.offsetForTimestamp('log', 0, stillClock.now());
    await engine.append('log', [{ value: 'more' }]);
  } finally {
    await engine.close();
  }
}
