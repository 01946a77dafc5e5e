/** Search indexes beside segments: they stay as long as their segment does, and nobody but who searches misses them. */
import t from 'tap';
import { searchPath } from '../../src/engine/files/log-file-names.ts';
import { writeFileHeader } from '../../src/engine/format/file-header.ts';
import { encodeSearchFile } from '../../src/engine/format/search-file.ts';
import { dumpFile, repairDirectory, type SearchSegment, verifyDirectory } from '../../src/engine/index.ts';
import { replaceSealed } from '../helpers/rewriting.ts';
import { SimEngine } from '../helpers/sim-engine.ts';

const DIRECTORY = '/data/topics/a/0';

/** A log with two sealed segments. */
async function sealedLog(capacityBytes?: number): Promise<SimEngine> {
  const log = new SimEngine({ 'log.dir.reserve.bytes': 1000 });
  if (capacityBytes !== undefined) log.disk.capacityBytes = capacityBytes;
  await log.start();
  await log.engine.createTopic('a', { config: { 'segment.bytes': 4096 } });
  for (let i = 0; i < 5; i++) await log.append('a', `${i} `.padEnd(1800, 'x'));
  await log.settle();
  return log;
}

const segmentsOf = ({ engine }: SimEngine) => engine.search.partition('a', 0).segments;

/** An index of a segment that nobody could search with. */
function indexOf(log: SimEngine, { baseOffset, endOffset, bytes }: SearchSegment): Uint8Array[] {
  const { topicId } = log.engine.search.partition('a', 0);
  const identity = { topicId, partition: 0, baseOffset, endOffset, bytes, createdAt: 1 };
  return encodeSearchFile(identity, [Buffer.from('first part'), Buffer.from('second part')]);
}

const put = (log: SimEngine, segment: SearchSegment) =>
  log.engine.search.putIndex('a', 0, segment.id, indexOf(log, segment));

const searchFiles = ({ disk }: SimEngine) => disk.paths().filter((path) => path.includes('.search'));

async function findings(log: SimEngine) {
  const report = await verifyDirectory({ directory: '/data', fileSystem: log.disk });
  return report.findings.filter(({ severity }) => severity !== 'note');
}

t.test('what searches are told of a partition', async (t) => {
  const log = await sealedLog();
  const { topicId, fields, segments, logStartOffset, highWatermark } = log.engine.search.partition('a', 0);
  t.match(topicId, /^[0-9a-f]{32}$/);
  t.same(fields, ['source', 'level']);
  t.same([logStartOffset, highWatermark], [0, 5]);
  t.same(
    segments.map(({ path, searchPath, baseOffset, endOffset, records, sealed }) => ({
      ...{ path, searchPath, baseOffset, endOffset, records, sealed },
    })),
    [0, 2, 4].map((baseOffset) => ({
      path: `${DIRECTORY}/0000000000000000000${baseOffset}.log`,
      searchPath: `${DIRECTORY}/0000000000000000000${baseOffset}.search`,
      baseOffset,
      endOffset: Math.min(5, baseOffset + 2),
      records: baseOffset === 4 ? 1 : 2,
      sealed: baseOffset < 4,
    })),
  );
  t.same(
    segmentsOf(log).map(({ id }) => id),
    segments.map(({ id }) => id),
    'the same content has the same id',
  );
  t.same(
    log.engine.search.partition('a', 0, 3).segments.map(({ baseOffset }) => baseOffset),
    [2, 4],
  );
  t.same(
    log.engine.search.partition('a', 0, 99).segments.map(({ baseOffset }) => baseOffset),
    [4],
  );
  await log.engine.alterTopic('a', { config: { 'index.fields': 'level,x,level' } });
  t.same(log.engine.search.partition('a', 0).fields, ['level', 'x']);
  await log.engine.alterTopic('a', { config: { 'index.fields': '' } });
  t.same(log.engine.search.partition('a', 0).fields, []);
});

t.test('an index is put beside its segment, replaced and taken away', async (t) => {
  const log = await sealedLog();
  const [first] = segmentsOf(log);
  t.equal(await put(log, first!), true);
  t.same(searchFiles(log), [first!.searchPath]);
  t.same(await findings(log), []);
  t.equal(await put(log, first!), true);
  t.equal(await log.engine.search.putIndex('a', 0, first!.id, null), true);
  t.same(searchFiles(log), []);
});

t.test('a segment that is not settled, or not there any more, gets none', async (t) => {
  const log = await sealedLog();
  const [first, second, active] = segmentsOf(log);
  t.equal(await put(log, active!), false);
  await replaceSealed(log.engine, 'a', { keep: () => true });
  const [rewritten] = segmentsOf(log);
  t.not(rewritten!.id, first!.id);
  t.equal(await put(log, first!), false);
  t.equal(await put(log, second!), false);
  t.same(searchFiles(log), []);
  t.equal(await put(log, rewritten!), true);
  await t.rejects(log.engine.search.putIndex('b', 0, 1, null), { code: 'UNKNOWN_TOPIC_OR_PARTITION' });
});

t.test('an index goes with its segment', async (t) => {
  await t.test('when that is deleted', async (t) => {
    const log = await sealedLog();
    const [first, second] = segmentsOf(log);
    await put(log, first!);
    await put(log, second!);
    await log.engine.deleteRecords('a', 0, 2);
    t.same(searchFiles(log), [second!.searchPath]);
  });
  await t.test('when others take its place', async (t) => {
    const log = await sealedLog();
    for (const segment of segmentsOf(log).slice(0, 2)) await put(log, segment);
    await replaceSealed(log.engine, 'a', { keep: ({ offset }) => offset !== 1 });
    t.same(searchFiles(log), []);
    t.same(await findings(log), []);
  });
  await t.test('when the topic is deleted', async (t) => {
    const log = await sealedLog();
    await put(log, segmentsOf(log)[0]!);
    await log.engine.deleteTopic('a');
    await log.settle();
    t.same(searchFiles(log), []);
  });
});

t.test('an index stays over a restart and over a crash', async (t) => {
  const log = await sealedLog();
  await put(log, segmentsOf(log)[0]!);
  await log.reopen();
  t.equal(searchFiles(log).length, 1);
  await log.reopenAfterKill();
  t.equal(searchFiles(log).length, 1);
  t.same(await findings(log), []);
});

t.test('one of a newer version that recovery would remove is refused, and left alone', async (t) => {
  const log = await sealedLog();
  const active = segmentsOf(log)[2]!;
  const [head] = indexOf(log, active) as Buffer[];
  writeFileHeader(head!, { magic: 'SLSX', version: 2, name: '' });
  log.disk.plant(active.searchPath, head!);
  await t.rejects(log.reopenAfterKill(), { code: 'UNSUPPORTED_VERSION', message: /a search index/ });
  t.same(searchFiles(log), [active.searchPath]);
  log.leaveDamaged();
});

t.test('whoever rolls or rewrites segments is told, until the listener is taken away', async (t) => {
  const log = await sealedLog();
  const told: string[] = [];
  const stop = log.engine.search.onSealed((topic, partition) => told.push(`${topic}-${partition}`));
  for (let i = 0; i < 2; i++) await log.append('a', 'y'.repeat(1800));
  await log.settle();
  t.same(told, ['a-0']);
  await replaceSealed(log.engine, 'a', { keep: () => true });
  t.same(told, ['a-0', 'a-0']);
  stop();
  for (let i = 0; i < 2; i++) await log.append('a', 'y'.repeat(1800));
  await log.settle();
  t.equal(told.length, 2);
});

t.test('where there is no space, an index is not stored, and appends go on', async (t) => {
  const log = await sealedLog(1_000_000);
  const [first] = segmentsOf(log);
  const content = [Buffer.alloc(log.engine.stats().freeBytes - 999)];
  await t.rejects(log.engine.search.putIndex('a', 0, first!.id, content), { code: 'STORAGE_FULL' });
  t.same(searchFiles(log), []);
  t.equal(log.engine.health().storageFull, false);
  await log.append('a', 'more');
});

t.test('a damaged or outdated index is told, and repaired by taking it away', async (t) => {
  for (const [what, damage] of [
    ['fails its checks', (bytes: Buffer) => bytes.fill('x', bytes.length - 3)],
    ['fails its checks', (bytes: Buffer) => bytes.fill(bytes[30]! ^ 1, 30, 31)],
    ['fails its checks', (bytes: Buffer) => bytes.subarray(0, 20)],
    ['is of another state of the segment', undefined],
  ] as const) {
    const log = await sealedLog();
    const [first, second] = segmentsOf(log);
    await put(log, first!);
    await log.engine.close();
    const path = first!.searchPath;
    const other = Buffer.concat(
      encodeSearchFile({ ...second!, topicId: '0'.repeat(32), partition: 0, createdAt: 1 }, []),
    );
    log.disk.plant(path, damage === undefined ? other : damage(Buffer.from(log.disk.contents(path))));
    t.match(await findings(log), [
      { severity: 'derived', file: /0\.search$/, message: new RegExp(`the search index ${what}`) },
    ]);
    const items = [];
    for await (const item of dumpFile(path, { fileSystem: log.disk })) items.push(item);
    t.equal(
      items.some(({ damaged }) => damaged),
      damage !== undefined,
    );
    const report = await repairDirectory({ directory: '/data', fileSystem: log.disk, acceptLoss: false });
    t.match(report.actions, [{ message: /removed the search index, to be made anew/ }]);
    t.same(searchFiles(log), []);
    t.same(await findings(log), []);
  }
});

t.test('an index is shown by its parts', async (t) => {
  const log = await sealedLog();
  const [first] = segmentsOf(log);
  await put(log, first!);
  const items = [];
  for await (const { data } of dumpFile(searchPath(DIRECTORY, 0), { fileSystem: log.disk })) items.push(data);
  t.match(items, [
    { kind: 'file', type: 'search index' },
    { kind: 'header', baseOffset: 0, endOffset: 2, partition: 0, checks: 'ok' },
    { kind: 'entry', part: 0, bytes: 10, checks: 'ok' },
    { kind: 'entry', part: 1, bytes: 11, checks: 'ok' },
  ]);
});
