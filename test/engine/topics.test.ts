/** Topics of an engine: what can be made, changed and deleted, and what is refused. */
import t from 'tap';
import { createSynced } from '../../src/engine/files/file-operations.ts';
import { SimEngine } from '../helpers/sim-engine.ts';

t.test('creating a topic', async (t) => {
  const { engine } = await SimEngine.open({ 'num.partitions': 3, 'max.partitions': 10 });
  const config = { 'segment.bytes': '8k', flush: 'os' };
  const { created, topic } = await engine.createTopic('a', { partitions: 2, config });
  t.ok(created);
  t.match(topic, { name: 'a', id: /^[0-9a-f]{32}$/, partitions: [{ partition: 0 }, { partition: 1 }] });
  t.same(topic.config['segment.bytes'], { value: 8192, source: 'topic' });
  t.same(topic.config['segment.ms'], { value: 604_800_000, source: 'default' });

  const again = await engine.createTopic('a', {
    partitions: 2,
    config: { flush: 'os', 'segment.bytes': 8192 },
  });
  t.match(again, { created: false, topic: { id: topic.id } }, 'the same again is no other one');
  for (const other of [
    { partitions: 3, config },
    { partitions: 2 },
    { partitions: 2, config: { flush: 'os' } },
  ]) {
    await t.rejects(engine.createTopic('a', other), {
      code: 'TOPIC_ALREADY_EXISTS',
      details: { topic: 'a' },
    });
  }
  t.equal((await engine.createTopic('b')).topic.partitions.length, 3, 'num.partitions');
  await t.rejects(engine.createTopic('c', { partitions: 6 }), { code: 'INVALID_PARTITIONS' }, '11 in all');
  for (const partitions of [0, -1, 1.5, Number.NaN]) {
    await t.rejects(engine.createTopic('c', { partitions }), { code: 'INVALID_PARTITIONS' });
  }
  await t.rejects(engine.createTopic('c', { config: { 'segment.byte': 1 } }), {
    code: 'INVALID_CONFIG',
    message: /did you mean "segment.bytes"/,
  });
  t.same(
    engine.listTopics().map(({ name, partitions, records }) => [name, partitions, records]),
    [
      ['a', 2, 0],
      ['b', 3, 0],
    ],
  );
});

t.test('names', async (t) => {
  const log = await SimEngine.open();
  for (const name of ['a', 'A-b_c.d', '...', '0', 'x'.repeat(249)]) {
    t.ok((await log.engine.createTopic(name)).created, name);
  }
  const before = log.disk.paths();
  const invalid = [
    '',
    '.',
    '..',
    'x'.repeat(250),
    'a/b',
    '../a',
    'a\0',
    'ü',
    'a b',
    'a~',
    '%2e',
    'a\n',
    'a:b',
  ];
  for (const name of invalid) {
    await t.rejects(log.engine.createTopic(name), { code: 'INVALID_TOPIC_EXCEPTION' }, JSON.stringify(name));
  }
  t.same(log.disk.paths(), before, 'no file was touched');
  await log.reopen();
  t.equal(log.engine.listTopics().length, 5);
});

t.test('altering a topic', async (t) => {
  const log = await SimEngine.open();
  const { engine } = log;
  await engine.createTopic('a', { partitions: 1, config: { 'segment.bytes': 8192 } });
  await log.append('a', 'kept');
  const altered = await engine.alterTopic('a', {
    partitions: 3,
    config: { flush: 'os', 'segment.bytes': null },
  });
  t.equal(altered.partitions.length, 3);
  t.same(altered.config.flush, { value: 'os', source: 'topic' });
  t.equal(altered.config['segment.bytes']!.source, 'default', 'null takes it back');
  t.same(await log.values('a'), ['kept']);
  await log.append('a', 'new', { partition: 2 });
  t.same(await log.values('a', 0, 2), ['new']);
  for (const [change, code] of [
    [{ partitions: 2 }, 'INVALID_PARTITIONS'],
    [{ config: { flush: 'never' } }, 'INVALID_CONFIG'],
    [{ config: { flus: null } }, 'INVALID_CONFIG'],
    [{ config: { __proto__: null } }, undefined],
  ] as const) {
    if (code !== undefined) await t.rejects(engine.alterTopic('a', change), { code });
  }
  await t.rejects(engine.alterTopic('b', {}), { code: 'UNKNOWN_TOPIC_OR_PARTITION' });
  const before = await engine.describeTopic('a');
  await log.reopen();
  t.same(await log.engine.describeTopic('a'), before);
});

t.test('a partition is not added where there is something already', async (t) => {
  for (const [name, leftover, refused] of [
    ['nothing, as after a crash', [], false],
    ['unfinished work', ['00000000000000000000.log~'], false],
    ['a segment', ['00000000000000000007.log'], true],
    ['a checkpoint', ['checkpoint'], true],
    ['a file that nobody knows', ['notes.txt'], true],
  ] as const) {
    t.test(name, async (t) => {
      const log = await SimEngine.open();
      await log.engine.createTopic('a', { partitions: 1 });
      await log.disk.makeDirectory('/data/topics/a/2');
      for (const file of leftover)
        await createSynced(log.disk, `/data/topics/a/2/${file}`, [Buffer.from('kept')]);
      const before = log.disk.paths();
      const altered = log.engine.alterTopic('a', { partitions: 3 });
      if (!refused) {
        t.match(await altered, { partitions: [{}, {}, { highWatermark: 0 }] });
        await log.append('a', 'new', { partition: 2 });
        await log.reopen();
        t.same(await log.values('a', 0, 2), ['new']);
        return;
      }
      await t.rejects(altered, {
        code: 'CORRUPT_MESSAGE',
        message:
          /partition 2 .*\/data\/topics\/a\/2 is in use.*topic\.json.*seglog repair.*nothing was changed/,
        details: { topic: 'a', partition: 2 },
      });
      t.same(log.disk.paths(), before);
      t.same(
        (await log.disk.list('/data/topics/a')).sort(),
        ['0', '2', 'topic.json'],
        'no directory was made',
      );
      log.leaveDamaged();
      t.match(await log.engine.alterTopic('a', { partitions: 2 }), { partitions: [{}, {}] });
    });
  }
});

t.test('deleting a topic', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { partitions: 2 });
  const first = (await log.engine.describeTopic('a')).id;
  await log.append('a', 'old');
  const waiting = log.engine.append('a', [{ value: 'late' }], { partition: 0 }).catch((error) => error.code);
  await log.engine.deleteTopic('a');
  t.match(await waiting, /UNKNOWN_TOPIC_OR_PARTITION|\[object/);
  t.same(log.engine.listTopics(), []);
  t.same(
    log.disk.paths().filter((path) => path.includes('/topics/')),
    [],
    'its files are gone',
  );
  for (const call of [
    (): Promise<unknown> => log.engine.deleteTopic('a'),
    () => log.engine.describeTopic('a'),
    () => log.engine.listSegments('a', 0),
    async () => log.engine.offsets('a', 0),
    async () => log.engine.append('a', [{ value: 'x' }]),
  ]) {
    await t.rejects(call() as Promise<void>, { code: 'UNKNOWN_TOPIC_OR_PARTITION' });
  }
  await log.engine.createTopic('a', { partitions: 1 });
  t.not((await log.engine.describeTopic('a')).id, first, 'one of the same name is another one');
  t.same(await log.values('a'), []);
  await log.engine.close();
  t.equal(log.disk.openHandles, 0);
});

t.test(
  'what waits when its topic is deleted is told that the topic is gone, not a partition of it',
  async (t) => {
    const log = await SimEngine.open();
    await log.engine.createTopic('a', { partitions: 2 });
    const gone = {
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
      message: 'there is no topic "a"',
      details: { topic: 'a' },
    };
    const outcome = () =>
      log.append('a', 'x').then(
        () => 'stored',
        (error) => error,
      );
    log.syncs.hold(/\.log$/);
    const first = outcome();
    await log.settle();
    const deleted = log.engine.deleteTopic('a');
    const queued = outcome();
    await log.settle();
    log.syncs.release();
    await deleted;
    t.equal(await first, 'stored');
    t.match(await queued, gone);
  },
);

t.test('what a topic says of itself', async (t) => {
  const log = await SimEngine.open({ 'journal.files': 2, 'housekeeping.interval.ms': 3_600_000 });
  const { engine } = log;
  await engine.createTopic('a', { config: { 'segment.bytes': 4096 } });
  t.match(await engine.describeTopic('a'), {
    partitions: [{ segments: 1, minTimestamp: null, maxTimestamp: null, highWatermark: 0 }],
  });
  for (const timestamp of [5000, 3000, 9000]) {
    await log.settle();
    await log.append('a', [{ value: 'x'.repeat(3000), timestamp }]);
  }
  const { partitions } = await engine.describeTopic('a');
  t.match(partitions, [
    {
      logStartOffset: 0,
      highWatermark: 3,
      logEndOffset: 3,
      segments: 3,
      minTimestamp: 3000,
      maxTimestamp: 9000,
    },
  ]);
  t.ok(partitions[0]!.bytes > 9000);
  t.ok(engine.stats().journaledBytes > 0, 'some of it is in the journal only');
  const segments = await engine.listSegments('a', 0);
  t.match(segments, [
    { baseOffset: 0, endOffset: 1, records: 1, batches: 1, minTimestamp: 5000, maxTimestamp: 5000 },
    { baseOffset: 1, endOffset: 2, minTimestamp: 3000 },
    { baseOffset: 2, endOffset: 3, minTimestamp: 9000 },
  ]);
  t.equal(engine.listTopics()[0]!.bytes, partitions[0]!.bytes);
  await engine.close();
  await log.reopen();
  t.match((await log.engine.describeTopic('a')).partitions, [partitions[0]!]);
  t.same(
    await log.engine.listSegments('a', 0),
    segments.map((each, i) => ({ ...each, sealed: i < 2 })),
  );
});
