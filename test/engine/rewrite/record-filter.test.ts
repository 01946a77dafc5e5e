/** Which records compaction leaves, by named cases: Kafka's documented examples, and tombstones. */
import t from 'tap';
import { batchOf, CREATED_AT, contents, filterOf, labRecord, RewriteLab } from '../../helpers/rewrite-lab.ts';

const HOUR_MS = 3_600_000;

t.test('Kafka’s documentation: the log of keys K1 to K6 before and after', async (t) => {
  const pairs = [
    'K1=V1',
    'K2=V2',
    'K1=V3',
    'K1=V4',
    'K3=V5',
    'K2=V6',
    'K4=V7',
    'K5=V8',
    'K5=V9',
    'K2=V10',
    'K6=V11',
  ];
  const expected = ['3 K1=V4', '4 K3=V5', '6 K4=V7', '8 K5=V9', '9 K2=V10', '10 K6=V11'];
  for (const size of [1, 2, 4, 11]) {
    const lab = await RewriteLab.open();
    const batches = Array.from({ length: Math.ceil(pairs.length / size) }, (_, i) =>
      batchOf(...pairs.slice(i * size, (i + 1) * size)),
    );
    const { segments } = await lab.compact(t, [lab.segment(batches)]);
    t.same(await contents(lab, ...segments), expected, `batches of ${size}`);
  }
});

t.test('Kafka’s documentation: a user’s last mail address stays', async (t) => {
  const lab = await RewriteLab.open();
  const input = lab.segment([
    batchOf('123=bill@microsoft.com', '7=ann@example.org'),
    batchOf('123=bill@gatesfoundation.org', '123=bill@gmail.com'),
  ]);
  const { segments } = await lab.compact(t, [input]);
  t.same(await contents(lab, ...segments), ['1 7=ann@example.org', '3 123=bill@gmail.com']);
});

t.test(
  'Kafka’s documentation: a reader that saw a record sees its deletion within delete.retention.ms',
  async (t) => {
    const lab = await RewriteLab.open();
    let segments = [lab.segment([batchOf('K1=V1', 'K2=V2'), batchOf('K1=', 'K3=V3')])];
    const pass = async () => {
      segments = (await lab.compact(t, segments, { deleteRetentionMs: HOUR_MS })).segments;
      return contents(lab, ...segments);
    };
    const withTombstone = ['1 K2=V2', '2 K1=', '3 K3=V3'];
    t.same(await pass(), withTombstone, 'the first pass removes the value and keeps the tombstone');
    lab.now += HOUR_MS - 1000;
    t.same(await pass(), withTombstone, 'so do later ones, within the time');
    lab.now += 2001;
    t.same(await pass(), ['1 K2=V2', '3 K3=V3'], 'after it the tombstone goes');
  },
);

t.test('the horizon is set by the first pass that meets the tombstone, and stays', async (t) => {
  const lab = await RewriteLab.open();
  const input = lab.segment([batchOf('a=1', 'a=')]);
  const first = await lab.rewrite(t, [input], { filter: await filterOf(lab, [input], HOUR_MS) });
  const horizon = (CREATED_AT + HOUR_MS) / 1000 + 1;
  t.equal(first.tombstones, 1);
  t.equal(first.firstDeleteHorizon, horizon * 1000);
  lab.now += 60_000;
  const second = await lab.rewrite(t, [first.segment], {
    filter: await filterOf(lab, [first.segment], HOUR_MS),
  });
  t.equal(second.output, undefined, 'nothing changes');
  t.equal(second.firstDeleteHorizon, horizon * 1000);
  t.equal((await lab.batches([second.segment]))[0]!.horizon, horizon);
});

t.test('a batch that only gets a horizon keeps its other bytes', async (t) => {
  const lab = await RewriteLab.open();
  const input = lab.segment([{ ...batchOf('a=1', 'b='), codec: 'zstd' }, batchOf('c=1')]);
  const before = await lab.batches([input]);
  const { segment, output } = await lab.rewrite(t, [input], {
    blockBytes: 1,
    filter: await filterOf(lab, [input]),
  });
  t.ok(output);
  const after = await lab.batches([segment]);
  t.ok(after[0]!.bytes.subarray(80).equals(before[0]!.bytes.subarray(80)));
  t.ok(after[1]!.bytes.equals(before[1]!.bytes));
  t.same(
    after.map(({ horizon }) => horizon > 0),
    [true, false],
  );
});

t.test(
  'no tombstone goes in the pass that sets its horizon, not even with a retention of nothing',
  async (t) => {
    const lab = await RewriteLab.open();
    const input = lab.segment([batchOf('a=1', 'a=')]);
    const filter = await filterOf(lab, [input], 0);
    const { segment } = await lab.rewrite(t, [input], { filter });
    t.same(await contents(lab, segment), ['1 a=']);
    const again = await lab.rewrite(t, [segment], { filter });
    t.same(await contents(lab, again.segment), ['1 a='], 'nor in another round of it');
  },
);

t.test('a tombstone that the map does not know yet waits for the pass that does', async (t) => {
  const lab = await RewriteLab.open();
  const input = lab.segment([batchOf('a=', 'b=', 'c=')]);
  const { map } = await lab.map([input]);
  const filter = { map, mappedEndOffset: 2, now: lab.now, deleteRetentionMs: 0 };
  t.equal((await lab.rewrite(t, [input], { filter })).output, undefined);
  const all = { ...filter, mappedEndOffset: 3 };
  const { segment } = await lab.rewrite(t, [input], { filter: all });
  t.ok((await lab.batches([segment]))[0]!.horizon > 0);
});

t.test('an older tombstone of a key goes like any other record', async (t) => {
  const lab = await RewriteLab.open();
  const { segments } = await lab.compact(t, [lab.segment([batchOf('a=', 'a=1', 'b=', 'b=')])]);
  t.same(await contents(lab, ...segments), ['1 a=1', '3 b=']);
});

t.test('records behind what is mapped stay, and count for nothing', async (t) => {
  const lab = await RewriteLab.open();
  const input = lab.segment([
    batchOf('a=1', 'a=2', 'a=3'),
    { records: [labRecord(null, 'x'), labRecord('a', '4')] },
  ]);
  const filter = { ...(await filterOf(lab, [lab.segment([batchOf('z=1')])])), mappedEndOffset: 2 };
  const { segment } = await lab.rewrite(t, [input], { filter });
  t.same(await contents(lab, segment), ['0 a=1', '1 a=2', '2 a=3', '3 null=x', '4 a=4']);
});

t.test('records without a key go, and are counted', async (t) => {
  const lab = await RewriteLab.open();
  const input = lab.segment([
    { records: [labRecord(null, 'x'), labRecord('', 'empty'), labRecord('a', '1')] },
  ]);
  const { segment, ...result } = await lab.rewrite(t, [input], { filter: await filterOf(lab, [input]) });
  t.same(await contents(lab, segment), ['1 =empty', '2 a=1']);
  t.match(result, {
    recordsRead: 3,
    recordsKept: 2,
    recordsWithoutKey: 1,
    tombstones: 0,
    firstDeleteHorizon: -1,
  });
});
