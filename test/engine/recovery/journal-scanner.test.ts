/** The journal's bytes: what is written is read, and damage costs no more than what it hit. */
import t from 'tap';
import {
  decodeJournalHeader,
  encodeFrameHead,
  encodeJournalHeader,
  frameBytes,
  JOURNAL_HEADER_BYTES,
  type JournalEntry,
} from '../../../src/engine/format/journal-format.ts';
import { BATCH_HEADER_BYTES, stampBatch } from '../../../src/engine/format/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/engine/format/record-batch-builder.ts';
import { Random } from '../../crash/sim/random.ts';
import { type JournalContent, journalContent } from '../../helpers/journal-frames.ts';

const SEQUENCE = 7;
const TOPICS = [Buffer.alloc(16, 0xa1), Buffer.alloc(16, 0xb2)];

function entry(topic: number, partition: number, offset: number, bytes = 20): JournalEntry {
  const builder = new RecordBatchBuilder(BATCH_HEADER_BYTES);
  builder.add(offset, null, `${offset}`.padEnd(bytes), undefined);
  const batch = builder.finish('none').bytes;
  stampBatch(batch, offset, offset);
  return { topicId: TOPICS[topic]!, partition, batch };
}

/** A journal file with one frame for each group of entries, and where the frames begin. */
function journal(
  groups: readonly (readonly JournalEntry[])[],
  file: Buffer = Buffer.alloc(64 * 1024),
  sequence = SEQUENCE,
): { file: Buffer; positions: number[] } {
  encodeJournalHeader(sequence, file.length).copy(file);
  const positions: number[] = [];
  let position = JOURNAL_HEADER_BYTES;
  for (const entries of groups) {
    positions.push(position);
    const bytes = Buffer.concat([
      encodeFrameHead(entries, sequence, position),
      ...entries.map(({ batch }) => batch),
    ]);
    bytes.copy(file, position);
    position += frameBytes(
      entries.length,
      entries.reduce((sum, { batch }) => sum + batch.length, 0),
    );
  }
  return { file, positions };
}

const GROUPS = [
  [entry(0, 0, 0), entry(0, 1, 0), entry(1, 0, 0)],
  [entry(0, 0, 1, 3000)],
  [entry(1, 0, 1), entry(1, 0, 2)],
];

const summary = ({ frames }: JournalContent) =>
  frames.map(({ entries }) =>
    entries.map(({ topicId, partition, batch }) => [topicId[0], partition, batch.toString('latin1')]),
  );
const expected = (groups: readonly (readonly JournalEntry[])[]) =>
  groups.map((entries) =>
    entries.map(({ topicId, partition, batch }) => [topicId[0], partition, batch.toString('latin1')]),
  );

t.test('what is written is read', async (t) => {
  const { file, positions } = journal(GROUPS);
  t.equal(decodeJournalHeader(file), SEQUENCE);
  const content = await journalContent(file, SEQUENCE);
  t.same(summary(content), expected(GROUPS));
  t.same(
    content.frames.map(({ position }) => position),
    positions,
  );
  t.ok(positions.every((position) => position % 512 === 0));
  t.same([content.lost, content.unfinished], [[], undefined]);
});

t.test('frames of an earlier life of the file are not read', async (t) => {
  const old = Array.from({ length: 20 }, (_, i) => [entry(0, 5, 100 + i, 700)]);
  const { file } = journal(old, undefined, SEQUENCE - 1);
  const content = await journalContent(journal(GROUPS, file).file, SEQUENCE);
  t.same(summary(content), expected(GROUPS));
  t.same([content.lost, content.unfinished], [[], undefined]);
});

t.test('a frame that was moved is none', async (t) => {
  const { file, positions } = journal(GROUPS);
  const moved = Buffer.alloc(file.length);
  file.copy(moved, positions[0]! + 512, positions[0]!);
  t.same((await journalContent(moved, SEQUENCE)).frames, []);
});

t.test('a last frame that is not whole was never acknowledged', async (t) => {
  const { file, positions } = journal(GROUPS);
  const last = positions.at(-1)!;
  const entries = GROUPS.at(-1)!;
  const head = encodeFrameHead(entries, SEQUENCE, last).length;
  const whole = head + entries.reduce((sum, { batch }) => sum + batch.length, 0);
  // The last byte is a zero by itself.
  for (let end = last; end < last + whole - 1; end++) {
    const torn = Buffer.from(file);
    torn.fill(0, end);
    const content = await journalContent(torn, SEQUENCE);
    t.same(summary(content), expected(GROUPS.slice(0, -1)), `torn at ${end - last}`);
    t.same(content.lost, []);
  }
});

t.test('a damaged frame with another one behind it is told', async (t) => {
  const { file, positions } = journal(GROUPS);
  file[positions[1]! + 20]! ^= 1;
  const content = await journalContent(file, SEQUENCE);
  t.same(summary(content), expected([GROUPS[0]!, GROUPS[2]!]));
  t.same(content.lost, [{ kind: 'lost', position: positions[1], end: positions[2] }]);
});

t.test('a damaged batch costs itself only', async (t) => {
  const { file, positions } = journal(GROUPS);
  const first = GROUPS[0]!;
  const head = encodeFrameHead(first, SEQUENCE, positions[0]!).length;
  file[positions[0]! + head + first[0]!.batch.length + 30]! ^= 1;
  const content = await journalContent(file, SEQUENCE);
  t.same(summary(content), expected([[first[0]!, first[2]!], GROUPS[1]!, GROUPS[2]!]));
  t.same(
    content.frames.map(({ lost }) => lost),
    [1, 0, 0],
  );
});

t.test('below the end that the next file tells of, a last frame that is not whole is damage', async (t) => {
  const { file, positions } = journal(GROUPS);
  const last = positions.at(-1)!;
  const { frames } = await journalContent(file, SEQUENCE);
  const { end } = frames.at(-1)!;
  const head = encodeFrameHead(GROUPS.at(-1)!, SEQUENCE, last).length;
  for (const at of [last, last + 20, last + head - 1]) {
    const damaged = Buffer.from(file);
    damaged[at]! ^= 1;
    const content = await journalContent(damaged, SEQUENCE, end);
    t.same(summary(content), expected(GROUPS.slice(0, -1)));
    t.same(content.lost, [{ kind: 'lost', position: last, end }], `the head at ${at - last}`);
    t.same((await journalContent(damaged, SEQUENCE)).lost, [], 'nobody would know');
  }
  const damaged = Buffer.from(file);
  damaged[last + head + 90]! ^= 1;
  const content = await journalContent(damaged, SEQUENCE, end);
  t.match(content.frames.at(-1), { position: last, end, lost: 1 });
  t.equal(content.unfinished, undefined);
  t.match((await journalContent(damaged, SEQUENCE)).unfinished, { position: last, lost: 1 });
  for (const known of [end, 0])
    t.same(summary(await journalContent(file, SEQUENCE, known)), expected(GROUPS));
});

t.test('a batch of another frame, valid by itself, does not pass for the one that was there', async (t) => {
  const { file, positions } = journal(GROUPS);
  const head = encodeFrameHead(GROUPS[0]!, SEQUENCE, positions[0]!).length;
  entry(0, 0, 50).batch.copy(file, positions[0]! + head);
  const [frame] = (await journalContent(file, SEQUENCE)).frames;
  t.equal(frame!.entries.length, 2);
  t.equal(frame!.lost, 1);
});

t.test('every single bit: no batch is altered, and what is lost is told unless it was last', async (t) => {
  const { file, positions } = journal(GROUPS, Buffer.alloc(8192));
  const texts = expected(GROUPS).flat().map(String);
  let wrong = 0;
  for (let bit = JOURNAL_HEADER_BYTES * 8; bit < file.length * 8; bit += 1) {
    const at = bit >> 3;
    file[at]! ^= 1 << (bit & 7);
    const content = await journalContent(file, SEQUENCE);
    const found = summary(content).flat().map(String);
    if (!found.every((text) => texts.includes(text))) wrong++;
    const isBeforeLast = at < positions.at(-1)!;
    const told = content.lost.length > 0 || content.frames.some(({ lost }) => lost > 0);
    if (found.length < texts.length && isBeforeLast && !told) wrong++;
    file[at]! ^= 1 << (bit & 7);
  }
  t.equal(wrong, 0);
});

t.test('any bytes give an answer', async (t) => {
  const random = new Random(1);
  const { file } = journal(GROUPS, Buffer.alloc(8192));
  for (let round = 0; round < 2000; round++) {
    const bytes = random.chance(0.1) ? random.bytes(2048) : Buffer.from(file);
    for (let i = 0; i < 8; i++) bytes[random.below(bytes.length)] = random.below(256);
    const cut = bytes.subarray(0, random.chance(0.3) ? random.below(bytes.length) : bytes.length);
    await journalContent(cut, SEQUENCE);
    try {
      decodeJournalHeader(cut);
    } catch (error) {
      t.match(error, { code: 'UNSUPPORTED_VERSION' });
    }
  }
  t.pass('it did');
});
