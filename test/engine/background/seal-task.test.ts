/** What the task that seals finds in a segment, and what it writes. */
import t from 'tap';
import { InlineTaskRunner } from '../../../src/engine/background/inline-runner.ts';
import type { SealRequest, SealResult } from '../../../src/engine/background/seal-task.ts';
import { readFully, readWholeFile } from '../../../src/engine/files/file-operations.ts';
import { segmentPath } from '../../../src/engine/files/log-file-names.ts';
import { batchBaseOffset, batchSize } from '../../../src/engine/format/record-batch.ts';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  SEGMENT_HEADER_BYTES,
} from '../../../src/engine/format/segment-header.ts';
import type { GapRange } from '../../../src/engine/rewrite/rewrite-request.ts';
import { readIndexes, readSummary } from '../../../src/engine/segment/segment-files.ts';
import { SimEngine } from '../../helpers/sim-engine.ts';

const PARTITION = '/data/topics/a/0';
const PATH = segmentPath(PARTITION, 0);
const BATCHES = 12;

interface Fixture {
  log: SimEngine;
  request: SealRequest;
  /** Of each batch. */
  positions: number[];
  /** Of its end. */
  bytes: number;
}

/** A closed log with one segment of batches of two records each. */
async function makeSegment(): Promise<Fixture> {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { config: { 'index.interval.bytes': 256 } });
  for (let i = 0; i < BATCHES; i++) {
    await log.append('a', [{ value: `${i}`.repeat(100) }, { value: 'b', timestamp: log.clock.now() - 5 }]);
    await log.clock.advance(10);
  }
  const { id } = await log.engine.describeTopic('a');
  await log.engine.close();
  const content = (await readWholeFile(log.disk, PATH))!;
  const positions: number[] = [];
  for (let at = SEGMENT_HEADER_BYTES; at < content.length; at += batchSize(content, at)) positions.push(at);
  const segment = {
    path: PATH,
    baseOffset: 0,
    endOffset: 2 * BATCHES,
    bytes: content.length,
    firstAppendAt: 77,
  };
  const identity = { topicId: id, partition: 0 };
  const request = { identity, segment, gaps: [], indexIntervalBytes: 256 };
  return { log, request, positions, bytes: content.length };
}

/** What is written there is damage: the log is not verified any more. */
async function write({ log }: Fixture, position: number, bytes: Buffer): Promise<void> {
  log.leaveDamaged();
  const file = await log.disk.open(PATH, 'write');
  await file.write([bytes], position);
  await file.close();
}

function seal({ log, request }: Fixture, gaps: GapRange[] = []): Promise<SealResult> {
  const runner = new InlineTaskRunner({ fileSystem: log.disk, clock: log.clock, bytesPerSecond: -1 });
  return runner.run('seal', { ...request, gaps });
}

const ranges = ({ damaged }: SealResult) =>
  damaged.map(({ firstOffset, endOffset, startPosition, endPosition }) => [
    firstOffset,
    endOffset,
    startPosition,
    endPosition,
  ]);

t.test('a sound segment gets its indexes and its summary', async (t) => {
  const fixture = await makeSegment();
  const { log, bytes, positions } = fixture;
  const { stats, damaged } = await seal(fixture);
  t.same(damaged, []);
  t.match(stats, { baseOffset: 0, endOffset: 24, bytes, records: 24, batches: 12, firstAppendAt: 77 });
  t.match(stats, { minTimestamp: log.clock.now() - 125, maxTimestamp: log.clock.now() - 10 });
  t.same(await readSummary(log.disk, PARTITION, 0), stats);
  const indexes = (await readIndexes(log.disk, PARTITION, stats))!;
  t.same(indexes.offsets.entry(0), { offset: 0, position: SEGMENT_HEADER_BYTES });
  for (let i = 0; i < indexes.offsets.entries; i++)
    t.ok(positions.includes(indexes.offsets.entry(i).position));
});

t.test('a damaged batch is told with its range, and nothing is written', async (t) => {
  const fixture = await makeSegment();
  const { positions, log } = fixture;
  await write(fixture, positions[3]! + 85, Buffer.from([0xff, 0xfe]));
  await write(fixture, positions[8]!, Buffer.alloc(40));
  t.same(ranges(await seal(fixture)), [
    [6, 8, positions[3], positions[4]],
    [16, 18, positions[8], positions[9]],
  ]);
  t.equal(await readSummary(log.disk, PARTITION, 0), undefined);
});

t.test('damage at the end reaches to the end', async (t) => {
  const fixture = await makeSegment();
  const { positions, bytes } = fixture;
  await write(fixture, positions[11]! + 85, Buffer.from([0xff, 0xfe]));
  t.same(ranges(await seal(fixture)), [[22, 24, positions[11], bytes]]);
});

t.test('what is missing is told: at the end of a file that was cut, and between batches', async (t) => {
  const cut = await makeSegment();
  cut.log.leaveDamaged();
  const file = await cut.log.disk.open(PATH, 'write');
  await file.truncate(cut.positions[10]!);
  await file.close();
  t.same(ranges(await seal(cut)), [[20, 24, cut.positions[10], cut.positions[10]]]);

  const holed = await makeSegment();
  const { positions, bytes, request } = holed;
  const source = await holed.log.disk.open(PATH, 'read');
  const rest = await readFully(source, bytes - positions[6]!, positions[6]!);
  await source.close();
  await write(holed, positions[4]!, rest);
  const gone = positions[6]! - positions[4]!;
  holed.request = { ...request, segment: { ...request.segment, bytes: bytes - gone } };
  t.same(ranges(await seal(holed)), [[8, 12, positions[4], positions[4]]]);
  t.same(ranges(await seal(holed, [{ first: 8, end: 12 }])), [], 'a recorded gap is no damage');
  t.same(ranges(await seal(holed, [{ first: 8, end: 10 }])), [[10, 12, positions[4], positions[4]]]);
});

t.test('a file of another place is damaged as a whole, and a bad header is told', async (t) => {
  const misplaced = await makeSegment();
  const content = (await readWholeFile(misplaced.log.disk, PATH))!;
  const header = decodeSegmentHeader(content);
  if (typeof header === 'string') return t.fail(header);
  await write(misplaced, 0, encodeSegmentHeader({ ...header, partition: 5 }));
  t.same(ranges(await seal(misplaced)), [[0, 24, 0, misplaced.bytes]]);

  const flipped = await makeSegment();
  await write(flipped, 20, Buffer.from([0xff]));
  t.same(ranges(await seal(flipped)), [[0, 0, 0, SEGMENT_HEADER_BYTES]]);
});

t.test('damage everywhere is told up to a bound', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a');
  for (let i = 0; i < 250; i++) await log.append('a', `${i}`);
  const { id } = await log.engine.describeTopic('a');
  await log.engine.close();
  log.leaveDamaged();
  const content = (await readWholeFile(log.disk, PATH))!;
  const file = await log.disk.open(PATH, 'write');
  for (let at = SEGMENT_HEADER_BYTES; at < content.length; at += batchSize(content, at))
    if (batchBaseOffset(content, at) % 2 === 1) await file.write([Buffer.from([0xff, 0xff])], at + 82);
  await file.close();
  const segment = { path: PATH, baseOffset: 0, endOffset: 250, bytes: content.length, firstAppendAt: 77 };
  const request = {
    identity: { topicId: id, partition: 0 },
    segment,
    gaps: [],
    indexIntervalBytes: 4096,
  };
  const { damaged } = await seal({ log, request, positions: [], bytes: 0 });
  t.equal(damaged.length, 100);
  t.match(damaged.at(-1), { firstOffset: 199, endOffset: 200 });
});
