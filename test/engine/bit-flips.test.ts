/**
 * Every single-bit flip of a 64 KiB segment and every truncation of it: never is an acknowledged record altered or missing
 * in silence. All of them are tried on the bytes, with the functions that every reader uses; a sample of them through the
 * scan of recovery, and one through the whole engine.
 */
import t from 'tap';
import {
  batchBaseOffset,
  batchNextOffset,
  batchSize,
  checkBatch,
  findBatch,
} from '../../src/engine/format/record-batch.ts';
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../../src/engine/format/segment-header.ts';
import { type Clock, decodeRecords, Engine, isSeglogError, verifyDirectory } from '../../src/engine/index.ts';
import { JournaledBatches } from '../../src/engine/recovery/journaled-batches.ts';
import { scanTail } from '../../src/engine/recovery/recovery-scan.ts';
import { emptyStats, LogSegment } from '../../src/engine/segment/log-segment.ts';
import { Random } from '../crash/sim/random.ts';
import { SimFileSystem } from '../crash/sim-file-system.ts';
import { memoryFile } from '../helpers/memory-file.ts';
import { sampleValue } from '../helpers/sample-log.ts';
import { testSeed, testSize } from '../helpers/test-size.ts';

const DATA = '/data';
const SEGMENT_BYTES = 64 * 1024;
const CODECS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;

const stillClock: Clock = {
  now: () => 1_700_000_000_000,
  monotonic: () => 0,
  after: () => () => {},
  soon: (callback) => void setImmediate(callback),
};

const open = (files: SimFileSystem) =>
  Engine.open({ directory: DATA, fileSystem: files, clock: stillClock, settings: { 'journal.files': 0 } });

interface PlacedBatch {
  at: number;
  end: number;
  baseOffset: number;
  nextOffset: number;
}

interface SampleSegment {
  files: SimFileSystem;
  path: string;
  /** The sealed segment; a second, active one follows. */
  bytes: Buffer;
  batches: PlacedBatch[];
  topicId: string;
  endOffset: number;
}

async function sampleSegment(): Promise<SampleSegment> {
  const files = new SimFileSystem();
  const engine = await open(files);
  const config = { 'segment.bytes': SEGMENT_BYTES, 'index.interval.bytes': 1024 };
  const { topic } = await engine.createTopic('log', { partitions: 1, config });
  let offset = 0;
  for (let batch = 0; (await engine.listSegments('log', 0)).length < 2 || batch % 20 > 0; batch++) {
    const records = Array.from({ length: 1 + (batch % 8) }, () => ({ value: sampleValue(0, offset++) }));
    await engine.append('log', records, { compression: CODECS[batch % CODECS.length]! });
  }
  await engine.close();
  const [path] = files.paths().filter((each) => each.endsWith('.log'));
  const bytes = files.contents(path!);
  const batches: PlacedBatch[] = [];
  for (let at = SEGMENT_HEADER_BYTES; at < bytes.length; at += batchSize(bytes, at)) {
    const end = at + batchSize(bytes, at);
    batches.push({ at, end, baseOffset: batchBaseOffset(bytes, at), nextOffset: batchNextOffset(bytes, at) });
  }
  return { files, path: path!, bytes, batches, topicId: topic.id, endOffset: offset };
}

const sample = await sampleSegment();
const { bytes, batches } = sample;
const flip = (image: Buffer, bit: number) => {
  image[bit >> 3]! ^= 1 << (bit & 7);
};
const holderOf = (position: number) => batches.findIndex(({ end }) => position < end);

t.test('the segment is as large as it should be', async (t) => {
  t.ok(bytes.length > SEGMENT_BYTES * 0.95 && bytes.length <= SEGMENT_BYTES, `${bytes.length} bytes`);
  t.ok(batches.length > 50);
});

t.test('every flipped bit is noticed, and the next batch is found', async (t) => {
  const image = Buffer.from(bytes);
  let missed = 0;
  let lost = 0;
  for (let bit = 0; bit < SEGMENT_HEADER_BYTES * 8; bit++) {
    flip(image, bit);
    if (typeof decodeSegmentHeader(image) !== 'string') missed++;
    flip(image, bit);
  }
  for (const [i, { at, end }] of batches.entries()) {
    const next = batches[i + 1]?.at ?? -1;
    for (let bit = at * 8; bit < end * 8; bit++) {
      flip(image, bit);
      if (checkBatch(image, at, image.length) === null) missed++;
      if (findBatch(image, at + 1, image.length) !== next) lost++;
      flip(image, bit);
    }
  }
  t.equal(missed, 0, `${bytes.length * 8} flips`);
  t.equal(lost, 0);
  t.ok(image.equals(bytes));
});

t.test('every truncation is noticed, and what is whole before it is found', async (t) => {
  let wrong = 0;
  for (let size = SEGMENT_HEADER_BYTES; size < bytes.length; size++) {
    const holder = batches[holderOf(size)]!;
    const fault = checkBatch(bytes, holder.at, size);
    if (fault !== 'truncated') wrong++;
  }
  t.equal(wrong, 0, `${bytes.length - SEGMENT_HEADER_BYTES} truncations`);
  for (let size = 0; size < SEGMENT_HEADER_BYTES; size++)
    if (decodeSegmentHeader(bytes.subarray(0, size)) !== 'truncated') t.fail(`header of ${size} bytes`);
});

/** The scan of recovery over a byte image, with everything known to be synced. */
async function scan(image: Buffer) {
  const file = memoryFile(image, sample.path);
  const segment = new LogSegment(sample.path, { ...emptyStats(0), bytes: image.length }, true);
  const endOffset = batches.at(-1)!.nextOffset;
  return scanTail({
    files: { lease: async () => ({ file, release: () => {} }) } as never,
    topicId: sample.topicId,
    partition: 0,
    segments: [segment],
    first: 0,
    position: SEGMENT_HEADER_BYTES,
    offset: 0,
    recoveryPoint: endOffset,
    journaled: JournaledBatches.NONE,
    gaps: [],
  });
}

t.test('recovery tells exactly the batch that a flip hit', async (t) => {
  const random = new Random(testSeed, 'scan');
  for (let i = 0; i < 1500 * testSize; i++) {
    const bit = random.below(bytes.length * 8);
    const image = Buffer.from(bytes);
    flip(image, bit);
    const { damaged, faulty, runs, endOffset } = await scan(image);
    if (bit < SEGMENT_HEADER_BYTES * 8) {
      t.equal(faulty[0]?.fault.kind, 'header');
      continue;
    }
    const { at, end, baseOffset, nextOffset } = batches[holderOf(bit >> 3)]!;
    const [range] = damaged;
    const right =
      damaged.length === 1 &&
      range!.firstOffset === baseOffset &&
      range!.endOffset === nextOffset &&
      range!.startPosition === at &&
      range!.endPosition === end &&
      runs.reduce((sum, run) => sum + run.bytes, 0) === bytes.length - SEGMENT_HEADER_BYTES - (end - at) &&
      endOffset === batches.at(-1)!.nextOffset;
    if (!right) t.fail(`bit ${bit}, seed ${testSeed}: ${JSON.stringify(damaged)}`);
  }
  t.pass();
});

t.test('recovery tells exactly what a truncation took', async (t) => {
  const random = new Random(testSeed, 'cut');
  const sizes = batches.flatMap(({ at, end }) => [at, at + 1, end - 1]);
  for (let i = 0; i < 500 * testSize; i++) sizes.push(SEGMENT_HEADER_BYTES + random.below(bytes.length - 64));
  for (const size of sizes) {
    const { damaged } = await scan(bytes.subarray(0, size));
    const { baseOffset } = batches[holderOf(size)]!;
    const [range] = damaged;
    const right =
      damaged.length === 1 &&
      range!.firstOffset === baseOffset &&
      range!.endOffset === batches.at(-1)!.nextOffset;
    if (!right) t.fail(`${size} bytes, seed ${testSeed}: ${JSON.stringify(damaged)}`);
  }
  t.pass();
});

/** Opens a damaged directory and reads all: true records or CORRUPT_MESSAGE, nothing else. Returns what is wrong. */
async function readDamaged(files: SimFileSystem): Promise<{ wrong: string[]; damagedOffsets: number }> {
  const engine = await open(files);
  const wrong: string[] = [];
  let damagedOffsets = 0;
  let expected = 0;
  const { logStartOffset, highWatermark } = engine.offsets('log', 0);
  if (logStartOffset !== 0 || highWatermark !== sample.endOffset)
    wrong.push(`${logStartOffset} to ${highWatermark}`);
  while (expected < highWatermark) {
    try {
      const { chunks, nextOffset } = await engine.read('log', 0, { offset: expected });
      for (const { offset, value } of decodeRecords(chunks, expected)) {
        if (offset !== expected++ || String(value) !== sampleValue(0, offset)) wrong.push(`offset ${offset}`);
      }
      if (expected !== nextOffset) wrong.push(`${expected} to ${nextOffset} is missing`);
      expected = nextOffset;
    } catch (error) {
      if (!isSeglogError(error, 'CORRUPT_MESSAGE')) throw error;
      const { firstOffset, endOffset } = error.details as { firstOffset: number; endOffset: number };
      if (firstOffset > expected || endOffset <= expected)
        wrong.push(`${firstOffset} to ${endOffset} at ${expected}`);
      damagedOffsets += endOffset - expected;
      expected = endOffset;
    }
  }
  await engine.close();
  return { wrong, damagedOffsets };
}

for (const [name, damage] of [
  [
    'flips',
    (random: Random, image: Buffer) => {
      flip(image, random.below(image.length * 8));
      return image;
    },
  ],
  ['truncations', (random: Random, image: Buffer) => image.subarray(0, random.below(image.length))],
] as const) {
  t.test(`${name} through the whole engine, after a clean and an unclean stop`, async (t) => {
    const random = new Random(testSeed, name);
    const segments = sample.files.paths().filter((path) => path.endsWith('.log'));
    for (let i = 0; i < 120 * testSize; i++) {
      const files = sample.files.crashImage({ variant: 'kill' });
      const path = random.pick(segments);
      const image = damage(random, files.contents(path));
      files.plant(path, image);
      if (i % 2 === 1) await files.remove(`${DATA}/clean-shutdown`);
      const place = `${i % 2 === 1 ? 'unclean' : 'clean'} ${path} run ${i}, seed ${testSeed}`;
      const report = await verifyDirectory({ directory: DATA, fileSystem: files });
      if (report.ok) t.fail(`verification finds nothing: ${place}`);
      const { wrong, damagedOffsets } = await readDamaged(files);
      if (wrong.length > 0) t.fail(`${wrong}: ${place}`);
      const told = report.findings.reduce(
        (sum, { firstOffset, endOffset }) => sum + (endOffset ?? 0) - (firstOffset ?? 0),
        0,
      );
      if (told !== damagedOffsets) t.fail(`verification tells ${told}, reads ${damagedOffsets}: ${place}`);
    }
    t.pass();
  });
}
