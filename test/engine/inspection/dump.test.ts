import fs from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { batchSize } from '../../../src/engine/format/record-batch.ts';
import { SEGMENT_HEADER_BYTES } from '../../../src/engine/format/segment-header.ts';
import { type DumpItem, dumpFile, Engine } from '../../../src/engine/index.ts';
import { flipByte, sampleLog, sampleValue } from '../../helpers/sample-log.ts';
import { verifyNow } from '../../helpers/verify-after.ts';

async function dump(path: string, records = false): Promise<DumpItem[]> {
  const items: DumpItem[] = [];
  for await (const item of dumpFile(path, { records })) {
    JSON.stringify(item.data);
    items.push(item);
    t.notMatch(item.line, /\b1 (records|batches|frames|entries|bytes)\b/);
  }
  return items;
}

const dataOf = (items: DumpItem[], kind: string) =>
  items.filter((item) => item.kind === kind).map(({ data }) => data);
const isWhole = (items: DumpItem[]) => items.every(({ damaged }) => !damaged);

t.test('a segment: its header and each batch', async (t) => {
  const log = await sampleLog(t);
  const path = log.segments(0)[1]!;
  const base = Number(basename(path, '.log'));
  const items = await dump(path);
  t.ok(isWhole(items));
  t.match(items[0], { kind: 'file', data: { kind: 'file', type: 'segment', bytes: fs.statSync(path).size } });
  t.match(items[1], { kind: 'header', data: { partition: 0, baseOffset: base, checks: 'ok' } });
  const batches = dataOf(items, 'batch');
  t.match(batches[0], {
    position: 64,
    baseOffset: base,
    lastOffset: base + 3,
    records: 4,
    baseTimestamp: new Date(1_000_000 + base).toISOString(),
    maxTimestamp: new Date(1_000_003 + base).toISOString(),
    durableFloor: base,
    checks: 'ok',
  });
  t.same(new Set(batches.map(({ codec }) => codec)), new Set(['none', 'gzip', 'snappy', 'lz4', 'zstd']));
  t.match(items[2]!.line, /^batch at 64: offsets \d+-\d+, 4 records, \d+ bytes, .*, floor \d+, ok$/);
  t.equal(dataOf(items, 'record').length, 0);
  t.match(items.at(-1), { kind: 'end', data: { batches: batches.length, damagedBytes: 0 } });
});

t.test('records, as text or as base64', async (t) => {
  const log = await sampleLog(t);
  const items = await dump(log.segments(1)[0]!, true);
  const records = dataOf(items, 'record');
  t.same(
    records.map(({ value }) => value),
    records.map((_, offset) => sampleValue(1, offset)),
  );
  t.match(records[3], { offset: 3, timestamp: '1970-01-01T00:16:40.003Z', key: 'key 3', headers: [] });

  const directory = join(t.testdirName, 'other');
  const engine = await Engine.open({ directory });
  await engine.createTopic('bytes');
  const headers = [
    { key: 'a', value: Buffer.from([0xff]) },
    { key: 'b', value: null },
  ];
  await engine.append('bytes', [{ value: Buffer.from([0xf5, 0x00]), key: null, headers, timestamp: 7 }]);
  await engine.close();
  await verifyNow(directory);
  const path = join(directory, 'topics/bytes/0/00000000000000000000.log');
  const all = await dump(path, true);
  t.match(all.find(({ kind }) => kind === 'batch')!.line, /offsets 0-0, 1 record, \d+ bytes, /);
  t.equal(all.at(-1)!.line, '1 batch, 1 record');
  t.match(
    (await dump(path.replace('.log', '.index')))[1]!.line,
    /^header: 1 entry for the log below offset 1,/,
  );
  const [record] = all.filter(({ kind }) => kind === 'record');
  t.same(record!.data, {
    kind: 'record',
    offset: 0,
    timestamp: '1970-01-01T00:00:00.007Z',
    key: null,
    value: '9QA=',
    valueEncoding: 'base64',
    headers: [
      { key: 'a', value: '/w==', valueEncoding: 'base64' },
      { key: 'b', value: null },
    ],
  });
  t.equal(
    record!.line,
    '  record 0, 1970-01-01T00:00:00.007Z, key null, value base64:9QA=, "a"=base64:/w==, "b"=null',
  );
});

t.test('it goes on behind damage and says where it was', async (t) => {
  const log = await sampleLog(t);
  const path = log.segments(0)[0]!;
  const bytes = fs.readFileSync(path);
  const second = SEGMENT_HEADER_BYTES + batchSize(bytes, SEGMENT_HEADER_BYTES);
  const third = second + batchSize(bytes, second);
  const whole = dataOf(await dump(path), 'batch');
  flipByte(path, 30);
  flipByte(path, second + 100);
  flipByte(path, third + 5);
  const items = await dump(path, true);
  t.match(items[1], { kind: 'header', damaged: true, data: { checks: 'checksum' } });
  const batches = dataOf(items, 'batch');
  t.match(batches[1], { position: second, baseOffset: 4, checks: 'checksum', damaged: true });
  t.match(
    items.find(({ kind }) => kind === 'fault'),
    { damaged: true, data: { startPosition: third, checks: 'magic' } },
  );
  t.same(batches.slice(2), whole.slice(3));
  t.match(items.at(-1)!.line, /^\d+ batches, \d+ records, \d+ bytes damaged$/);
});

t.test('indexes, entry by entry', async (t) => {
  const log = await sampleLog(t);
  const path = log.segments(0)[1]!;
  const batches = dataOf(await dump(path), 'batch');
  const offsets = await dump(path.replace('.log', '.index'));
  t.match(offsets[1], { kind: 'header', data: { coveredEndPosition: fs.statSync(path).size, checks: 'ok' } });
  for (const { offset, position } of dataOf(offsets, 'entry'))
    t.ok(batches.some((batch) => batch.baseOffset === offset && batch.position === position));
  const times = await dump(path.replace('.log', '.timeindex'));
  for (const { offset, timestamp } of dataOf(times, 'entry'))
    t.ok(batches.some((batch) => batch.lastOffset === offset && batch.maxTimestamp === timestamp));
  t.ok(dataOf(times, 'entry').length > 1);
  flipByte(path.replace('.log', '.index'), 50);
  t.match(await dump(path.replace('.log', '.index')), [{}, { damaged: true, data: { checks: 'bad' } }]);
});

t.test('sidecars and JSON files, field by field', async (t) => {
  const log = await sampleLog(t);
  const summary = await dump(log.segments(0)[0]!.replace('.log', '.summary'));
  t.match(Object.assign({}, ...dataOf(summary, 'body')), { baseOffset: 0, records: Number });
  const checkpoint = await dump(join(log.partitionDirectory(0), 'checkpoint'));
  t.match(Object.assign({}, ...dataOf(checkpoint, 'body')), { recoveryPoint: 96, logStartOffset: 0 });
  const marker = await dump(join(log.directory, 'clean-shutdown'));
  t.match(dataOf(marker, 'entry'), [{ partition: 0, logEndOffset: 96 }, { partition: 1 }]);
  const topic = await dump(join(log.directory, 'topics/sample/topic.json'));
  t.match(Object.assign({}, ...dataOf(topic, 'body')), { name: 'sample', partitions: 2 });
  const meta = join(log.directory, 'meta.json');
  t.ok(isWhole(await dump(meta)));
  for (const path of [
    meta,
    join(log.directory, 'clean-shutdown'),
    join(log.partitionDirectory(0), 'checkpoint'),
  ]) {
    flipByte(path, 40);
    t.match(await dump(path), [{ kind: 'file' }, { kind: 'header', damaged: true }]);
  }
});

t.test('a journal: its frames and the batches in them', async (t) => {
  const log = await sampleLog(t, { journal: true, clean: false });
  const [name] = fs.readdirSync(join(log.directory, 'journal')).filter((each) => each.endsWith('.journal'));
  const path = join(log.directory, 'journal', name!);
  const items = await dump(path, true);
  t.ok(isWhole(items));
  const frames = dataOf(items, 'frame');
  t.ok(frames.length > 1);
  const entries = dataOf(items, 'entry');
  t.match(entries[0], { kind: 'entry', partition: Number, baseOffset: Number, records: 4, checks: 'ok' });
  t.match(dataOf(items, 'record')[0]!.value, /^partition [01] offset \d+ /);

  flipByte(path, (entries[0]!.position as number) + 100);
  const damaged = await dump(path);
  t.match(dataOf(damaged, 'frame')[0], { position: 512, lostBatches: 1 });
  t.ok(damaged.some(({ kind, damaged }) => kind === 'entry' && damaged));
  flipByte(path, 512 + 20);
  t.match(await dump(path), [{}, {}, { kind: 'fault', damaged: true, data: { startPosition: 512 } }]);
  t.equal(dataOf(await dump(path), 'frame').length, frames.length - 1);
});

t.test('a file is known by its first bytes when it has another name', async (t) => {
  const log = await sampleLog(t);
  const copy = join(log.directory, 'copied');
  for (const [suffix, type] of [
    ['.log', 'segment'],
    ['.index', 'offset index'],
    ['.timeindex', 'time index'],
    ['.summary', 'summary'],
  ]) {
    fs.copyFileSync(log.segments(0)[1]!.replace('.log', suffix!), copy);
    const items = await dump(copy);
    t.match(items[0], { data: { type } });
    t.ok(isWhole(items), type);
  }
});

t.test('what is none of ours is refused', async (t) => {
  const directory = t.testdir({ 'other.txt': 'x' });
  await t.rejects(dump(join(directory, 'other.txt')), { code: 'INVALID_REQUEST' });
  await t.rejects(dump(join(directory, 'nowhere.log')), { code: 'ENOENT' });
});
