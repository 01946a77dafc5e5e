/** Members that come, are heard of, fall silent and go, over a simulated disk and clock. */
import t from 'tap';
import { openGroups } from '../../helpers/open-groups.ts';
import { given, join, shown, told } from '../../helpers/sim-groups.ts';

t.test('a member joins, reads, commits and leaves; the next one goes on from there', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { log, coordinator } = groups;
  await log.append('a', [{ value: 'x' }, { value: 'y' }]);
  const first = await join(groups);
  t.equal(told(first), '1 a:0,1');
  const poll = await coordinator.poll('g', first.memberId);
  t.same(given(poll), ['a-0@0=x', 'a-0@1=y']);
  const { memberId, generation, positions } = poll;
  t.same(await coordinator.commit('g', { memberId, generation, offsets: positions }), [
    { topic: 'a', partition: 0, before: null, after: 2 },
  ]);
  t.match(await coordinator.describe('g'), {
    state: 'Stable',
    offsets: [
      { topic: 'a', partition: 0, committed: 2, logEndOffset: 2, lag: 0, memberId },
      { topic: 'a', partition: 1, committed: null, logEndOffset: 0, lag: null, memberId },
    ],
  });
  await coordinator.leave('g', memberId);
  const second = await join(groups);
  t.equal(told(second), '3 a:0,1');
  const waiting = coordinator.poll('g', second.memberId, { waitMs: 1_000 });
  await log.settle();
  await log.append('a', 'z');
  t.same(given(await waiting), ['a-0@2=z']);
});

t.test('a member that comes takes over what another one gives up, once that has confirmed it', async (t) => {
  const groups = await openGroups({ a: 4 });
  const { coordinator } = groups;
  const first = await join(groups);
  const second = await join(groups);
  t.equal(told(first), '1 a:0,1,2,3');
  t.equal(told(second), '2', 'nothing is free yet');
  t.equal(told(await coordinator.heartbeat('g', first.memberId)), '2 a:0,1 -a:2,3');
  t.equal(told(await coordinator.heartbeat('g', second.memberId)), '2', 'it was told, and has not confirmed');
  t.match(await coordinator.describe('g'), {
    state: 'Reconciling',
    members: [
      { assignment: [{ topic: 'a', partitions: [0, 1] }], revoking: [{ topic: 'a', partitions: [2, 3] }] },
      { assignment: [], pending: [{ topic: 'a', partitions: [2, 3] }] },
    ],
  });
  t.equal(told(await coordinator.heartbeat('g', first.memberId)), '2 a:0,1');
  t.equal(told(await coordinator.heartbeat('g', second.memberId)), '2 a:2,3');
  t.match(await coordinator.describe('g'), { state: 'Stable' });
  t.match(coordinator.list(), [{ groupId: 'g', state: 'Stable', generation: 2, members: 2 }]);
});

t.test('a group is stable once nothing is left to be given up, passed on or told', async (t) => {
  const groups = await openGroups({ a: 2, b: 1 });
  const { coordinator } = groups;
  const state = async () => (await coordinator.describe('g')).state;
  const first = await join(groups);
  t.equal(await state(), 'Reconciling', 'it may not have got the answer');
  await coordinator.heartbeat('g', first.memberId);
  t.equal(await state(), 'Stable');
  const other = await join(groups, { topics: ['b'] });
  await coordinator.heartbeat('g', other.memberId);
  t.equal(await state(), 'Stable', 'the first one has what it had, and need not be heard of');
});

t.test('a member that says by which generation it goes confirms that one, and nothing newer', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { coordinator } = groups;
  const first = await join(groups);
  const second = await join(groups);
  const older = { generation: 1 };
  t.equal(told(await coordinator.heartbeat('g', first.memberId, older)), '2 a:0 -a:1');
  t.equal(
    told(await coordinator.heartbeat('g', first.memberId, older)),
    '2 a:0 -a:1',
    'its answer may have been lost',
  );
  t.equal(told(await coordinator.poll('g', first.memberId, older)), '2 a:0 -a:1');
  t.equal(told(await coordinator.heartbeat('g', first.memberId, { generation: 2 })), '2 a:0', 'at once');
  t.equal(told(await coordinator.heartbeat('g', second.memberId)), '2 a:1');
  for (const generation of [3, 1e9, Number.NaN])
    await t.rejects(coordinator.heartbeat('g', second.memberId, { generation }), {
      code: 'FENCED_MEMBER_EPOCH',
    });
});

t.test('who leaves is known no more, and its partitions are others’', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { coordinator } = groups;
  const first = await join(groups);
  const second = await join(groups);
  await coordinator.leave('g', first.memberId);
  t.equal(told(await coordinator.heartbeat('g', second.memberId)), '3 a:0,1');
  const unknown = { code: 'UNKNOWN_MEMBER_ID', details: { group: 'g', memberId: first.memberId } };
  await t.rejects(coordinator.heartbeat('g', first.memberId), unknown);
  await t.rejects(coordinator.poll('g', first.memberId), unknown);
  await t.rejects(coordinator.leave('g', first.memberId), unknown);
  await t.rejects(coordinator.heartbeat('another', second.memberId), { code: 'UNKNOWN_MEMBER_ID' });
});

t.test('a member that is silent for its session timeout is taken out, to the millisecond', async (t) => {
  const expired: string[] = [];
  const groups = await openGroups({ a: 2 });
  groups.observer.memberExpired = (group) => void expired.push(group);
  const { coordinator } = groups;
  const short = await join(groups, { sessionTimeoutMs: 10_000 });
  const long = await join(groups, { sessionTimeoutMs: 60_000 });
  await groups.advance(5_000);
  await coordinator.heartbeat('g', short.memberId);
  await coordinator.heartbeat('g', short.memberId);
  await groups.advance(9_999);
  t.equal((await coordinator.describe('g')).members.length, 2);
  await groups.advance(1);
  t.same(expired, ['g']);
  await t.rejects(coordinator.heartbeat('g', short.memberId), { code: 'UNKNOWN_MEMBER_ID' });
  t.equal(told(await coordinator.heartbeat('g', long.memberId)), '3 a:0,1');
  await groups.advance(60_000);
  t.match(await coordinator.describe('g'), { state: 'Empty', generation: 4, members: [] });
});

t.test(
  'each sign of life counts: a heartbeat, a poll, a commit; and a poll as long as it waits',
  async (t) => {
    const groups = await openGroups({ a: 1 });
    const { coordinator } = groups;
    const { memberId, generation } = await join(groups, { sessionTimeoutMs: 10_000 });
    const commit = { memberId, generation, offsets: [{ topic: 'a', partition: 0, offset: 0 }] };
    for (const sign of [
      () => coordinator.heartbeat('g', memberId),
      () => coordinator.poll('g', memberId),
      () => coordinator.commit('g', commit),
    ]) {
      await groups.advance(9_000);
      await sign();
    }
    const waiting = coordinator.poll('g', memberId, { waitMs: 50_000 });
    await groups.advance(49_000);
    t.match(await coordinator.describe('g'), { members: [{ idleMs: 0 }] });
    await groups.advance(1_000);
    t.equal(told(await waiting), '1 a:0');
    await groups.advance(9_999);
    t.match(await coordinator.describe('g'), { members: [{ memberId, idleMs: 9_999 }] });
    await groups.advance(1);
    t.match(await coordinator.describe('g'), { members: [] });
  },
);

t.test('what the process sleeps through is no silence', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { coordinator, log } = groups;
  const { memberId } = await join(groups, { sessionTimeoutMs: 10_000 });
  await groups.advance(9_000);
  log.clock.sleep(60_000);
  await groups.advance(0);
  t.equal((await coordinator.describe('g')).members.length, 1);
  await coordinator.heartbeat('g', memberId);
  await groups.advance(10_000);
  t.equal((await coordinator.describe('g')).members.length, 0, 'but its own silence counts from then on');
});

t.test('a clock that is set forward or back expires nobody', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { memberId } = await join(groups);
  const empty = await join(groups, {}, 'empty');
  await groups.coordinator.leave('empty', empty.memberId);
  for (const jumpMs of [365 * 86_400_000, -2 * 365 * 86_400_000]) {
    groups.log.clock.jump(jumpMs);
    await groups.advance(10_000);
    await groups.coordinator.heartbeat('g', memberId);
    t.equal((await groups.coordinator.describe('empty')).state, 'Empty');
  }
});

t.test('topics that come, grow, go and are made again', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { coordinator, engine, log } = groups;
  const { memberId } = await join(groups, { topics: ['a', 'b'] });
  const now = async () => told(await coordinator.heartbeat('g', memberId));
  await engine.createTopic('b', { partitions: 1 });
  await log.settle();
  t.equal(await now(), '2 a:0 b:0');
  await engine.alterTopic('a', { partitions: 2 });
  await log.settle();
  t.equal(await now(), '3 a:0,1 b:0');
  await engine.alterTopic('a', { config: { 'segment.ms': 5_000 } });
  await engine.createTopic('c');
  await log.settle();
  t.equal(await now(), '3 a:0,1 b:0', 'what is no matter of the group does not touch it');
  await engine.deleteTopic('a');
  await log.settle();
  t.equal(await now(), '4 b:0 -a:0,1');
  t.equal(await now(), '4 b:0');
  await engine.createTopic('a');
  await log.settle();
  t.equal(await now(), '5 a:0 b:0');
});

t.test('partitions of a topic that is made again begin anew', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { coordinator, engine, log } = groups;
  const { memberId, generation } = await join(groups);
  await log.append('a', [{ value: 'x' }, { value: 'y' }]);
  const offsets = [{ topic: 'a', partition: 0, offset: 2 }];
  await coordinator.commit('g', { memberId, generation, offsets });
  const { cursor } = await coordinator.poll('g', memberId);
  t.equal(cursor, null, 'all that was given is committed');
  await engine.deleteTopic('a');
  await engine.createTopic('a');
  await log.append('a', [{ value: 'p' }, { value: 'q' }, { value: 'r' }]);
  await log.settle();
  t.same((await coordinator.describe('g')).offsets, []);
  const late = { memberId, generation: 3, offsets };
  await t.rejects(coordinator.commit('g', late), { code: 'FENCED_MEMBER_EPOCH' }, 'it is of the old one');
  t.equal(told(await coordinator.poll('g', memberId)), '3  -a:0', 'which is to be given up first');
  t.same(given(await coordinator.poll('g', memberId)), ['a-0@0=p', 'a-0@1=q', 'a-0@2=r']);
  await groups.reopenAfterKill();
  t.match((await groups.coordinator.describe('g')).offsets, [{ committed: null }]);
});

t.test('the assignor that the first member asks for is the one of all', async (t) => {
  const groups = await openGroups({ a: 3 });
  const { coordinator } = groups;
  const { memberId } = await join(groups, { assignor: 'range' });
  await t.rejects(join(groups, { assignor: 'roundrobin' }), {
    code: 'INCONSISTENT_GROUP_PROTOCOL',
    details: { assignor: 'range' },
  });
  const second = await join(groups);
  await coordinator.heartbeat('g', memberId);
  t.equal(told(await coordinator.heartbeat('g', memberId)), '2 a:0,1');
  t.equal(told(await coordinator.heartbeat('g', second.memberId)), '2 a:2');
});

t.test('members that join at the same time get their partitions in one generation or two', async (t) => {
  const groups = await openGroups({ a: 100 });
  const rebalances: number[] = [];
  groups.observer.rebalanced = ({ generation }) => void rebalances.push(generation);
  const views = await Promise.all(Array.from({ length: 50 }, () => join(groups)));
  t.ok(rebalances.length <= 2, `${rebalances.length} generations`);
  t.equal(new Set(views.map(({ memberId }) => memberId)).size, 50);
});

t.test('who measures it hears of rebalances, commits, expiries and groups that go', async (t) => {
  const groups = await openGroups({ a: 4 });
  const heard: string[] = [];
  Object.assign(groups.observer, {
    rebalanced: (report: object) => void heard.push(JSON.stringify(report)),
    committed: (group: string, offsets: number) => void heard.push(`${group} committed ${offsets}`),
    memberExpired: (group: string) => void heard.push(`${group} lost one`),
    groupRemoved: (group: string) => void heard.push(`${group} is gone`),
  });
  const { coordinator } = groups;
  const first = await join(groups, { sessionTimeoutMs: 10_000 });
  const second = await join(groups);
  const offsets = [0, 1].map((partition) => ({ topic: 'a', partition, offset: 0 }));
  await coordinator.commit('g', { memberId: first.memberId, generation: 1, offsets });
  await groups.advance(10_000);
  await groups.engine.alterTopic('a', { partitions: 5 });
  await groups.log.settle();
  await coordinator.leave('g', second.memberId);
  await coordinator.delete('g');
  t.same(heard, [
    '{"groupId":"g","generation":1,"reason":"join","members":1,"moved":0}',
    '{"groupId":"g","generation":2,"reason":"join","members":2,"moved":2}',
    'g committed 2',
    '{"groupId":"g","generation":3,"reason":"expire","members":1,"moved":0}',
    'g lost one',
    '{"groupId":"g","generation":4,"reason":"topics","members":1,"moved":0}',
    '{"groupId":"g","generation":5,"reason":"leave","members":0,"moved":0}',
    'g is gone',
  ]);
  t.equal(shown((await join(groups)).assignment), 'a:0,1,2,3,4');
});

t.test('once it is closed it takes no calls', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { coordinator } = groups;
  const { memberId } = await join(groups);
  const waiting = coordinator.poll('g', memberId, { waitMs: 60_000 });
  const joining = join(groups);
  await coordinator.close();
  t.equal(told(await joining), '2', 'what was begun is answered');
  t.match(await waiting, { partitions: [] }, 'a poll that waits ends');
  const calls: (() => Promise<unknown>)[] = [
    () => join(groups),
    () => coordinator.heartbeat('g', memberId),
    () => coordinator.poll('g', memberId),
    () => coordinator.leave('g', memberId),
    () => coordinator.commit('g', { memberId, generation: 1, offsets: [] }),
    () => coordinator.reset('g', { to: 'earliest' }),
    () => coordinator.describe('g'),
    () => coordinator.delete('g'),
    async () => coordinator.list(),
  ];
  for (const call of calls) await t.rejects(call(), { code: 'NOT_READY' });
  await coordinator.close();
  t.equal(groups.log.clock.timers, 1, 'of its timers none is left: the engine has one');
});
