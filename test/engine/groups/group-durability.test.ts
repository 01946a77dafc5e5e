/** What is told is in the log, whatever fails: memory and log never go other ways. */
import t from 'tap';
import { decodeRecords } from '../../../src/engine/format/record-batch-reader.ts';
import type { GroupDescription } from '../../../src/engine/groups/types.ts';
import { openGroups } from '../../helpers/open-groups.ts';
import { given, join, type SimGroups, shown, told } from '../../helpers/sim-groups.ts';

const place = (partition: number, offset: number) => ({ topic: 'a', partition, offset });
const outcome = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    ({ code }) => code,
  );

/** All of a group but what is known only while the process runs. */
async function stored(groups: SimGroups, group = 'g'): Promise<GroupDescription> {
  const description = await groups.coordinator.describe(group);
  return {
    ...description,
    state: 'Stable',
    members: description.members.map((member) => ({ ...member, generation: 0, idleMs: 0 })),
  };
}

t.test('all is there again after a restart, in good order or not', async (t) => {
  for (const restart of ['reopen', 'reopenAfterKill'] as const) {
    const groups = await openGroups({ a: 4 });
    const first = await join(groups, {
      clientId: 'one two/3',
      sessionTimeoutMs: 10_000,
      autoOffsetReset: 'latest',
    });
    t.match(first.memberId, /^onetwo3-[0-9a-f-]{36}$/);
    const second = await join(groups);
    await groups.log.append('a', 'x', { partition: 3 });
    const offsets = [{ ...place(3, 1), metadata: 'm' }];
    await groups.coordinator.commit('g', { memberId: first.memberId, generation: 1, offsets });
    const before = await stored(groups);
    await groups[restart]();
    t.same(await stored(groups), before, restart);
    const view = await groups.coordinator.heartbeat('g', first.memberId);
    t.equal(told(view), '2 a:0,1 -a:2,3', 'what was to be given up is so still, and told anew');
    t.equal(told(await groups.coordinator.heartbeat('g', second.memberId)), '2');
    await groups.coordinator.heartbeat('g', first.memberId);
    t.equal(told(await groups.coordinator.heartbeat('g', second.memberId)), `2 ${shown(view.revoking)}`);
    await groups[restart]();
    t.equal(told(await groups.coordinator.heartbeat('g', second.memberId)), `2 ${shown(view.revoking)}`);
  }
});

t.test('after a restart each member has a full session timeout before it', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { memberId } = await join(groups, { sessionTimeoutMs: 10_000 });
  await groups.advance(9_000);
  await groups.reopenAfterKill();
  await groups.advance(9_999);
  t.equal((await groups.coordinator.describe('g')).members.length, 1);
  await groups.coordinator.heartbeat('g', memberId);
  await groups.advance(10_000);
  t.equal((await groups.coordinator.describe('g')).members.length, 0);
});

t.test('topics that change while no coordinator looks are noticed at the start', async (t) => {
  const groups = await openGroups({ a: 1, b: 1 });
  const { memberId } = await join(groups, { topics: ['a', 'b', 'c'] });
  await groups.coordinator.close();
  await groups.engine.alterTopic('a', { partitions: 2 });
  await groups.engine.deleteTopic('b');
  await groups.engine.createTopic('b');
  await groups.engine.createTopic('c');
  await groups.log.reopen();
  await groups.take();
  t.equal(told(await groups.coordinator.heartbeat('g', memberId)), '2 a:0,1 c:0 -b:0');
  t.equal(told(await groups.coordinator.heartbeat('g', memberId)), '2 a:0,1 b:0 c:0');
});

t.test('a change that finds no space leaves the group as it was, and is tried again', async (t) => {
  const groups = await openGroups({ a: 2 }, { 'log.dir.reserve.bytes': 1_000_000 });
  const { coordinator, log } = groups;
  const { memberId, generation } = await join(groups, { sessionTimeoutMs: 10_000 });
  const staying = await join(groups, { sessionTimeoutMs: 60_000 });
  const before = await stored(groups);
  log.disk.capacityBytes = log.disk.usedBytes + 500_000;
  await groups.advance(2_000);
  t.equal(await outcome(join(groups)), 'STORAGE_FULL');
  t.equal(await outcome(coordinator.leave('g', memberId)), 'STORAGE_FULL');
  t.equal(
    await outcome(coordinator.commit('g', { memberId, generation, offsets: [place(0, 0)] })),
    'STORAGE_FULL',
  );
  t.equal(told(await coordinator.heartbeat('g', memberId)), '2 a:0 -a:1');
  t.equal(
    told(await coordinator.heartbeat('g', memberId)),
    '2 a:0 -a:1',
    'it lives, and keeps what cannot be passed on',
  );
  t.equal(told(await coordinator.heartbeat('g', staying.memberId)), '2');
  t.same(await stored(groups), before);
  await groups.advance(20_000);
  t.equal((await coordinator.describe('g')).members.length, 2, 'nor can it be taken out');
  log.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
  await groups.advance(2_000);
  t.equal(
    told(await coordinator.heartbeat('g', staying.memberId)),
    '3 a:0,1',
    'by itself, once there is space',
  );
  await groups.reopenAfterKill();
  t.equal(told(await groups.coordinator.heartbeat('g', staying.memberId)), '3 a:0,1');
});

t.test('groups are not served from a part of what is stored of them', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { memberId } = await join(groups);
  await groups.coordinator.leave('g', memberId);
  // The end of the log cannot be put in order where it stands, nor written anew.
  groups.log.disk = groups.log.disk.crash('kill');
  const heal = groups.log.disk.failAt({
    kind: 'write',
    path: /__consumer_offsets/,
    forever: true,
    fault: { error: 'ENOSPC' },
  });
  await groups.start();
  const calls: Promise<unknown>[] = [
    groups.coordinator.describe('g'),
    groups.coordinator.heartbeat('g', memberId),
    join(groups),
  ];
  for (const call of calls)
    await t.rejects(call, { code: 'KAFKA_STORAGE_ERROR', message: /free space and start again/ });
  heal();
  await groups.reopenAfterKill();
  t.match(await groups.coordinator.describe('g'), { generation: 2, members: [] });
});

t.test(
  'where it is unknown what became of a change, the log says it before anything else changes',
  async (t) => {
    for (const isThere of [true, false]) {
      const groups = await openGroups({ a: 2 });
      const { coordinator, log } = groups;
      const { memberId } = await join(groups);
      const heal = log.disk.failAt({
        kind: isThere ? 'sync' : 'write',
        path: /__consumer_offsets\/0\/0+\.log/,
        forever: true,
        fault: { error: isThere ? 'ENOSPC' : 'EIO' },
      });
      const leaving = outcome(coordinator.leave('g', memberId));
      await log.settle();
      t.equal(await leaving, 'OUTCOME_UNKNOWN');
      heal();
      t.match(await coordinator.describe('g'), { members: [{ memberId }] });
      t.ok(
        ['NOT_READY', 'KAFKA_STORAGE_ERROR'].includes(await outcome(join(groups))),
        'fenced until the next start',
      );
      t.equal(told(await coordinator.heartbeat('g', memberId)), '1 a:0,1', 'and goes on as it was');
      await groups.reopenAfterKill();
      const { members } = await groups.coordinator.describe('g');
      t.equal(members.length, isThere ? 0 : 1, 'the log has it, or not');
      const view = await join(groups);
      t.equal(view.generation, isThere ? 3 : 2);
    }
  },
);

t.test('groups that are deleted at the same time begin no generation anew', async (t) => {
  const groups = await openGroups({ a: 1 });
  for (let i = 0; i < 3; i++) {
    const { memberId } = await join(groups, {}, 'old');
    await groups.coordinator.leave('old', memberId);
  }
  const { memberId } = await join(groups, {}, 'young');
  await groups.coordinator.leave('young', memberId);
  const { generation } = await groups.coordinator.describe('old');
  await Promise.all(['old', 'young'].map((group) => groups.coordinator.delete(group)));
  t.equal((await join(groups, {}, 'old')).generation, generation + 1);
  const { chunks } = await groups.engine.read('__consumer_offsets', 0, { offset: 0 });
  const generations = decodeRecords(chunks, 0)
    .filter(({ key }) => String(key) === '["generation"]')
    .map(({ value }) => JSON.parse(String(value)).generation);
  t.same(generations, [generation, generation], 'what is left after a compaction tells the highest one');
});

t.test('a group is not forgotten while somebody is about to make it', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { coordinator, log } = groups;
  for (let i = 0; i < 2; i++) await log.append('a', 'x', { partition: 0 });
  const offsets = [place(0, 1)];
  const to = { timestamp: log.clock.now() + 1 };
  const looking = coordinator.reset('g', { offsets, dryRun: true });
  const setting = coordinator.reset('g', { to, topics: ['a'] });
  await Promise.all([looking, setting]);
  const { offsets: committed } = await coordinator.describe('g');
  t.match(committed, [{ partition: 0, committed: 2 }, { partition: 1 }]);
});

t.test('a change that was planned before the log was read again is not stored', async (t) => {
  const groups = await openGroups({ a: 2, b: 1 });
  const { engine, log } = groups;
  await log.append('b', 'x');
  const first = await join(groups);
  await groups.rollGroupsTopic();
  const heal = log.disk.failAt({
    kind: 'syncDirectory',
    path: /__consumer_offsets\/0$/,
    forever: true,
    fault: { error: 'EMFILE' },
  });
  const unknown = outcome(join(groups));
  await log.settle();
  t.equal(await unknown, 'OUTCOME_UNKNOWN');
  // The next one is planned now, and looks for where to begin until the log has been read.
  const { promise: found, resolve: find } = Promise.withResolvers<number>();
  const { offsetForTimestamp } = engine;
  engine.offsetForTimestamp = () => found;
  const joining = outcome(join(groups, { topics: ['b'], autoOffsetReset: 'by_duration:1h' }));
  await log.settle();
  heal();
  await groups.advance(2_000);
  t.match(await groups.coordinator.describe('g'), { generation: 2 });
  engine.offsetForTimestamp = offsetForTimestamp;
  find(0);
  await log.settle();
  t.equal(await joining, 'NOT_READY');
  const { generation, members } = await groups.coordinator.describe('g');
  t.equal(generation, 2);
  t.match(members, [{ memberId: first.memberId }, {}], 'nobody is lost');
});

t.test('a change of which nobody knew is there once the log could be read again', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { coordinator, log } = groups;
  const first = await join(groups);
  // The segment rolls, and there is no descriptor for syncing the name of the new one: what is written is not lost.
  await groups.rollGroupsTopic();
  const heal = log.disk.failAt({
    kind: 'syncDirectory',
    path: /__consumer_offsets\/0$/,
    forever: true,
    fault: { error: 'EMFILE' },
  });
  const joining = outcome(join(groups));
  await log.settle();
  t.equal(await joining, 'OUTCOME_UNKNOWN');
  t.match(await coordinator.describe('g'), { generation: 1, members: [{ memberId: first.memberId }] });
  const commit = { memberId: first.memberId, generation: 1, offsets: [place(0, 0)] };
  t.equal(await outcome(coordinator.commit('g', commit)), 'NOT_READY');
  t.equal(await outcome(join(groups)), 'NOT_READY');
  heal();
  await groups.advance(2_000);
  t.match(await coordinator.describe('g'), { generation: 2, members: [{ memberId: first.memberId }, {}] });
  t.equal(await outcome(coordinator.commit('g', commit)), 'done');
  t.equal(told(await coordinator.heartbeat('g', first.memberId)), '2 a:0 -a:1');
  const before = await stored(groups);
  await groups.reopenAfterKill();
  t.same(await stored(groups), before);
});

t.test('a group of which nothing is left once the log was read again is not there', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { coordinator, log } = groups;
  const { memberId } = await join(groups, {}, 'gone');
  await coordinator.leave('gone', memberId);
  await join(groups);
  await groups.rollGroupsTopic();
  const heal = log.disk.failAt({
    kind: 'syncDirectory',
    path: /__consumer_offsets\/0$/,
    forever: true,
    fault: { error: 'EMFILE' },
  });
  const deleting = outcome(coordinator.delete('gone'));
  await log.settle();
  t.equal(await deleting, 'OUTCOME_UNKNOWN');
  t.equal(coordinator.list().length, 2, 'for now it is as it was');
  heal();
  await groups.advance(2_000);
  t.match(coordinator.list(), [{ groupId: 'g' }]);
  t.equal(coordinator.list().length, 1);
  await groups.reopenAfterKill();
  t.equal(groups.coordinator.list().length, 1);
});

t.test('where what is stored of groups is damaged, they are not served, and all else is', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { log } = groups;
  await log.append('a', 'x');
  const { memberId } = await join(groups);
  await groups.stop();
  const path = log.disk.paths().find((each) => /__consumer_offsets\/0\/0+\.log$/.test(each))!;
  const bytes = log.disk.contents(path);
  bytes[bytes.length - 1]! ^= 1;
  log.disk.plant(path, bytes);
  await groups.start();
  log.leaveDamaged();
  const { coordinator } = groups;
  const calls: (() => Promise<unknown>)[] = [
    () => join(groups),
    () => coordinator.heartbeat('g', memberId),
    () => coordinator.describe('g'),
    async () => coordinator.list(),
  ];
  for (const call of calls) await t.rejects(call(), { code: 'CORRUPT_MESSAGE' });
  t.same(await log.values('a'), ['x']);
  await coordinator.close();
});

t.test('a record that makes no sense is damage; one of an unknown kind is left alone', async (t) => {
  const write = async (key: string, value: string | null) => {
    const groups = await openGroups({ a: 1 });
    const { memberId } = await join(groups);
    const append = groups.engine.startInternalAppend('__consumer_offsets');
    append.addBytes(key, value);
    await append.commit();
    await groups.reopen();
    return outcome(groups.coordinator.heartbeat('g', memberId));
  };
  for (const key of ['{"of":"later"}', '["transaction","x"]', 'no JSON', '7', '[]', '[["group"]]'])
    t.equal(await write(key, '{}'), 'done', key);
  const committed = { offset: 0, metadata: null, topicId: 'x', committedAt: 0 };
  const group = { generation: 1, assignor: null, members: [], topics: [], emptySince: 0 };
  const bad: [unknown[], unknown][] = [
    [['offset', 'g', 'a', 0], {}],
    [['offset', 'g', 'a', -1], committed],
    [['offset', 'g', 'a', '0'], committed],
    [['offset', 'g', 'a', 0], { ...committed, offset: -1 }],
    [['offset', 'g', 'a', 0], { ...committed, metadata: 1 }],
    [['offset', 7, 'a', 0], committed],
    [['group', 'g'], {}],
    [['group', 7], group],
    [['group', 'g'], { ...group, generation: 'x' }],
    [['group', 'g'], { ...group, assignor: 'toString' }],
    [['group', 'g'], { ...group, members: [{}] }],
    [['group', 'g'], { ...group, topics: [{}] }],
    [['generation'], {}],
    [['generation'], null],
  ];
  for (const [key, value] of bad)
    t.equal(
      await write(JSON.stringify(key), JSON.stringify(value)),
      'CORRUPT_MESSAGE',
      JSON.stringify([key, value]),
    );
  t.equal(await write('["group","g"]', 'no JSON'), 'CORRUPT_MESSAGE');
});

t.test('the topic of the groups can be read, and nothing else', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { engine, log } = groups;
  const NAME = '__consumer_offsets';
  t.same(
    engine.listTopics().map(({ name }) => name),
    ['a'],
    'it is not there before it is needed',
  );
  await t.rejects(engine.createTopic(NAME), { code: 'INVALID_TOPIC_EXCEPTION' });
  await t.rejects(engine.createTopic('__mine'), { code: 'INVALID_TOPIC_EXCEPTION', message: /reserved/ });
  await join(groups);
  t.match(
    engine.listTopics().map(({ name, internal }) => [name, internal]),
    [
      [NAME, true],
      ['a', false],
    ],
  );
  t.match(await engine.describeTopic(NAME), {
    internal: true,
    config: { 'cleanup.policy': { value: 'compact' } },
  });
  t.match((await log.records(NAME))[0]!.key!.toString(), '["group","g"]');
  await t.rejects(engine.append(NAME, [{ key: 'x', value: 'y' }]), { code: 'POLICY_VIOLATION' });
  await t.rejects(engine.alterTopic(NAME, { partitions: 2 }), { code: 'POLICY_VIOLATION' });
  await t.rejects(engine.deleteTopic(NAME), { code: 'POLICY_VIOLATION' });
  await t.rejects(engine.deleteRecords(NAME, 0, 1), { code: 'POLICY_VIOLATION' });
});

t.test('settings for topics do not reach the topic of the groups', async (t) => {
  const groups = await openGroups(
    { a: 1 },
    {},
    { 'cleanup.policy': 'delete', flush: 'os', 'retention.ms': 1_000 },
  );
  await join(groups);
  t.match(await groups.engine.describeTopic('__consumer_offsets'), {
    config: { 'cleanup.policy': { value: 'compact' }, flush: { value: 'sync' } },
  });
});

t.test('compaction of the topic of the groups changes nothing of them', async (t) => {
  const groups = await openGroups({ a: 3 });
  const { coordinator, log } = groups;
  const { memberId, generation } = await join(groups);
  await log.append(
    'a',
    Array.from({ length: 300 }, (_, i) => ({ value: `${i}` })),
  );
  for (let offset = 0; offset < 300; offset++)
    await coordinator.commit('g', { memberId, generation, offsets: [place(0, offset), place(1, 0)] });
  const gone = await join(groups, {}, 'gone');
  await coordinator.leave('gone', gone.memberId);
  await coordinator.delete('gone');
  await join(groups);
  await groups.rollGroupsTopic();
  await coordinator.commit('g', { memberId, generation, offsets: [place(2, 0)] });
  const before = await stored(groups);
  const { id } = log.engine.background.compact('__consumer_offsets');
  await groups.advance(10_000);
  t.match(log.engine.background.job(id), { state: 'done' });
  t.ok((await log.records('__consumer_offsets')).length < 15);
  await groups.reopenAfterKill();
  t.same(await stored(groups), before);
  t.same(
    groups.coordinator.list().map(({ groupId }) => groupId),
    ['g'],
  );
  t.equal(
    (await join(groups, {}, 'gone')).generation,
    3,
    'the generations of a deleted group do not come again',
  );
});

t.test('bounds: names, groups, members, offsets, what a join says', async (t) => {
  const bounds = {
    'group.max.groups': 3,
    'group.max.members': 4,
    'group.max.size': 2,
    'group.max.offsets': 3,
  };
  const groups = await openGroups({ a: 4 }, bounds);
  const { coordinator } = groups;
  for (const name of [
    '',
    'a\nb',
    '\u0000',
    '\u007f',
    'x'.repeat(256),
    'ä'.repeat(128),
    '\ud800',
    7 as unknown as string,
  ]) {
    await t.rejects(join(groups, {}, name), { code: 'INVALID_GROUP_ID' });
    await t.rejects(coordinator.reset(name, { to: 'latest' }), { code: 'INVALID_GROUP_ID' });
  }
  const long = 'ä'.repeat(127);
  const { memberId, generation } = await join(groups, {}, long);
  const bad = [
    { topics: [] },
    { topics: ['.'] },
    { topics: 'a' as unknown as string[] },
    { topics: Array.from({ length: 1_001 }, (_, i) => `t${i}`) },
    { clientId: 'x'.repeat(256) },
    { clientId: 'a\tb' },
    { sessionTimeoutMs: 5_999 },
    { sessionTimeoutMs: 1_800_001 },
    { sessionTimeoutMs: 10_000.5 },
    { assignor: 'sticky' as 'range' },
    { assignor: 'toString' as 'range' },
  ];
  for (const request of bad)
    t.match(await outcome(join(groups, request)), /^INVALID_/, JSON.stringify(request).slice(0, 80));
  await join(groups, {}, long);
  t.equal(await outcome(join(groups, {}, long)), 'GROUP_MAX_SIZE_REACHED');
  await join(groups, {}, 'g');
  await join(groups, {}, 'h');
  t.equal(await outcome(join(groups, {}, 'i')), 'THROTTLED');
  t.equal(await outcome(coordinator.reset('i', { offsets: [place(0, 0)] })), 'THROTTLED');
  t.equal(await outcome(join(groups, {}, 'h')), 'THROTTLED', 'members of all groups');
  t.same(
    coordinator.list().map(({ members }) => members),
    [1, 1, 2],
  );
  await coordinator.heartbeat(long, memberId);
  const commit = (...offsets: object[]) =>
    outcome(
      coordinator.commit(long, { memberId, generation, offsets: offsets as ReturnType<typeof place>[] }),
    );
  t.equal(await commit(place(0, 0), place(1, 0)), 'done');
  t.equal(await commit({ ...place(0, 0), metadata: 'x'.repeat(512) }), 'THROTTLED');
  t.equal(await commit({ ...place(0, 0), metadata: 'x'.repeat(256) }), 'done');
  t.equal(await commit(place(2, 0)), 'THROTTLED');
  t.equal(await commit(place(0, 0)), 'done', 'what is there may always be replaced');
  t.equal(await commit(place(2, 0)), 'done');
  await groups.reopenAfterKill();
  t.equal(await outcome(join(groups, {}, 'i')), 'THROTTLED', 'they are counted again at the start');
  t.same(given(await groups.coordinator.poll(long, memberId)), []);
});
