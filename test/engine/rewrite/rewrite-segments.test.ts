/** What the batches of a rewritten segment look like, by named cases. */
import t from 'tap';
import {
  batchBaseSequence,
  batchBaseTimestamp,
  batchCodec,
  batchDurableFloor,
  batchLastOffsetDelta,
  batchMaxTimestamp,
  batchProducerId,
} from '../../../src/engine/format/record-batch.ts';
import { encodeSegmentHeader } from '../../../src/engine/format/segment-header.ts';
import { BatchBlock } from '../../../src/engine/rewrite/batch-block.ts';
import {
  batchOf,
  contents,
  encodeBatch,
  filterOf,
  IDENTITY,
  type LabBatch,
  labRecord,
  RewriteLab,
  T,
} from '../../helpers/rewrite-lab.ts';

t.test('what is removed at the end is covered by the last batch', async (t) => {
  for (const codec of ['none', 'zstd'] as const) {
    const lab = await RewriteLab.open();
    const input = lab.segment([{ ...batchOf('a=1', 'b=1'), codec }, batchOf('c=1'), batchOf('c=2')]);
    const later = lab.segment([batchOf('c=3')]);
    const { segment } = await lab.rewrite(t, [input], {
      blockBytes: 1,
      filter: await filterOf(lab, [input, later]),
    });
    const batches = await lab.batches([segment]);
    t.match(batches, [{ baseOffset: 0, nextOffset: 4, records: 2 }]);
    t.equal(batches.length, 1);
  }
});

t.test(
  'where nothing remains, one batch without records covers it, with the times that it had',
  async (t) => {
    const lab = await RewriteLab.open();
    const old = [
      lab.segment([
        { records: [labRecord('a', '1', 500)] },
        { records: [labRecord('a', '2', 400), labRecord('a', '3', 900)] },
      ]),
      lab.segment([batchOf('a=4')]),
    ];
    const later = lab.segment([batchOf('a=5')]);
    const { segment } = await lab.rewrite(t, old, { filter: await filterOf(lab, [...old, later]) });
    const batches = await lab.batches([segment]);
    t.equal(batches.length, 1);
    t.match(batches[0], { baseOffset: 0, nextOffset: 4, records: 0 });
    t.equal(batchBaseTimestamp(batches[0]!.bytes, 0), 400);
    t.equal(batchMaxTimestamp(batches[0]!.bytes, 0), T);
    t.equal(batches[0]!.bytes.length, 80);
  },
);

t.test('small batches that change share one, of at most so many bytes', async (t) => {
  const lab = await RewriteLab.open();
  const value = 'v'.repeat(100);
  const batches = Array.from({ length: 40 }, (_, i) => ({
    records: [labRecord('same', value, T + i), labRecord(`key ${i}`, value, T - i)],
  }));
  const input = lab.segment(batches);
  const { segment } = await lab.rewrite(t, [input], {
    blockBytes: 1000,
    filter: await filterOf(lab, [input]),
  });
  const found = await lab.batches([segment]);
  t.ok(found.length <= 6, `${found.length} batches`);
  for (const { bytes, baseOffset } of found.slice(0, -1)) {
    t.ok(bytes.length <= 80 + 1000 + 100);
    t.equal(batchDurableFloor(bytes, 0), baseOffset, 'all below was synced');
  }
  const last = found.at(-1)!.bytes;
  t.equal(batchBaseTimestamp(last, 0), T - 39, 'the smallest timestamp, though it came last');
});

t.test('a batch of which all records stay is copied as its bytes are', async (t) => {
  const lab = await RewriteLab.open();
  const value = 'v'.repeat(20_000);
  const input = lab.segment([
    batchOf('a=1', 'b=1'),
    batchOf(`c=${value}`, 'a=2'),
    { ...batchOf(`d=${value}`), codec: 'gzip' },
  ]);
  const before = await lab.batches([input]);
  const { segment } = await lab.rewrite(t, [input], {
    blockBytes: 1000,
    filter: await filterOf(lab, [input]),
  });
  const after = await lab.batches([segment]);
  for (const i of [1, 2]) t.ok(after.at(i - 3)!.bytes.equals(before.at(i - 3)!.bytes));
});

t.test('what would be as it is, is not written', async (t) => {
  const lab = await RewriteLab.open();
  const input = lab.segment([batchOf('a=1', 'b=1'), batchOf('c=1'), { ...batchOf('d=1'), codec: 'zstd' }]);
  const result = await lab.rewrite(t, [input], { filter: await filterOf(lab, [input]) });
  t.match(result, { output: undefined, recordsRead: 4, recordsKept: 4, bytesWritten: 0 });
  t.notOk(lab.files.operations.some(({ kind }) => kind === 'write' || kind === 'sync'));
});

t.test('what lies before the first change is copied with it', async (t) => {
  const lab = await RewriteLab.open();
  const batches = Array.from({ length: 50 }, (_, i) => batchOf(`key ${i}=${i}`));
  const input = lab.segment([...batches, batchOf('x=1'), 7, batchOf('x=2')]);
  const before = await lab.batches([input]);
  const { segment } = await lab.rewrite(t, [input], { filter: await filterOf(lab, [input]) });
  const after = await lab.batches([segment]);
  for (let i = 0; i < 49; i++) t.ok(after[i]!.bytes.equals(before[i]!.bytes));
  t.match(after.slice(49), [
    { baseOffset: 49, nextOffset: 51, records: 1 },
    { baseOffset: 58, nextOffset: 59, records: 1 },
  ]);
});

t.test('a batch of an idempotent producer keeps its frame, down to no records', async (t) => {
  const lab = await RewriteLab.open();
  const of = (producerId: number, ...pairs: string[]): LabBatch => ({
    ...batchOf(...pairs),
    producerId,
    codec: 'zstd',
  });
  const input = lab.segment([
    batchOf('a=1'),
    of(7, 'a=2', 'b=1', 'a=3'),
    batchOf('a=4'),
    of(8, 'a=5', 'a=6'),
    batchOf('a=7'),
  ]);
  const before = await lab.batches([input]);
  const { segment } = await lab.rewrite(t, [input], { filter: await filterOf(lab, [input]) });
  const after = await lab.batches([segment]);
  t.match(after, [
    { baseOffset: 0, nextOffset: 1, records: 0 },
    { baseOffset: 1, nextOffset: 4, records: 1 },
    { baseOffset: 4, nextOffset: 5, records: 0 },
    { baseOffset: 5, nextOffset: 7, records: 0 },
    { baseOffset: 7, nextOffset: 8, records: 1 },
  ]);
  for (const i of [1, 3]) {
    t.equal(batchProducerId(after[i]!.bytes, 0), batchProducerId(before[i]!.bytes, 0));
    t.equal(batchBaseSequence(after[i]!.bytes, 0), batchBaseSequence(before[i]!.bytes, 0));
    t.equal(batchBaseTimestamp(after[i]!.bytes, 0), batchBaseTimestamp(before[i]!.bytes, 0));
    t.equal(batchMaxTimestamp(after[i]!.bytes, 0), batchMaxTimestamp(before[i]!.bytes, 0));
  }
});

t.test('control batches stay as they are, and their keys are nobody’s', async (t) => {
  const lab = await RewriteLab.open();
  const control: LabBatch = { ...batchOf('a=commit'), producerId: 1, control: true, transactional: true };
  const input = lab.segment([batchOf('a=1', 'b=1'), control, batchOf('b=2')]);
  const before = await lab.batches([input]);
  const { segment } = await lab.rewrite(t, [input], { codec: 'zstd', filter: await filterOf(lab, [input]) });
  t.same(await contents(lab, segment), ['0 a=1', '2 a=commit', '3 b=2']);
  t.ok((await lab.batches([segment]))[1]!.bytes.equals(before[1]!.bytes));
});

t.test('records below the log’s start go, also without a filter', async (t) => {
  const lab = await RewriteLab.open();
  const input = lab.segment([batchOf('a=1', 'b=1'), batchOf('c=1', 'd=1', 'e=1'), batchOf('f=1')]);
  const { segment, recordsKept } = await lab.rewrite(t, [input], { logStartOffset: 3 });
  t.same(await contents(lab, segment), ['3 d=1', '4 e=1', '5 f=1']);
  t.equal(recordsKept, 3);
});

t.test('recompression merges neighbours into full blocks, and leaves those alone another time', async (t) => {
  const lab = await RewriteLab.open();
  const value = (i: number) => `event ${i} of a service that writes much the same again and again`;
  const codecs = ['none', 'gzip', 'lz4', 'snappy', 'zstd'] as const;
  const batches = Array.from({ length: 200 }, (_, i) => ({
    records: [labRecord('k', value(i), T + i)],
    codec: codecs[i % 5]!,
  }));
  const input = lab.segment(batches);
  const options = { codec: 'zstd', blockBytes: 4096 } as const;
  const { segment } = await lab.rewrite(t, [input], options);
  t.same(await lab.records([segment]), await lab.records([input]));
  const found = await lab.batches([segment]);
  t.ok(found.length < 10, `${found.length} blocks`);
  for (const { bytes } of found) t.equal(batchCodec(bytes, 0), 'zstd');
  t.ok(segment.bytes < input.bytes / 3);
  t.equal((await lab.rewrite(t, [segment], options)).output, undefined);
});

t.test('what does not compress is not written again and again', async (t) => {
  const lab = await RewriteLab.open();
  const input = lab.segment([batchOf('a=1'), 3, batchOf('b=2')]);
  t.equal((await lab.rewrite(t, [input], { codec: 'zstd' })).output, undefined);
});

t.test('neighbours become one segment, with the gaps between them', async (t) => {
  const lab = await RewriteLab.open();
  const inputs = [
    lab.segment([batchOf('a=1', 'b=1')]),
    lab.segment([5, batchOf('a=2'), 2]),
    lab.segment([batchOf('c=1')]),
  ];
  const { segment, output } = await lab.rewrite(t, inputs, { filter: await filterOf(lab, inputs) });
  t.same(await contents(lab, segment), ['1 b=1', '7 a=2', '10 c=1']);
  t.match(await lab.batches([segment]), [
    { baseOffset: 0, nextOffset: 2 },
    { baseOffset: 7, nextOffset: 8 },
    { baseOffset: 10, nextOffset: 11 },
  ]);
  t.match(output!.stats, {
    baseOffset: 0,
    endOffset: 11,
    records: 3,
    batches: 3,
    firstAppendAt: inputs[0]!.firstAppendAt,
  });
});

t.test('no batch covers more offsets than its header can say', async (t) => {
  const lab = await RewriteLab.open();
  const block = new BatchBlock();
  const most = 2 ** 31;
  const empty = (baseOffset: number, endOffset: number) => {
    block.open(baseOffset);
    block.cover(endOffset, T, T);
    return Buffer.from(block.finish('none', 'quick', 0));
  };
  const parts = [
    encodeSegmentHeader({ ...IDENTITY, baseOffset: 0, createdAt: 0 }),
    empty(0, most - 10),
    empty(most - 10, 2 * most - 30),
    encodeBatch(batchOf('a=1', 'b=1'), 2 * most - 30),
    empty(2 * most - 28, 3 * most - 28),
  ];
  const bytes = Buffer.concat(parts);
  const path = '/lab/sparse.log';
  lab.files.plant(path, bytes);
  const input = { path, baseOffset: 0, endOffset: 3 * most - 28, bytes: bytes.length, firstAppendAt: T };
  const { segment } = await lab.rewrite(t, [input], {
    filter: { ...(await filterOf(lab, [input])) },
    logStartOffset: 2 * most - 29,
  });
  t.same(await contents(lab, segment), [`${2 * most - 29} b=1`]);
  for (const each of await lab.batches([segment])) t.ok(batchLastOffsetDelta(each.bytes, 0) < most);
});
