import fs from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { encodeJsonFile } from '../../../src/engine/format/json-file.ts';
import { OffsetIndex } from '../../../src/engine/format/offset-index.ts';
import { batchSize } from '../../../src/engine/format/record-batch.ts';
import { encodeSegmentHeader, SEGMENT_HEADER_BYTES } from '../../../src/engine/format/segment-header.ts';
import { encodeSidecar } from '../../../src/engine/format/sidecar.ts';
import { nodeFileSystem, verifyDirectory } from '../../../src/engine/index.ts';
import type { VerifyFinding } from '../../../src/engine/inspection/verify-report.ts';
import { flipByte, type SampleLog, sampleLog, TOPIC } from '../../helpers/sample-log.ts';

const damageOf = (findings: VerifyFinding[]) => findings.filter(({ severity }) => severity === 'damage');

/** Positions at which the batches of a segment begin. */
function batchesOf(path: string): number[] {
  const bytes = fs.readFileSync(path);
  const positions: number[] = [];
  for (let at = SEGMENT_HEADER_BYTES; at < bytes.length; at += batchSize(bytes, at)) positions.push(at);
  return positions;
}

t.test('a log that was stopped cleanly is in order', async (t) => {
  const log = await sampleLog(t);
  const before = snapshot(log.directory);
  const progress: number[] = [];
  const report = await verifyDirectory({
    directory: log.directory,
    onProgress: ({ bytesDone, bytesTotal, file }) => {
      progress.push(bytesDone);
      t.ok(bytesDone <= bytesTotal);
      t.match(file, /^topics\/sample\/[01]\/\d{20}\.log$/);
    },
  });
  t.same(report.findings, []);
  t.match(report, { ok: true, scope: 'all', state: 'clean', segmentsInUse: 0 });
  const bytes = [0, 1].flatMap((partition) => log.segments(partition)).map((path) => fs.statSync(path).size);
  const total = bytes.reduce((sum, size) => sum + size, 0);
  t.same(report.counts, {
    topics: 1,
    partitions: 2,
    segments: bytes.length,
    batches: 48,
    records: 192,
    bytes: total,
  });
  t.equal(progress.at(-1), total);
  t.same(snapshot(log.directory), before, 'nothing was written');
});

t.test('what a killed process left is in order, and judged as the next start would', async (t) => {
  const log = await sampleLog(t, { clean: false, journal: true });
  const report = await verifyDirectory({ directory: log.directory });
  t.match(report, { ok: true, state: 'unclean' });
  t.ok(
    report.findings.some(({ severity, message }) => severity === 'note' && /in the journal/.test(message)),
  );
  const last = log.segments(0).at(-1)!;
  fs.appendFileSync(last, Buffer.alloc(100, 1));
  const torn = await verifyDirectory({ directory: log.directory });
  t.ok(torn.ok, 'an end that nobody was promised is no damage');
});

/** What is done to the log, and what is to be found; `ok` stays true where nothing is damage. */
const CASES: [name: string, spoil: (log: SampleLog) => void, found: Partial<VerifyFinding>][] = [
  [
    'a flipped bit in a batch of a sealed segment',
    (log) => flipByte(log.segments(0)[1]!, batchesOf(log.segments(0)[1]!)[2]! + 90),
    { severity: 'damage', partition: 0, message: 'a batch fails its checks' },
  ],
  [
    'a flipped bit in the active segment',
    (log) => flipByte(log.segments(1).at(-1)!, batchesOf(log.segments(1).at(-1)!)[0]! + 20),
    { severity: 'damage', partition: 1, message: 'a batch fails its checks' },
  ],
  [
    'a cut off end',
    (log) => fs.truncateSync(log.segments(0).at(-1)!, fs.statSync(log.segments(0).at(-1)!).size - 1),
    { severity: 'damage', partition: 0 },
  ],
  [
    'an end that is cut off where a batch ends',
    (log) => fs.truncateSync(log.segments(0).at(-1)!, batchesOf(log.segments(0).at(-1)!).at(-1)!),
    { severity: 'damage', message: 'acknowledged records are missing' },
  ],
  [
    'a missing segment in the middle',
    (log) => fs.rmSync(log.segments(0)[2]!),
    { severity: 'damage', message: 'records are missing' },
  ],
  [
    'a missing first segment',
    (log) => fs.rmSync(log.segments(0)[0]!),
    { severity: 'damage', firstOffset: 0, message: 'records are missing' },
  ],
  [
    'a missing last segment',
    (log) => fs.rmSync(log.segments(0).at(-1)!),
    { severity: 'damage', message: 'acknowledged records are missing' },
  ],
  [
    'a damaged segment header',
    (log) => flipByte(log.segments(0)[1]!, 40),
    { severity: 'damage', startPosition: 0, endPosition: 64, firstOffset: null },
  ],
  [
    'a segment of another partition',
    (log) => fs.copyFileSync(log.segments(1)[1]!, log.segments(0)[1]!),
    { severity: 'damage', partition: 0, startPosition: 0 },
  ],
  [
    'a damaged index',
    (log) => flipByte(log.segments(0)[1]!.replace('.log', '.index'), 60),
    { severity: 'derived', file: 'offset' },
  ],
  [
    'a missing time index',
    (log) => fs.rmSync(log.segments(0)[1]!.replace('.log', '.timeindex')),
    { severity: 'derived', file: 'time' },
  ],
  [
    'a damaged summary',
    (log) => flipByte(log.segments(0)[0]!.replace('.log', '.summary'), 20),
    { severity: 'derived', file: 'summary' },
  ],
  [
    'a damaged checkpoint',
    (log) => flipByte(join(log.partitionDirectory(0), 'checkpoint'), 20),
    { severity: 'derived', file: 'checkpoint' },
  ],
  [
    'the checkpoint of another partition',
    (log) =>
      fs.copyFileSync(
        join(log.partitionDirectory(1), 'checkpoint'),
        join(log.partitionDirectory(0), 'checkpoint'),
      ),
    { severity: 'derived', partition: 0, file: 'checkpoint' },
  ],
  [
    'a damaged clean marker',
    (log) => flipByte(join(log.directory, 'clean-shutdown'), 20),
    { severity: 'derived', topic: null, file: 'clean-shutdown' },
  ],
  [
    'a damaged topic.json',
    (log) => flipByte(join(log.directory, 'topics', TOPIC, 'topic.json'), 60),
    { severity: 'damage', topic: TOPIC, partition: null },
  ],
  [
    'a damaged meta.json',
    (log) => flipByte(join(log.directory, 'meta.json'), 60),
    { severity: 'damage', topic: null },
  ],
  [
    'a gaps.json that is no JSON',
    (log) => fs.writeFileSync(join(log.partitionDirectory(1), 'gaps.json'), '{'),
    { severity: 'damage', partition: 1, file: 'gaps.json' },
  ],
  [
    'a missing partition directory',
    (log) => fs.rmSync(log.partitionDirectory(1), { recursive: true }),
    { severity: 'damage', partition: 1, firstOffset: 0, endOffset: 96 },
  ],
  [
    'a partition that topic.json does not know',
    (log) => fs.cpSync(log.partitionDirectory(1), log.partitionDirectory(2), { recursive: true }),
    { severity: 'damage', partition: 2 },
  ],
  [
    'leftovers of a process that ended',
    (log) => fs.writeFileSync(join(log.partitionDirectory(0), 'checkpoint~'), 'x'),
    { severity: 'note', file: 'checkpoint~' },
  ],
  [
    'a name that a topic had',
    (log) => fs.mkdirSync(join(log.directory, 'topics', 'former')),
    { severity: 'note', topic: null, file: 'topics/former' },
  ],
  [
    'a file that is not ours',
    (log) => fs.writeFileSync(join(log.partitionDirectory(0), 'notes.txt'), 'x'),
    { severity: 'note', file: 'notes.txt' },
  ],
  [
    'an index that is whole and leads astray',
    (log) => {
      const path = log.segments(0)[0]!.replace('.log', '.index');
      const { index, coveredEndOffset, coveredEndPosition } = OffsetIndex.decode(fs.readFileSync(path), 0)!;
      const wrong = OffsetIndex.empty(0);
      for (let i = 0; i < index.entries; i++)
        wrong.append(index.entry(i).offset, index.entry(i).position + 1);
      fs.writeFileSync(path, Buffer.concat(wrong.encode(coveredEndOffset, coveredEndPosition)));
    },
    { severity: 'damage', file: 'offset' },
  ],
  [
    'a checkpoint that is whole and not true',
    (log) => {
      const active = { baseOffset: 0, endOffset: 4, bytes: 99, records: 4, batches: 1 };
      const times = { firstTimestamp: 1, minTimestamp: 1, maxTimestamp: 1, firstAppendAt: 1 };
      const checkpoint = { recoveryPoint: 4, logStartOffset: 0, active: { ...active, ...times } };
      const topic = fs.readFileSync(join(log.directory, 'topics', TOPIC, 'topic.json'), 'utf8');
      const owner = { topicId: JSON.parse(topic).id, partition: 0 };
      const path = join(log.partitionDirectory(0), 'checkpoint');
      fs.writeFileSync(path, encodeSidecar('checkpoint', { ...owner, ...checkpoint }));
    },
    { severity: 'damage', file: 'checkpoint' },
  ],
];

const FILES: Record<string, RegExp> = { offset: /\.index$/, time: /\.timeindex$/, summary: /\.summary$/ };

for (const [name, spoil, { file, ...found }] of CASES) {
  t.test(`finds ${name}`, async (t) => {
    const log = await sampleLog(t);
    spoil(log);
    const before = snapshot(log.directory);
    const report = await verifyDirectory({ directory: log.directory });
    const matching = report.findings.filter((finding) =>
      Object.entries(found).every(([key, value]) => finding[key as keyof VerifyFinding] === value),
    );
    t.ok(matching.length > 0, JSON.stringify(report.findings, null, 1));
    if (file !== undefined) t.match(matching[0]!.file, FILES[file] ?? new RegExp(`${file}$`));
    t.equal(report.ok, found.severity !== 'damage');
    t.equal(damageOf(report.findings).length > 0, found.severity === 'damage');
    t.same(await verifyDirectory({ directory: log.directory }), report, 'the same again');
    t.same(snapshot(log.directory), before, 'nothing was written');
  });
}

t.test('what is said of damage is where it is', async (t) => {
  const log = await sampleLog(t);
  const path = log.segments(0)[1]!;
  const [, second, third] = batchesOf(path);
  flipByte(path, second! + 85);
  const report = await verifyDirectory({ directory: log.directory });
  t.same(damageOf(report.findings), [
    {
      severity: 'damage',
      topic: TOPIC,
      partition: 0,
      segment: Number(basename(path, '.log')),
      file: `topics/sample/0/${basename(path)}`,
      startPosition: second,
      endPosition: third,
      firstOffset: Number(basename(path, '.log')) + 4,
      endOffset: Number(basename(path, '.log')) + 8,
      message: 'a batch fails its checks',
    },
  ]);
});

t.test('records that the checksum says are right, but nobody can read, are damage', async (t) => {
  const log = await sampleLog(t);
  const path = log.segments(0)[0]!;
  const { stampBatch } = await import('../../../src/engine/format/record-batch.ts');
  const bytes = fs.readFileSync(path);
  const batch = bytes.subarray(
    SEGMENT_HEADER_BYTES,
    SEGMENT_HEADER_BYTES + batchSize(bytes, SEGMENT_HEADER_BYTES),
  );
  // The length of the first record.
  batch[80] = 2;
  stampBatch(batch, 0, 0);
  fs.writeFileSync(path, bytes);
  const report = await verifyDirectory({ directory: log.directory });
  t.match(damageOf(report.findings), [
    { firstOffset: 0, endOffset: 4, message: /^its records cannot be read: / },
  ]);
});

t.test('the lock is held meanwhile', async (t) => {
  const log = await sampleLog(t);
  let refused: Promise<unknown> | undefined;
  await verifyDirectory({
    directory: log.directory,
    onProgress: () => {
      refused ??= nodeFileSystem.lock(join(log.directory, 'seglog.lock')).then(
        (lock) => lock.release(),
        (error) => error,
      );
    },
  });
  t.match(await refused, { code: 'DIRECTORY_LOCKED' });
});

t.test('a signal ends it', async (t) => {
  const log = await sampleLog(t);
  const giveUp = new AbortController();
  const { signal } = giveUp;
  const verifying = verifyDirectory({ directory: log.directory, signal, onProgress: () => giveUp.abort() });
  await t.rejects(verifying, { code: 'REQUEST_TIMED_OUT', message: /of \d+ bytes, in topics\/sample/ });
});

t.test('what is no data directory is refused and left alone', async (t) => {
  const directory = t.testdir({ 'other.txt': 'x' });
  await t.rejects(verifyDirectory({ directory }), { code: 'INVALID_REQUEST' });
  await t.rejects(verifyDirectory({ directory: join(directory, 'nowhere') }), { code: 'INVALID_REQUEST' });
  const file = join(directory, 'other.txt');
  await t.rejects(verifyDirectory({ directory: file }), {
    code: 'INVALID_REQUEST',
    message: `${file} is no data directory: there is no meta.json and there are no topics`,
  });
  t.same(fs.readdirSync(directory), ['other.txt']);
});

t.test('a newer version is refused', async (t) => {
  const log = await sampleLog(t);
  const refused = () =>
    t.rejects(verifyDirectory({ directory: log.directory }), { code: 'UNSUPPORTED_VERSION' });
  const meta = join(log.directory, 'meta.json');
  const before = fs.readFileSync(meta);
  fs.writeFileSync(meta, encodeJsonFile({ formatVersion: 2, instanceId: 'x', createdAt: '' }));
  await refused();
  fs.writeFileSync(meta, before);
  const { writeFileHeader } = await import('../../../src/engine/format/file-header.ts');
  const segment = log.segments(0)[0]!;
  const bytes = fs.readFileSync(segment);
  const header = encodeSegmentHeader({ topicId: '0'.repeat(32), partition: 0, baseOffset: 0, createdAt: 0 });
  writeFileHeader(header, { magic: 'SLSG', version: 2, name: '' });
  header.copy(bytes);
  fs.writeFileSync(segment, bytes);
  await refused();
});

/** All files of a directory with their content; the lock file is SQLite's business. */
function snapshot(directory: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const name of fs.readdirSync(directory, { recursive: true }) as string[]) {
    const path = join(directory, name);
    if (fs.statSync(path).isFile() && name !== 'seglog.lock') files[name] = fs.readFileSync(path, 'latin1');
  }
  return files;
}
