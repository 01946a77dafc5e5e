import fs from 'node:fs';
import { basename, join } from 'node:path';
import t, { type Test } from 'tap';
import { encodeJsonFile } from '../../../src/engine/format/json-file.ts';
import { batchSize } from '../../../src/engine/format/record-batch.ts';
import { SEGMENT_HEADER_BYTES } from '../../../src/engine/format/segment-header.ts';
import { Engine, type RepairReport, repairDirectory, verifyDirectory } from '../../../src/engine/index.ts';
import { flipByte, readBack, type SampleLog, sampleLog, TOPIC } from '../../helpers/sample-log.ts';

/** Positions at which the batches of a segment begin. */
function batchesOf(path: string): number[] {
  const bytes = fs.readFileSync(path);
  const positions: number[] = [];
  for (let at = SEGMENT_HEADER_BYTES; at < bytes.length; at += batchSize(bytes, at)) positions.push(at);
  return positions;
}

const baseOf = (path: string) => Number(basename(path, '.log'));

/**
 * After a repair: no damage, all but the gaps is read as it was, the log goes on where it ended (or behind), and it is in
 * order after that as well.
 */
async function checkRepaired(
  t: Test,
  log: SampleLog,
  gaps: Record<number, [number, number][]>,
): Promise<void> {
  const report = await verifyDirectory({ directory: log.directory });
  t.same(report.findings, [], 'verification finds nothing');
  const engine = await Engine.open({ directory: log.directory });
  t.match(engine.health(), { ready: true });
  for (const [partition, values] of log.values) {
    const lost = gaps[partition] ?? [];
    const isLost = (offset: number) => lost.some(([first, end]) => first <= offset && offset < end);
    const found = await readBack(engine, partition);
    t.same(found.damaged, [], 'no read fails');
    t.same(
      [...found.values],
      [...values.entries()].filter(([offset]) => !isLost(offset)),
    );
    const end = Math.max(values.length, ...lost.map(([, gapEnd]) => gapEnd));
    const [appended] = await engine.append(TOPIC, [{ value: 'goes on' }], { partition });
    t.equal(appended!.baseOffset, end, 'no offset is given again');
    t.equal((await readBack(engine, partition)).values.get(end), 'goes on');
    const { logStartOffset } = engine.offsets(TOPIC, partition);
    t.equal(logStartOffset, 0);
  }
  const { partitions } = await engine.describeTopic(TOPIC);
  for (const { partition, gaps: recorded } of partitions) {
    t.same(
      recorded.map(({ firstOffset, endOffset }) => [firstOffset, endOffset]),
      gaps[partition] ?? [],
    );
  }
  await engine.close();
  t.same((await verifyDirectory({ directory: log.directory })).findings, []);
}

interface Case {
  name: string;
  /** Returns what is lost, by partition. */
  spoil(log: SampleLog): Record<number, [number, number][]>;
  journal?: boolean;
  /** Default: both. */
  clean?: boolean;
}

const LOSSES: Case[] = [
  {
    name: 'a damaged batch of a sealed segment',
    spoil: (log) => {
      const path = log.segments(0)[1]!;
      flipByte(path, batchesOf(path)[2]! + 90);
      return { 0: [[baseOf(path) + 8, baseOf(path) + 12]] };
    },
  },
  {
    name: 'the first batch of a segment',
    spoil: (log) => {
      const path = log.segments(1)[1]!;
      flipByte(path, SEGMENT_HEADER_BYTES + 5);
      return { 1: [[baseOf(path), baseOf(path) + 4]] };
    },
  },
  {
    name: 'two places of a segment, and one of another partition',
    spoil: (log) => {
      const path = log.segments(0)[0]!;
      const positions = batchesOf(path);
      flipByte(path, positions[1]! + 30);
      flipByte(path, positions[4]! + 30);
      flipByte(path, positions[5]! + 30);
      const other = log.segments(1)[2]!;
      flipByte(other, batchesOf(other)[3]! + 2);
      return {
        0: [
          [4, 8],
          [16, 24],
        ],
        1: [[baseOf(other) + 12, baseOf(other) + 16]],
      };
    },
  },
  {
    name: 'the end of the log',
    spoil: (log) => {
      const path = log.segments(0).at(-1)!;
      fs.truncateSync(path, batchesOf(path).at(-2)! + 10);
      return { 0: [[88, 96]] };
    },
  },
  {
    name: 'a missing segment in the middle',
    spoil: (log) => {
      const [, path, next] = log.segments(0);
      fs.rmSync(path!);
      return { 0: [[baseOf(path!), baseOf(next!)]] };
    },
  },
  {
    name: 'a missing first segment',
    spoil: (log) => {
      const [path, next] = log.segments(1);
      fs.rmSync(path!);
      return { 1: [[0, baseOf(next!)]] };
    },
  },
  {
    name: 'a missing last segment',
    spoil: (log) => {
      const path = log.segments(0).at(-1)!;
      fs.rmSync(path);
      return { 0: [[baseOf(path), 96]] };
    },
  },
  {
    name: 'all segments missing',
    spoil: (log) => {
      for (const path of log.segments(0)) fs.rmSync(path);
      return { 0: [[0, 96]] };
    },
  },
  {
    name: 'a segment of which nothing is left',
    spoil: (log) => {
      const [, path, next] = log.segments(0);
      fs.writeFileSync(path!, Buffer.alloc(fs.statSync(path!).size));
      return { 0: [[baseOf(path!), baseOf(next!)]] };
    },
  },
  {
    name: 'a misplaced segment',
    spoil: (log) => {
      const [, path, next] = log.segments(0);
      fs.copyFileSync(log.segments(1)[2]!, path!);
      return { 0: [[baseOf(path!), baseOf(next!)]] };
    },
  },
  {
    name: 'a misplaced last segment',
    spoil: (log) => {
      const path = log.segments(0).at(-1)!;
      fs.copyFileSync(log.segments(1)[0]!, path);
      return { 0: [[baseOf(path), 96]] };
    },
  },
  {
    name: 'a missing partition directory',
    clean: true,
    spoil: (log) => {
      fs.rmSync(log.partitionDirectory(1), { recursive: true });
      return { 1: [[0, 96]] };
    },
  },
];

for (const { name, spoil, clean: only } of LOSSES) {
  for (const clean of only === undefined ? [true, false] : [only]) {
    t.test(`gives up ${name}, ${clean ? 'after a clean stop' : 'after an unclean stop'}`, async (t) => {
      const log = await sampleLog(t);
      if (!clean) fs.rmSync(join(log.directory, 'clean-shutdown'));
      const gaps = spoil(log);
      const { directory } = log;
      const lost = Object.values(gaps).flat().length;

      const asked = await repairDirectory({ directory, acceptLoss: false });
      t.match(asked, { ok: false, keptIn: null });
      t.same(ranges(asked), gaps, 'what would be lost is told');
      t.ok(asked.losses.every(({ accepted, keptAs }) => !accepted && keptAs === null));
      t.ok(asked.remaining.length >= lost);

      const repaired = await repairDirectory({ directory, acceptLoss: true });
      t.match(repaired, { ok: true, remaining: [] });
      t.same(ranges(repaired), gaps);
      for (const { bytes, keptAs, accepted } of repaired.losses) {
        t.ok(accepted);
        if (bytes > 0) t.equal(fs.statSync(join(directory, keptAs!)).size, bytes, 'the bytes are kept');
        else t.equal(keptAs, null);
      }
      await checkRepaired(t, log, gaps);

      const again = await repairDirectory({ directory, acceptLoss: true });
      t.match(again, { ok: true, actions: [], losses: [], keptIn: null }, 'there is nothing left to do');
    });
  }
}

function ranges({ losses }: RepairReport): Record<number, [number, number][]> {
  const found: Record<number, [number, number][]> = {};
  for (const { partition, firstOffset, endOffset } of losses)
    found[partition] = [...(found[partition] ?? []), [firstOffset, endOffset]];
  return found;
}

t.test('kept bytes are those that were cut', async (t) => {
  const log = await sampleLog(t);
  const path = log.segments(0)[1]!;
  const [, second, third] = batchesOf(path);
  flipByte(path, second! + 90);
  const cut = fs.readFileSync(path).subarray(second!, third!);
  const { losses, keptIn } = await repairDirectory({ directory: log.directory, acceptLoss: true });
  const { keptAs } = losses[0]!;
  t.match(keptIn, /^repair\/\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}Z$/);
  t.equal(keptAs, `${keptIn}/sample-0-${baseOf(path)}-${second}.bytes`);
  t.same(fs.readFileSync(join(log.directory, keptAs!)), cut);
  const gaps = JSON.parse(fs.readFileSync(join(log.partitionDirectory(0), 'gaps.json'), 'utf8'));
  t.match(gaps.gaps, [{ bytes: third! - second!, keptAs, reason: 'a batch fails its checks' }]);
});

/** Nothing of it is a loss: it is repaired without consent. */
const LOSSLESS: Case[] = [
  {
    name: 'a damaged header',
    spoil: (log) => {
      flipByte(log.segments(0)[1]!, 20);
      flipByte(log.segments(1).at(-1)!, 20);
      return {};
    },
  },
  {
    name: 'a damaged checkpoint',
    spoil: (log) => {
      flipByte(join(log.partitionDirectory(0), 'checkpoint'), 30);
      return {};
    },
  },
  {
    name: 'damaged and missing derived files',
    spoil: (log) => {
      flipByte(log.segments(0)[1]!.replace('.log', '.index'), 60);
      fs.rmSync(log.segments(0)[2]!.replace('.log', '.timeindex'));
      flipByte(log.segments(1)[0]!.replace('.log', '.summary'), 20);
      return {};
    },
  },
  {
    name: 'batches that the journal has',
    journal: true,
    spoil: (log) => {
      const path = log.segments(0)[1]!;
      flipByte(path, batchesOf(path)[4]! + 90);
      const last = log.segments(1).at(-1)!;
      flipByte(last, batchesOf(last)[0]! + 90);
      return {};
    },
  },
  {
    name: 'a segment that the journal has',
    journal: true,
    spoil: (log) => {
      fs.rmSync(log.segments(0)[2]!);
      return {};
    },
  },
  {
    name: 'a damaged meta.json',
    spoil: (log) => {
      flipByte(join(log.directory, 'meta.json'), 60);
      return {};
    },
  },
  {
    name: 'a gaps.json that is no JSON, where nothing is missing',
    spoil: (log) => {
      fs.writeFileSync(join(log.partitionDirectory(1), 'gaps.json'), '{');
      return {};
    },
  },
  {
    name: 'nothing but how it ended',
    clean: false,
    spoil: () => ({}),
  },
];

for (const { name, spoil, journal = false, clean: only } of LOSSLESS) {
  for (const clean of only === undefined ? [true, false] : [only]) {
    t.test(`puts right ${name}, ${clean ? 'after a clean stop' : 'after an unclean stop'}`, async (t) => {
      const log = await sampleLog(t, { journal });
      if (!clean) fs.rmSync(join(log.directory, 'clean-shutdown'));
      spoil(log);
      const repaired = await repairDirectory({ directory: log.directory, acceptLoss: false });
      t.match(repaired, { ok: true, losses: [], remaining: [] });
      await checkRepaired(t, log, {});
    });
  }
}

t.test('of a missing partition directory what the journal has comes back', async (t) => {
  const log = await sampleLog(t, { journal: true });
  fs.rmSync(join(log.directory, 'clean-shutdown'));
  fs.rmSync(log.partitionDirectory(1), { recursive: true });
  const engine = await Engine.open({ directory: log.directory });
  t.match(engine.health(), { ready: false, fencedPartitions: [{ partition: 1 }] });
  await engine.close();
  const report = await repairDirectory({ directory: log.directory, acceptLoss: true });
  t.match(report, { ok: true, losses: [{ partition: 1, firstOffset: 0 }] });
  t.ok(report.losses[0]!.endOffset < 100, 'the journal was in use soon');
  await checkRepaired(t, log, { 1: [[0, report.losses[0]!.endOffset]] });
});

t.test('a directory in order is left alone', async (t) => {
  const log = await sampleLog(t);
  const before = fs.readFileSync(join(log.directory, 'clean-shutdown'));
  const report = await repairDirectory({ directory: log.directory, acceptLoss: true });
  t.match(report, { ok: true, actions: [], losses: [], remaining: [], keptIn: null });
  t.same(fs.readFileSync(join(log.directory, 'clean-shutdown')), before);
});

t.test('topic.json is made anew with consent, but for the settings', async (t) => {
  const log = await sampleLog(t);
  const path = join(log.directory, 'topics', TOPIC, 'topic.json');
  const { id } = JSON.parse(fs.readFileSync(path, 'utf8'));
  flipByte(path, 70);
  const asked = await repairDirectory({ directory: log.directory, acceptLoss: false });
  t.match(asked, { ok: false, remaining: [{ file: 'topics/sample/topic.json' }] });
  const repaired = await repairDirectory({ directory: log.directory, acceptLoss: true });
  t.match(repaired, { ok: true, keptIn: String });
  t.match(JSON.parse(fs.readFileSync(path, 'utf8')), { id, name: TOPIC, partitions: 2, config: {} });
  await checkRepaired(t, log, {});
});

t.test('a topic whose directory is gone is forgotten with consent', async (t) => {
  const log = await sampleLog(t);
  fs.rmSync(join(log.directory, 'topics', TOPIC), { recursive: true });
  t.match(await verifyDirectory({ directory: log.directory }), {
    ok: false,
    findings: [{ file: 'clean-shutdown' }, {}],
  });
  const asked = await repairDirectory({ directory: log.directory, acceptLoss: false });
  t.match(asked, { ok: false, actions: [], remaining: [{ file: 'clean-shutdown' }, {}] });
  t.match(await repairDirectory({ directory: log.directory, acceptLoss: true }), { ok: true, remaining: [] });
  t.match(await verifyDirectory({ directory: log.directory }), { ok: true, findings: [] });
});

t.test('a partition that topic.json does not know is for people to decide', async (t) => {
  const log = await sampleLog(t);
  fs.cpSync(log.partitionDirectory(1), log.partitionDirectory(2), { recursive: true });
  const report = await repairDirectory({ directory: log.directory, acceptLoss: true });
  t.match(report, {
    ok: false,
    actions: [],
    remaining: [{ partition: 2, message: /restore the right topic.json/ }],
  });
});

t.test('a process that has the directory open keeps repair out', async (t) => {
  const log = await sampleLog(t);
  const engine = await Engine.open({ directory: log.directory });
  await t.rejects(repairDirectory({ directory: log.directory, acceptLoss: true }), {
    code: 'DIRECTORY_LOCKED',
  });
  await engine.close();
});

t.test('what is no data directory, or a newer one, is refused and left alone', async (t) => {
  const directory = t.testdir({ 'other.txt': 'x' });
  await t.rejects(repairDirectory({ directory, acceptLoss: true }), { code: 'INVALID_REQUEST' });
  t.same(fs.readdirSync(directory), ['other.txt']);
  fs.writeFileSync(join(directory, 'meta.json'), encodeJsonFile({ formatVersion: 2 }));
  await t.rejects(repairDirectory({ directory, acceptLoss: true }), { code: 'UNSUPPORTED_VERSION' });
  t.same(fs.readdirSync(directory), ['meta.json', 'other.txt']);
});
