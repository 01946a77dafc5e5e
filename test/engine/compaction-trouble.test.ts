/** What comes between a compaction and its end: damage, a full disk, deletions, changes of the topic, a stop; nothing is lost. */
import t from 'tap';
import { silentLogger } from '../../src/engine/common/logger.ts';
import { HOUR, type Keyed, KeyedLog } from '../helpers/keyed-log.ts';
import { until } from '../helpers/until.ts';

const ACTIVE: Keyed = ['active', 'segment'];
const TEN: Keyed[] = Array.from({ length: 10 }, (_, i) => [`k${i % 3}`, String(i)]);
const LEFT = ['7 k1 7', '8 k2 8', '9 k0 9', '10 active segment'];

async function filled(
  config: Record<string, string | number> = {},
  settings: Record<string, string | number> = {},
): Promise<{ log: KeyedLog; all: string[] }> {
  const log = await KeyedLog.with(config, settings);
  await log.each([...TEN, ACTIVE]);
  return { log, all: await log.content() };
}

/** Does something once, when a task of that name is asked for the n-th time. */
function atTask(
  log: KeyedLog,
  name: 'map' | 'rewrite',
  nth: number,
  action: () => Promise<void> | void,
): void {
  const { runner } = log;
  const first = runner.asked[name];
  runner.before = (asked) => (asked === name && runner.asked[name] === first + nth ? action() : undefined);
}

t.test('a log with damage in it is not compacted: it says so, and nothing is lost', async (t) => {
  const { log, all } = await filled();
  const path = '/data/topics/a/0/00000000000000000004.log';
  const bytes = log.disk.contents(path);
  bytes[1000]! ^= 1;
  log.disk.plant(path, bytes);
  log.leaveDamaged();
  const job = await log.compact();
  t.match(job, {
    state: 'failed',
    attempts: 1,
    error: { code: 'CORRUPT_MESSAGE', message: /offsets 4 to 5/ },
  });
  t.match(log.engine.health().damagedPartitions, [
    { topic: 'a', partition: 0, ranges: [{ firstOffset: 4, endOffset: 5 }] },
  ]);
  t.same(await log.content(5), all.slice(5));
  t.same(
    (await log.engine.read('a', 0, { offset: 0 })).nextOffset,
    1,
    'what lies before it is served as well',
  );
  const rewritten = log.runner.asked.rewrite;
  const again = await log.compact();
  t.match(again, {
    state: 'failed',
    attempts: 1,
    error: { code: 'CORRUPT_MESSAGE', message: /seglog repair/ },
  });
  t.equal(log.runner.asked.rewrite, rewritten, 'known damage is not gone over again');
  await log.append('a', [{ key: 'goes', value: 'on' }]);
  await log.engine.close();
});

t.test('a compaction that fails is left alone for a while, not tried every second', async (t) => {
  const { log } = await filled({}, { 'housekeeping.interval.ms': 1000 });
  const path = '/data/topics/a/0/00000000000000000004.log';
  log.disk.plant(path, log.disk.contents(path).fill(7, 1000, 1100));
  log.leaveDamaged();
  for (let second = 0; second < 290; second++) await log.clock.advance(1000);
  t.same(log.ended, ['compact a-0 failed']);
  for (let second = 0; second < 20; second++) await log.clock.advance(1000);
  t.same(log.ended, ['compact a-0 failed', 'compact a-0 failed']);
  await log.engine.close();
});

t.test('a compaction that somebody cancels is left alone for a while, though it is due', async (t) => {
  const { log } = await filled({}, { 'housekeeping.interval.ms': 1000 });
  atTask(log, 'map', 1, () => {
    for (const { id } of log.open) log.engine.background.cancel(id);
  });
  for (let second = 0; second < 60; second++) await log.clock.advance(1000);
  t.same(log.ended, ['compact a-0 cancelled']);
  await log.compacted();
  t.same(log.ended, ['compact a-0 cancelled', 'compact a-all done'], 'who asks for it gets it');
});

t.test('without room to write, it waits and says which setting it is about; nothing changes', async (t) => {
  const { log, all } = await filled({}, { 'log.dir.reserve.bytes': 100_000 });
  log.disk.capacityBytes = log.disk.usedBytes + 101_000;
  const before = log.disk.paths();
  const { id } = log.engine.background.compact('a');
  await log.settle();
  const [job] = log.open;
  t.match(job, { id, state: 'queued', attempts: 1, error: { code: 'STORAGE_FULL' } });
  t.match(job!.error!.message, /log\.dir\.reserve\.bytes=100000.*nothing was changed/);
  t.same(await log.content(), all);
  t.same(log.disk.paths(), before);
  log.disk.capacityBytes = log.disk.usedBytes + 111_000;
  t.match(await log.end(id), { state: 'done', attempts: 2, error: null });
  t.same(await log.content(), LEFT);
});

t.test('where appends are refused already, what the reserve has left is for compaction', async (t) => {
  const { log } = await filled({}, { 'log.dir.reserve.bytes': 100_000 });
  log.disk.capacityBytes = log.disk.usedBytes + 50_000;
  await log.compacted();
  t.match(log.engine.health(), { storageFull: true });
  t.same(await log.content(), LEFT);
});

t.test('a disk that gets full while it is written leaves the log as it was', async (t) => {
  const { log, all } = await filled({}, { 'log.dir.reserve.bytes': 0 });
  atTask(log, 'rewrite', 2, () => {
    log.disk.capacityBytes = log.disk.usedBytes;
  });
  const { id } = log.engine.background.compact('a');
  await log.settle(100);
  t.match(log.open, [{ id, state: 'queued', error: { code: /STORAGE_FULL|ENOSPC/ } }]);
  t.ok(log.open[0]!.error!.message.includes('free'), log.open[0]!.error!.message);
  t.same(await log.content(), all.slice(1), 'the first record has gone, in an earlier step');
  t.same(
    log.disk.paths().filter((path) => /rewritten|swap/.test(path)),
    [],
  );
  log.disk.capacityBytes = Number.POSITIVE_INFINITY;
  await log.end(id);
  t.same(await log.content(), LEFT);
});

t.test('a pass whose end cannot be noted is done all the same, and nothing is owed but a look', async (t) => {
  const { log } = await filled();
  const heal = log.disk.failAt({ path: /cleaned/, fault: { error: 'ENOSPC' }, kind: 'write', forever: true });
  t.match(await log.compact(), { state: 'done', attempts: 1 });
  t.match((await log.engine.describeTopic('a')).partitions[0]!.compaction, {
    firstDirtyOffset: 10,
    due: false,
  });
  heal();
  await log.reopen();
  t.match((await log.engine.describeTopic('a')).partitions[0]!.compaction, {
    firstDirtyOffset: 0,
    due: true,
  });
  await log.compacted();
  t.same(await log.content(), LEFT);
});

t.test('retention goes first: what it frees, compaction need not write', async (t) => {
  const { log } = await filled(
    { 'cleanup.policy': 'compact,delete', 'retention.bytes': 1 },
    { 'log.dir.reserve.bytes': 100_000 },
  );
  log.disk.capacityBytes = log.disk.usedBytes + 90_000;
  await log.hour();
  t.same(await log.content(), ['10 active segment']);
  t.same(log.ended, []);
});

t.test('a job that is cancelled ends soon, and what it has done stays done', async (t) => {
  const { log, all } = await filled();
  const { background } = log.engine;
  const { id } = background.compact('a');
  atTask(log, 'rewrite', 4, () => void background.cancel(id));
  t.match(await log.end(id), { state: 'cancelled', error: null, result: null });
  t.equal(log.runner.asked.rewrite, 4, 'no more is begun');
  const left = await log.content();
  t.ok(left.length < all.length && left.length > LEFT.length);
  t.same(
    log.disk.paths().filter((path) => path.includes('rewritten')),
    [],
  );
  await log.compacted();
  t.same(await log.content(), LEFT);
});

t.test('a job that is cancelled while a file is written ends with the next piece', async (t) => {
  const log = await KeyedLog.with();
  await log.each([...TEN, ACTIVE]);
  log.taskRunner = undefined;
  await log.reopen();
  log.syncs.hold(/rewritten~/);
  const { background } = log.engine;
  const { id } = background.compact('a');
  await until('a sync waits', () => log.syncs.waiting === 1);
  background.cancel(id);
  log.syncs.release();
  t.match(await log.end(id), { state: 'cancelled' });
  t.same(
    log.disk.paths().filter((path) => path.includes('rewritten')),
    [],
  );
});

t.test('a log is closed while a pass runs: soon, and with nothing half done', async (t) => {
  for (const nth of [1, 3, 7]) {
    const { log } = await filled();
    log.engine.background.compact('a');
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    const { promise: closing, resolve: close } = Promise.withResolvers<void>();
    atTask(log, 'rewrite', nth, () => {
      resolve();
      return closing;
    });
    await begun;
    const closed = log.engine.close();
    close();
    await closed;
    t.equal(log.runner.asked.rewrite, nth, 'no more is begun');
    t.same(
      log.disk.paths().filter((path) => /rewritten|swap/.test(path)),
      [],
    );
    await log.reopen();
    await log.compacted();
    t.same(await log.content(), LEFT);
    await log.finish();
  }
});

t.test(
  'a log is closed while housekeeping comes round: nothing is begun, and nothing has failed',
  async (t) => {
    const { log } = await filled();
    const said: string[] = [];
    log.logger = { ...silentLogger, warn: (_, message) => void said.push(String(message)) };
    await log.reopen();
    await log.each([...TEN, ACTIVE]);
    const { space } = log.disk;
    let closed: Promise<void> | undefined;
    log.disk.space = (path) => {
      closed ??= log.engine.close();
      return space.call(log.disk, path);
    };
    await log.clock.advance(HOUR);
    await closed;
    t.equal(log.runner.asked.map, 0);
    t.same(said, []);
  },
);

t.test('a topic is deleted while a pass runs', async (t) => {
  for (const [name, nth] of [
    ['map', 1],
    ['rewrite', 1],
    ['rewrite', 5],
  ] as const) {
    const { log } = await filled();
    let deleted: Promise<void> | undefined;
    atTask(log, name, nth, () => {
      deleted = log.engine.deleteTopic('a');
    });
    const job = await log.compact();
    t.match(job, { state: 'cancelled' }, `${name} ${nth}`);
    await deleted;
    t.same(log.engine.listTopics(), []);
    await log.settle();
    t.same(
      log.disk.paths().filter((path) => path.includes('topics')),
      [],
    );
    await log.engine.createTopic('a', { config: { 'cleanup.policy': 'compact' } });
    await log.each([['new', 'one']]);
    t.same(await log.content(), ['0 new one']);
    await log.finish();
  }
});

t.test('records are deleted while a pass runs: it finds out, and goes on with what is left', async (t) => {
  for (const [name, nth] of [
    ['map', 1],
    ['rewrite', 1],
    ['rewrite', 2],
    ['rewrite', 5],
    ['rewrite', 8],
  ] as const) {
    for (const before of [3, 6, 9]) {
      const { log } = await filled({ 'cleanup.policy': 'compact,delete' });
      atTask(log, name, nth, async () => {
        await log.engine.deleteRecords('a', 0, before);
      });
      t.match(await log.compact(), { state: 'done', attempts: 1 }, `${name} ${nth}, below ${before}`);
      t.same(
        await log.content(),
        LEFT.filter((record) => Number.parseInt(record, 10) >= before),
      );
      await log.finish();
    }
  }
});

t.test('all records are deleted while a pass runs', async (t) => {
  const { log } = await filled({ 'cleanup.policy': 'compact,delete' });
  atTask(log, 'rewrite', 3, async () => {
    await log.engine.deleteRecords('a', 0, -1);
  });
  t.match(await log.compact(), { state: 'done' });
  t.same(await log.content(), []);
});

t.test(
  'a topic that is not to be compacted any more is not: not by what waits, nor by what runs',
  async (t) => {
    for (const [name, nth] of [
      ['map', 1],
      ['rewrite', 1],
      ['rewrite', 4],
    ] as const) {
      const { log } = await filled();
      let kept: string[] = [];
      atTask(log, name, nth, async () => {
        await log.engine.alterTopic('a', { config: { 'cleanup.policy': 'delete' } });
        kept = await log.content();
      });
      const job = await log.compact();
      t.match(job, { state: 'failed', attempts: 1, error: { code: 'POLICY_VIOLATION' } }, `${name} ${nth}`);
      t.same(await log.content(), kept);
      await log.finish();
    }
  },
);

t.test('a job that waited for its turn looks at the policy again', async (t) => {
  const { log } = await filled();
  await log.engine.createTopic('b', { config: { 'cleanup.policy': 'compact', 'segment.bytes': 4096 } });
  await log.each([...TEN, ACTIVE], { topic: 'b' });
  const { background } = log.engine;
  const first = background.compact('a');
  const second = background.compact('b');
  await log.engine.alterTopic('b', { config: { 'cleanup.policy': 'delete' } });
  t.match(await log.end(first.id), { state: 'done' });
  t.match(await log.end(second.id), { state: 'failed', error: { code: 'POLICY_VIOLATION' } });
  t.equal((await log.content(0, 'b')).length, 11);
});

t.test('the policy is changed at run time: compaction begins, and ends', async (t) => {
  const { log, all } = await filled({ 'cleanup.policy': 'delete' });
  await log.hour(2);
  t.same(await log.content(), all);
  t.equal((await log.engine.describeTopic('a')).partitions[0]!.compaction, null);
  await log.engine.alterTopic('a', { config: { 'cleanup.policy': 'compact' } });
  await log.hour();
  t.same(await log.content(), LEFT);
  await log.engine.alterTopic('a', { config: { 'cleanup.policy': 'delete' } });
  await log.each([...TEN, ACTIVE]);
  await log.hour(2);
  t.equal((await log.content()).length, LEFT.length + 11);
});

t.test('a partition that takes no appends is not compacted, and the others are', async (t) => {
  const { log, all } = await filled();
  await log.engine.alterTopic('a', { partitions: 2 });
  await log.each([...TEN, ACTIVE], { partition: 1 });
  const heal = log.disk.failAt({ kind: 'sync', path: /\/0\/.*log$/, fault: { error: 'EIO' } });
  await t.rejects(log.append('a', [{ key: 'x', value: 'y' }]), { code: 'OUTCOME_UNKNOWN' });
  heal();
  const { fencedPartitions } = log.engine.health();
  t.equal(fencedPartitions.length, 1);
  t.match(await log.compact(), { state: 'failed', attempts: 1, error: { code: 'KAFKA_STORAGE_ERROR' } });
  t.same(await log.content(0, 'a', 1), LEFT, 'one that fails is no reason to leave the others');
  t.equal(log.runner.asked.map, 1, 'nothing is done for nothing');
  await log.each([...TEN, ACTIVE], { partition: 1 });
  await log.hour();
  t.same(log.ended, ['compact a-all failed', 'compact a-1 done']);
  t.same((await log.content(0)).slice(0, 11), all);
});

t.test('a partition is fenced while a pass runs over it', async (t) => {
  const { log, all } = await filled();
  atTask(log, 'rewrite', 2, async () => {
    const heal = log.disk.failAt({ kind: 'sync', path: /\/0\/.*log$/, fault: { error: 'EIO' } });
    await log.append('a', [{ key: 'x', value: 'y' }]).catch(() => {});
    heal();
  });
  t.match(await log.compact(), { state: 'failed', attempts: 1, error: { code: 'KAFKA_STORAGE_ERROR' } });
  t.ok((await log.content(0)).length >= all.length - 1);
  await log.reopenAfterKill();
  await log.compacted();
  t.same((await log.content()).slice(0, 3), LEFT.slice(0, 3));
});

t.test('appends and readers go on while a pass runs', async (t) => {
  const { log } = await filled();
  const seen: string[] = [];
  let appended = 11;
  log.runner.before = async () => {
    await log.append('a', [{ key: 'during', value: String(appended++) }]);
    seen.push(...(await log.content()));
  };
  await log.compacted();
  const valid = new Set([...TEN, ACTIVE].map(([key, value], offset) => `${offset} ${key} ${value}`));
  t.ok(seen.every((record) => valid.has(record) || record.includes('during')));
  const left = await log.content();
  t.same(left.slice(0, 4), LEFT);
  t.equal(left.length, 4 + appended - 11);
});
