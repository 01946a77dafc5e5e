/** Appends that may be sent again, where the first one fails or is not safe yet; limits on what is remembered; partitions that are added. */
import t from 'tap';
import type { AppendOptions, PartitionAppend } from '../../src/engine/common/types.ts';
import { decodeSegmentHeader } from '../../src/engine/format/segment-header.ts';
import { SimEngine } from '../helpers/sim-engine.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

async function open(
  settings: Record<string, string | number> = {},
  config: Record<string, string> = {},
  partitions = 1,
) {
  const log = await SimEngine.open({
    'housekeeping.interval.ms': HOUR,
    'log.dir.reserve.bytes': 0,
    ...settings,
  });
  await log.engine.createTopic('a', { partitions, config });
  if (settings['journal.files'] === 2) await log.warmJournal();
  return log;
}

const producer = (id: number, sequence: number, epoch = 0): AppendOptions => ({
  producer: { id, epoch, sequence },
});
const request = (key: string, fingerprint = 7): AppendOptions => ({ idempotency: { key, fingerprint } });

const madeAt = (log: SimEngine, path: string): number => {
  const header = decodeSegmentHeader(Buffer.from(log.disk.contents(path)));
  return typeof header === 'string' ? 0 : header.createdAt;
};

/** "offset", "offset again" or the code of an error. */
const outcome = (append: Promise<PartitionAppend>): Promise<string> =>
  append.then(
    ({ baseOffset, duplicate }) => `${baseOffset}${duplicate ? ' again' : ''}`,
    (error) => error.code,
  );

const WAYS = { direct: { 'journal.files': 0 }, journaled: { 'journal.files': 2 } };

for (const [way, settings] of Object.entries(WAYS)) {
  t.test(`what was refused for want of space is stored by its retry (${way})`, async (t) => {
    const log = await open(settings);
    await log.append('a', 'x');
    log.disk.capacityBytes = log.disk.usedBytes;
    const send = (options: AppendOptions) => outcome(log.append('a', 'x'.repeat(100_000), options));
    t.same(
      await Promise.all([send(producer(1, 0)), send(request('k')), send({ expectedEndOffset: 1 })]),
      Array(3).fill('STORAGE_FULL'),
    );
    log.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    await log.clock.advance(1000);
    t.same(await Promise.all([send(producer(1, 0)), send(request('k'))]), ['1', '2']);
    t.same(await Promise.all([send(producer(1, 0)), send(request('k'))]), ['1 again', '2 again']);
  });

  t.test(`after a sync that failed nobody is told what was not made durable (${way})`, async (t) => {
    const log = await open(settings);
    await log.append('a', 'x', producer(1, 0));
    const heal = log.disk.failAt({
      kind: 'sync',
      path: /\.log$|journal/,
      forever: true,
      fault: { error: 'EIO' },
    });
    t.equal(await outcome(log.append('a', 'y', producer(1, 1))), 'OUTCOME_UNKNOWN');
    heal();
    t.equal(await outcome(log.append('a', 'x', producer(1, 0))), '0 again', 'what is durable is');
    t.equal(await outcome(log.append('a', 'y', producer(1, 1))), 'OUTCOME_UNKNOWN');
    t.equal(await outcome(log.append('a', 'z', request('k'))), 'KAFKA_STORAGE_ERROR', 'what is new is not');
    await log.reopenAfterKill();
    t.match(await outcome(log.append('a', 'y', producer(1, 1))), /^1/);
    t.equal(await outcome(log.append('a', 'z', request('k'))), '2');
    t.same(await log.values('a'), ['x', 'y', 'z'], 'whatever became of them, they are there once');
  });
}

for (const [way, settings] of Object.entries(WAYS)) {
  const sends = { 'a producer': producer(1, 1), 'an idempotency key': request('k') };
  for (const [who, options] of Object.entries(sends)) {
    t.test(`after a write that failed nobody says that nothing was stored (${who}, ${way})`, async (t) => {
      const log = await open(settings);
      await log.append('a', 'x', producer(1, 0));
      log.syncs.hold();
      const before = outcome(log.append('a', 'x'));
      await log.settle();
      const heal = log.disk.failAt({
        kind: 'write',
        path: /\.log$|journal/,
        forever: true,
        fault: { error: 'EIO' },
      });
      // Both wait for the next group; the second one does not go with it.
      const both = [outcome(log.append('a', 'y', options)), outcome(log.append('a', 'y', options))];
      await log.settle();
      log.syncs.release();
      t.equal(await before, '1');
      t.same(await Promise.all(both), ['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN'], 'one that waited behind it');
      heal();
      t.equal(await outcome(log.append('a', 'y', options)), 'OUTCOME_UNKNOWN', 'nor one that comes later');
      t.equal(await outcome(log.append('a', 'new', request('other'))), 'KAFKA_STORAGE_ERROR');
      t.equal(await outcome(log.append('a', 'new', producer(2, 0))), 'KAFKA_STORAGE_ERROR');
      await log.reopenAfterKill();
      t.match(await outcome(log.append('a', 'y', options)), /^2/);
      t.same(await log.values('a'), ['x', 'x', 'y']);
    });
  }
}

t.test('where it cannot be read who appended to a log, nobody is told that nothing was stored', async (t) => {
  const log = await open({ 'journal.files': 0 });
  await log.append('a', 'x', request('k'));
  await log.engine.close();
  await log.disk.remove('/data/topics/a/0/producers');
  const heal = log.disk.failAt({
    kind: 'read',
    path: /a\/0\/0.*log$/,
    nth: 1,
    forever: true,
    fault: { error: 'EIO' },
  });
  await log.start();
  t.equal(await outcome(log.append('a', 'x', request('k', 8))), 'OUTCOME_UNKNOWN');
  t.equal(
    await outcome(log.append('a', 'x', request('k'))),
    'OUTCOME_UNKNOWN',
    'nor is it known which one was',
  );
  t.equal(await outcome(log.append('a', 'x')), 'KAFKA_STORAGE_ERROR', 'one that asks for nothing is new');
  heal();
  await log.reopenAfterKill();
  t.equal(await outcome(log.append('a', 'x', request('k'))), '0 again');
});

t.test('a log that is closing answers what it knows', async (t) => {
  const log = await open({ 'journal.files': 0 });
  await log.append('a', 'x', request('k'));
  log.syncs.hold();
  const first = outcome(log.append('a', 'y', request('l')));
  await log.settle();
  const closed = log.engine.close();
  t.equal(await outcome(log.append('a', 'x', request('k'))), '0 again');
  t.equal(await outcome(log.append('a', 'y', request('l'))), 'OUTCOME_UNKNOWN', 'it is on its way');
  await t.rejects(log.append('a', 'z', request('m')), { code: 'NOT_READY' });
  log.syncs.release();
  t.equal(await first, '1');
  await closed;
  await log.reopen();
});

t.test(
  'of an append to several partitions nobody says that nothing was stored where one does not know',
  async (t) => {
    const log = await open({ 'journal.files': 0 }, {}, 2);
    log.disk.failAt({ kind: 'sync', path: /a\/0\/0.*log/, forever: true, fault: { error: 'EIO' } });
    t.equal(await outcome(log.append('a', 'x', { partition: 0 })), 'OUTCOME_UNKNOWN');
    log.disk.failAt({ kind: 'write', path: /a\/1\/.*log/, forever: true, fault: { error: 'EIO' } });
    const records = [0, 1].map((partition) => ({ value: 'x', partition }));
    await t.rejects(log.engine.append('a', records), { code: 'OUTCOME_UNKNOWN' });
  },
);

t.test('a retry with acks=all waits for the sync that the first one did without', async (t) => {
  const log = await open({}, { flush: 'os' });
  t.equal(await outcome(log.append('a', 'x', { ...producer(1, 0), acks: 1 })), '0');
  log.syncs.hold(/\.log$/);
  let answer = '';
  const retry = outcome(log.append('a', 'x', producer(1, 0))).then((each) => {
    answer = each;
  });
  t.equal(
    await outcome(log.append('a', 'x', { ...producer(1, 0), acks: 1 })),
    '0 again',
    'with acks=1 nobody waits',
  );
  await log.settle();
  t.equal(answer, '');
  log.syncs.release();
  await retry;
  t.equal(answer, '0 again');
});

t.test('with acks=0 a key counts as well, and a loss is told to the log', async (t) => {
  const log = await open();
  const lost: unknown[] = [];
  log.logger = {
    ...console,
    debug: () => {},
    info: () => {},
    error: () => {},
    warn: (fields) => lost.push(fields),
  };
  await log.reopen();
  const answer = await log.append('a', 'x', { ...request('k'), acks: 0 });
  t.match(answer, { baseOffset: -1, lastOffset: -1, duplicate: false });
  t.equal(await outcome(log.append('a', 'x', request('k'))), '0 again');
  await log.append('a', 'x', { ...request('k', 8), acks: 0 }).catch(() => {});
  await log.append('a', 'x', { ...request('k'), acks: 0 });
  await log.settle();
  t.equal((await log.values('a')).length, 1);
});

t.test('an append that expects an end is judged by what became of those before it', async (t) => {
  const log = await open();
  await log.append('a', 'x');
  log.syncs.hold();
  const before = outcome(log.append('a', 'x'));
  await log.settle();
  log.disk.capacityBytes = log.disk.usedBytes;
  const group = [
    outcome(log.append('a', 'y'.repeat(100_000), { expectedEndOffset: 2 })),
    outcome(log.append('a', 'behind it', { expectedEndOffset: 3 })),
    outcome(log.append('a', 'in its place', { expectedEndOffset: 2 })),
  ];
  await log.settle();
  log.syncs.release();
  t.equal(await before, '1');
  t.same(await Promise.all(group), ['STORAGE_FULL', 'STORAGE_FULL', 'STORAGE_FULL']);
  log.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
  await log.clock.advance(1000);
  log.syncs.hold();
  const first = outcome(log.append('a', 'z'));
  await log.settle();
  const racing = [2, 3, 4, 2].map((expectedEndOffset) =>
    outcome(log.append('a', 'w', { expectedEndOffset })),
  );
  await log.settle();
  log.syncs.release();
  t.equal(await first, '2');
  t.same(await Promise.all(racing), ['CONDITION_FAILED', '3', '4', 'CONDITION_FAILED']);
  t.equal(await outcome(log.append('a', 'k', { ...request('k'), expectedEndOffset: 5 })), '5');
  t.equal(
    await outcome(log.append('a', 'k', { ...request('k'), expectedEndOffset: 5 })),
    '5 again',
    'a retry is no new append',
  );
  t.equal(
    await outcome(log.append('a', 'k', { ...producer(3, 0), expectedEndOffset: 5 })),
    'CONDITION_FAILED',
  );
  t.equal(await outcome(log.append('a', 'k', { ...producer(3, 0), expectedEndOffset: 6 })), '6');
});

t.test(
  'a retry that stands alone in a group, or before what does not fit there, changes nothing',
  async (t) => {
    const log = await open({}, { 'segment.bytes': '4096' });
    await log.append('a', 'x'.repeat(4000), request('k'));
    t.equal(await outcome(log.append('a', 'x'.repeat(4000), request('k'))), '0 again');
    t.equal((await log.engine.listSegments('a', 0)).length, 1, 'it rolls no segment');
    const both = [outcome(log.append('a', 'x'.repeat(4000), request('k'))), outcome(log.append('a', 'y'))];
    t.same(await Promise.all(both), ['0 again', '1']);
    t.equal(log.engine.stats().inFlightBytes, 0);
  },
);

t.test('what is remembered is bounded: a new one is refused, a known one goes on', async (t) => {
  const log = await open({ 'producer.state.max.entries': 3 }, {}, 2);
  await log.engine.createTopic('b');
  t.equal(await outcome(log.append('a', 'x', producer(1, 0))), '0');
  t.equal(await outcome(log.append('a', 'x', { ...producer(1, 0), partition: 1 })), '0');
  const together = ['k', 'l'].map((key) => outcome(log.append('b', 'x', request(key))));
  t.same(await Promise.all(together), ['0', 'THROTTLED'], 'also of one group');
  t.equal(await outcome(log.append('a', 'x', producer(1, 1))), '1');
  t.equal(await outcome(log.append('b', 'x', request('k'))), '0 again');
  t.equal(await outcome(log.append('b', 'plain')), '1');
  t.equal(log.engine.stats().producerEntries, 3);
  await log.reopen();
  t.equal(await outcome(log.append('b', 'x', request('l'))), 'THROTTLED', 'after a restart as well');
  await log.engine.deleteTopic('a');
  t.equal(log.engine.stats().producerEntries, 1, 'those of a deleted topic are gone');
  t.equal(await outcome(log.append('b', 'x', request('l'))), '2');
  await log.clock.advance(DAY + HOUR);
  t.equal(log.engine.stats().producerEntries, 0, 'and those that have expired');
});

t.test('of a request for which there is no room in all its partitions nothing is stored', async (t) => {
  const log = await open({ 'producer.state.max.entries': 3 }, {}, 2);
  const send = (key: string) => {
    const append = log.engine.startAppend('a', request(key));
    for (const partition of [0, 1]) append.add({ value: key, partition });
    return append.commit();
  };
  t.equal((await send('k')).length, 2);
  await t.rejects(send('l'), { code: 'THROTTLED' });
  t.same(
    [0, 1].map((partition) => log.engine.offsets('a', partition).logEndOffset),
    [1, 1],
  );
  t.equal(
    (await send('k')).every(({ duplicate }) => duplicate),
    true,
    'what is known is known',
  );
  await log.clock.advance(DAY + 1);
  t.equal((await send('l')).length, 2);
});

t.test(
  'requests that come together take their room before any of them is stored, and give back what they do not need',
  async (t) => {
    const log = await open({ 'producer.state.max.entries': 3, 'journal.files': 0 }, {}, 2);
    const ends = () => [0, 1].map((partition) => log.engine.offsets('a', partition).logEndOffset);
    const send = (key: string, bytes = 1) => {
      const append = log.engine.startAppend('a', request(key));
      for (const partition of [0, 1]) append.add({ value: 'x'.repeat(bytes), partition });
      return append.commit().then(
        (parts) => parts.map(({ duplicate }) => (duplicate ? 'again' : 'stored')).join(),
        (error) => error.code,
      );
    };
    log.disk.capacityBytes = log.disk.usedBytes;
    t.same(await Promise.all([send('k', 100_000), send('l', 100_000)]), ['STORAGE_FULL', 'THROTTLED']);
    log.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
    await log.clock.advance(1000);
    t.same(await Promise.all([send('k'), send('l'), send('k')]), [
      'stored,stored',
      'THROTTLED',
      'again,again',
    ]);
    t.same(ends(), [1, 1]);
    t.same(
      await Promise.all([
        outcome(log.append('a', 'x', request('m'))),
        outcome(log.append('a', 'x', producer(1, 0))),
      ]),
      ['1', 'THROTTLED'],
    );
    t.equal(log.engine.stats().producerEntries, 3);
  },
);

t.test('keys and producers are remembered for so long, over restarts too', async (t) => {
  for (const restart of [undefined, 'stop', 'kill'] as const) {
    const log = await open({
      'idempotency.key.expiration.ms': 2 * HOUR,
      'producer.id.expiration.ms': 4 * HOUR,
    });
    await log.append('a', 'x', request('k'));
    await log.append('a', 'x', producer(1, 0));
    await log.clock.advance(2 * HOUR - 1);
    if (restart === 'stop') await log.reopen();
    if (restart === 'kill') await log.reopenAfterKill();
    t.equal(await outcome(log.append('a', 'x', request('k'))), '0 again', `${restart}`);
    t.equal(await outcome(log.append('a', 'x', producer(1, 0))), '1 again');
    // After a kill it is only known that they were there by then.
    await log.clock.advance(restart === 'kill' ? 2 * HOUR : 1);
    t.equal(await outcome(log.append('a', 'x', request('k'))), '2', `${restart}`);
    t.equal(await outcome(log.append('a', 'x', producer(1, 1))), '3');
    await log.clock.advance(4 * HOUR);
    t.equal(
      await outcome(log.append('a', 'x', producer(1, 2))),
      'OUT_OF_ORDER_SEQUENCE_NUMBER',
      'a producer since its last append',
    );
    t.equal(await outcome(log.append('a', 'x', producer(1, 0))), '4');
  }
});

t.test('a clock that is behind for a while has nothing forgotten before its time', async (t) => {
  const behind = async (log: SimEngine, work: () => Promise<unknown>) => {
    log.clock.jump(-10 * DAY);
    await work();
    log.clock.jump(10 * DAY);
  };
  const large = 'x'.repeat(3000);
  const ways: Record<string, (log: SimEngine) => Promise<void>> = {
    'when the next segment is made': async (log) => {
      await behind(log, () => log.append('a', large));
      await log.append('a', large);
    },
    'when the log is opened': (log) => behind(log, () => log.reopenAfterKill()),
    'when its end is written anew': async (log) => {
      await log.append('a', large);
      await log.reopen();
      await log.append('a', 'x', { acks: 1 });
      await behind(log, () => log.reopenAfterKill());
    },
    'when it is compacted': async (log) => {
      for (let i = 0; i < 3; i++) await log.append('a', [{ key: 'k', value: large }]);
      await log.reopen();
      await behind(log, async () => {
        const { id } = log.engine.background.compact('a');
        await log.engine.background.waitFor(id, HOUR);
      });
    },
  };
  for (const [when, way] of Object.entries(ways)) {
    const config = {
      'segment.bytes': '4096',
      flush: 'os',
      'cleanup.policy': when === 'when it is compacted' ? 'compact' : 'delete',
    };
    const log = await open({ 'journal.files': 0 }, config);
    await log.append('a', [{ key: 'a', value: large }], request('k'));
    const before = log.clock.now();
    await way(log);
    const files = log.disk.paths().filter((path) => /a\/0\/\d+\.log$/.test(path));
    for (const path of files) t.ok(madeAt(log, path) >= before, `${when}: ${path}`);
    const again = () => outcome(log.append('a', [{ key: 'a', value: large }], request('k')));
    t.equal(await again(), '0 again', when);
    await log.engine.close();
    await log.disk.remove('/data/topics/a/0/producers');
    await log.start();
    t.equal(await again(), '0 again', `${when}, without the snapshot`);
  }
});

t.test('segments that are older than anything to be remembered are not looked at', async (t) => {
  const log = await open(
    { 'idempotency.key.expiration.ms': HOUR, 'producer.id.expiration.ms': HOUR },
    { 'segment.bytes': '4096' },
  );
  for (let i = 0; i < 5; i++) {
    await log.append('a', 'x'.repeat(3000), request(`${i}`));
    await log.clock.advance(i < 3 ? 2 * HOUR : 1);
  }
  for (const name of ['producers', 'checkpoint']) await log.disk.remove(`/data/topics/a/0/${name}`);
  const first = log.disk.paths().find((path) => path.endsWith('0.log'))!;
  const bytes = log.disk.contents(first);
  bytes[200]! ^= 1;
  log.disk.plant(first, bytes);
  log.leaveDamaged();
  await log.reopenAfterKill();
  t.same(log.engine.health().damagedPartitions, [], 'nobody has met the damage');
  t.equal(log.engine.stats().producerEntries, 3, 'the third one was there when the fourth segment was made');
  t.equal(await outcome(log.append('a', 'x', request('2'))), '2 again');
  t.equal(await outcome(log.append('a', 'x', request('1'))), '5');
});

t.test('batches that are deleted from the log are remembered all the same', async (t) => {
  for (const restart of ['none', 'stop', 'kill', 'power cut']) {
    const log = await open({}, { 'segment.bytes': '4096' });
    for (let i = 0; i < 3; i++) await log.append('a', 'x'.repeat(3000), request(`${i}`));
    await log.append('a', 'x', producer(1, 0));
    await log.engine.deleteRecords('a', 0, 2);
    await log.engine.deleteRecords('a', 0, -1);
    if (restart === 'stop') await log.reopen();
    if (restart === 'power cut') log.disk = log.disk.crash('only what was synced');
    if (restart === 'kill' || restart === 'power cut') await log.reopenAfterKill();
    for (let i = 0; i < 3; i++)
      t.equal(await outcome(log.append('a', 'x', request(`${i}`))), `${i} again`, `after ${restart}`);
    t.equal(await outcome(log.append('a', 'x', producer(1, 0))), '3 again');
    t.same(log.engine.offsets('a', 0), { logStartOffset: 4, highWatermark: 4, logEndOffset: 4 });
  }
});

t.test('before the start of the log moves, it is durable who appended what lies before it', async (t) => {
  const log = await open();
  await log.append('a', 'x', request('0'));
  await log.append('a', 'x', producer(1, 0));
  const heal = log.disk.failAt({
    kind: 'rename',
    path: /\/producers~?$/,
    forever: true,
    fault: { error: 'EIO' },
  });
  await t.rejects(log.engine.deleteRecords('a', 0, 2));
  heal();
  await log.reopenAfterKill();
  t.equal(await outcome(log.append('a', 'x', request('0'))), '0 again');
  t.equal(await outcome(log.append('a', 'x', producer(1, 0))), '1 again');
});

t.test('a snapshot of what is synced has what batches that a crash takes have displaced', async (t) => {
  for (const newEpoch of [false, true]) {
    const log = await open({ 'journal.files': 0 }, { flush: 'os' });
    const send = (sequence: number, epoch = 0) =>
      outcome(log.append('a', 'x', { ...producer(1, sequence, epoch), acks: 1 }));
    for (let i = 0; i < 5; i++) await send(i);
    log.syncs.hold(/\.log$/, 'after');
    const deleted = log.engine.deleteRecords('a', 0, 1);
    await log.settle();
    if (newEpoch) await send(0, 1);
    else for (let i = 5; i < 10; i++) await send(i);
    log.syncs.release();
    await deleted;
    await log.reopenAfterCrash('only what was synced', 0);
    t.equal(log.engine.offsets('a', 0).logEndOffset, 5);
    t.equal(await send(0), '0 again');
    t.equal(await send(4), '4 again');
    t.equal(await send(5), '5');
  }
});

t.test('a full disk does not keep records from being deleted', async (t) => {
  const log = await open({}, { 'segment.bytes': '4096' });
  for (let i = 0; i < 3; i++) await log.append('a', 'x'.repeat(3000), request(`${i}`));
  await log.settle();
  const heal = log.disk.failAt({
    kind: 'write',
    path: /producers~$/,
    forever: true,
    fault: { error: 'ENOSPC' },
  });
  await log.engine.deleteRecords('a', 0, 2);
  t.equal(log.engine.offsets('a', 0).logStartOffset, 2);
  heal();
  t.equal(await outcome(log.append('a', 'x', request('0'))), '0 again');
});

t.test('a retry is spread over as many partitions as the first try', async (t) => {
  const records = ['a', 'b', 'c', 'd', 'e', 'f', null].map((key) => ({ key, value: `${key}` }));
  for (const restart of [false, true]) {
    const log = await open({}, {}, 2);
    const first = await log.engine.append('a', records, request('k'));
    await log.engine.alterTopic('a', { partitions: 7 });
    if (restart) await log.reopenAfterKill();
    t.same(
      await log.engine.append('a', records, request('k')),
      first.map((each) => ({ ...each, duplicate: true })),
    );
    const other = await log.engine.append('a', records, request('other'));
    t.ok(other.length > 2 && other.every(({ duplicate }) => !duplicate));
    await t.rejects(
      log.engine.append('a', [{ key: 'zz', value: 'x' }], { ...request('k', 8), partition: 6 }),
      { code: 'IDEMPOTENCY_KEY_REUSED' },
      'wherever it goes',
    );
  }
});

t.test(
  'partitions that are added while a request is on its way change nothing about where its retry goes',
  async (t) => {
    const log = await open({}, {}, 2);
    const records = ['a', 'b', 'c', 'd', 'e', 'f'].map((key) => ({ key, value: key }));
    const early = log.engine.startAppend('a', request('early'));
    log.syncs.hold(/\.log$/);
    const before = log.append('a', 'x');
    await log.settle();
    const first = log.engine.append('a', records, request('k'));
    await log.engine.alterTopic('a', { partitions: 5 });
    const retry = log.engine.append('a', records, request('k'));
    await t.rejects(log.engine.append('a', records, request('k', 8)), { code: 'IDEMPOTENCY_KEY_REUSED' });
    log.syncs.release();
    await before;
    t.same(
      await retry,
      (await first).map((each) => ({ ...each, duplicate: true })),
    );
    for (const { key, value } of records) early.addBytes(key, value);
    await t.rejects(
      early.commit(),
      { code: 'NOT_READY', retriable: true },
      'one that was begun before is begun anew',
    );
    t.equal(log.engine.listTopics()[0]!.records, 7);
  },
);

t.test('a retry gets the first answer although the topic would not take its records any more', async (t) => {
  const records = [0, 1].map((partition) => ({ value: 'x'.repeat(3000), partition }));
  const changes = { 'max.message.bytes': 2048, 'cleanup.policy': 'compact' };
  for (const [setting, value] of Object.entries(changes)) {
    for (const restart of [false, true]) {
      const log = await open({ 'producer.state.max.entries': 4 }, {}, 2);
      const send = (key: string) => log.engine.append('a', records, request(key));
      const first = await send('k');
      await log.append('a', 'x'.repeat(3000), producer(1, 0));
      await log.engine.alterTopic('a', { config: { [setting]: value } });
      if (restart) await log.reopenAfterKill();
      const refused = setting === 'cleanup.policy' ? 'INVALID_RECORD' : 'MESSAGE_TOO_LARGE';
      t.same(
        await send('k'),
        first.map((each) => ({ ...each, duplicate: true })),
      );
      t.equal(await outcome(log.append('a', 'x'.repeat(3000), producer(1, 0))), '1 again');
      t.equal(await outcome(log.append('a', 'x'.repeat(3000), producer(1, 1))), refused);
      t.equal(await outcome(log.append('a', 'x'.repeat(3000), producer(2, 0))), refused);
      await t.rejects(send('l'), { code: refused });
      await t.rejects(log.engine.append('a', records, request('k', 8)), { code: 'IDEMPOTENCY_KEY_REUSED' });
      t.equal(log.engine.listTopics()[0]!.records, 3);
      t.equal(log.engine.stats().inFlightBytes, 0);
    }
  }
});

t.test(
  'a retry that overtakes a change of the topic is judged by what becomes of the first try',
  async (t) => {
    const log = await open({ 'journal.files': 0 });
    log.syncs.hold(/\.log$/);
    const before = log.append('a', 'x');
    await log.settle();
    const late = log.engine.startAppend('a', request('late'));
    const first = outcome(log.append('a', 'x'.repeat(3000), request('k')));
    await log.engine.alterTopic('a', { config: { 'max.message.bytes': 2048 } });
    const retry = outcome(log.append('a', 'x'.repeat(3000), request('k')));
    late.addBytes(null, 'x'.repeat(3000));
    const tooLate = late.commit();
    log.syncs.release();
    await before;
    t.same(await Promise.all([first, retry]), ['1', '1 again']);
    await t.rejects(tooLate, { code: 'MESSAGE_TOO_LARGE' });
  },
);

t.test('what may have been stored is not stored elsewhere by its retry', async (t) => {
  const log = await open({}, {}, 2);
  const heal = log.disk.failAt({
    kind: 'write',
    path: /a\/\d\/.*log/,
    forever: true,
    fault: { error: 'EIO' },
  });
  const records = [{ key: 'b', value: 'x' }];
  await t.rejects(log.engine.append('a', records, request('k')), { code: 'OUTCOME_UNKNOWN' });
  heal();
  await log.engine.alterTopic('a', { partitions: 50 });
  await t.rejects(log.engine.append('a', records, request('k')), { code: 'OUTCOME_UNKNOWN' });
  t.match(await log.engine.append('a', records, request('other')), [{ baseOffset: 0 }], 'one that is new is');
});

t.test(
  'a new producer has an id of its own, and takes the place of the old one with the next epoch',
  async (t) => {
    const log = await open();
    const first = log.engine.newProducer();
    t.equal(first.epoch, 0);
    t.not(log.engine.newProducer().id, first.id);
    await log.append('a', 'x', { producer: { ...first, sequence: 0 } });
    const second = log.engine.newProducer(first);
    t.same(second, { id: first.id, epoch: 1 });
    await log.append('a', 'x', { producer: { ...first, sequence: 1 } });
    await log.append('a', 'x', { producer: { ...second, sequence: 0 } });
    await t.rejects(log.append('a', 'x', { producer: { ...first, sequence: 2 } }), {
      code: 'INVALID_PRODUCER_EPOCH',
      details: { currentEpoch: 1 },
    });
    t.throws(() => log.engine.newProducer({ id: 1, epoch: 32_767 }), { code: 'INVALID_REQUEST' });
    t.throws(() => log.engine.newProducer({ id: -1, epoch: 0 }), { code: 'INVALID_REQUEST' });
  },
);

t.test('options that make no sense are refused, and nothing is stored', async (t) => {
  const log = await open({}, {}, 2);
  const CASES: Record<string, AppendOptions> = {
    'a negative id': producer(-1, 0),
    'an id that is not safe': producer(2 ** 53, 0),
    'an epoch that is too large': producer(1, 0, 32_768),
    'a negative sequence': producer(1, -1),
    'a sequence that is too large': producer(1, 2 ** 31),
    'a sequence that is none': producer(1, 0.5),
    'a producer without a partition': { ...producer(1, 0), partition: undefined },
    'a producer with acks=0': { ...producer(1, 0), acks: 0 },
    'a producer with a key': { ...producer(1, 0), ...request('k') },
    'an empty key': request(''),
    'a key that is too long': request('k'.repeat(256)),
    'a key that cannot be printed': request('k\n'),
    'a key of other letters': request('ключ'),
    'a key without a fingerprint': { idempotency: { key: 'k' } },
    'a negative fingerprint': request('k', -1),
    'a fingerprint that is too large': request('k', 2 ** 31),
    'a negative end': { expectedEndOffset: -1 },
    'an end that is none': { expectedEndOffset: Number.NaN },
    'an end without a partition': { expectedEndOffset: 0, partition: undefined },
    'an end with acks=0': { expectedEndOffset: 0, acks: 0 },
  };
  for (const [what, options] of Object.entries(CASES))
    t.equal(await outcome(log.append('a', 'x', options)), 'INVALID_REQUEST', what);
  const elsewhere = [{ value: 'x', partition: 1 }];
  for (const options of [producer(1, 0), { expectedEndOffset: 0 }]) {
    t.equal(await outcome(log.append('a', elsewhere, options)), 'INVALID_REQUEST');
    t.equal(await outcome(log.append('a', [{ value: 'x' }, ...elsewhere], options)), 'INVALID_REQUEST');
  }
  t.equal(log.engine.listTopics()[0]!.records, 0);
  const late = log.engine.startAppend('a', { idempotency: { key: 'k' } });
  late.addBytes(null, 'x');
  t.throws(() => late.setFingerprint(2 ** 31), { code: 'INVALID_REQUEST' });
  late.setFingerprint(5);
  t.equal((await late.commit()).length, 1);
});
