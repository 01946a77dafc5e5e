/** What is committed, by whom it is taken, and what becomes of it; resets, deletion, and offsets that expire. */
import t from 'tap';
import type { ResetRequest, ResetTarget } from '../../../src/engine/groups/types.ts';
import { openGroups } from '../../helpers/open-groups.ts';
import { join, type SimGroups, told } from '../../helpers/sim-groups.ts';

const place = (partition: number, offset: number, topic = 'a') => ({ topic, partition, offset });
const DAY_MS = 86_400_000;

/** "0:5 1:-", what is committed in the partitions of topic `a`; nothing for those that nobody owns and nothing is committed of. */
async function committed({ coordinator }: SimGroups, group = 'g'): Promise<string> {
  const { offsets } = await coordinator.describe(group);
  return offsets.map(({ partition, committed }) => `${partition}:${committed ?? '-'}`).join(' ');
}

t.test('a commit is of a generation that the member knows, and of what it owns', async (t) => {
  const groups = await openGroups({ a: 4 });
  const { coordinator, log } = groups;
  for (const partition of [0, 1, 2, 3])
    await log.append('a', [{ value: 'x' }, { value: 'y' }], { partition });
  const { memberId: first } = await join(groups);
  const { memberId: second } = await join(groups);
  const commit = (memberId: string, generation: number, partition: number, offset = 1) =>
    coordinator
      .commit('g', { memberId, generation, offsets: [place(partition, offset)] })
      .then(([change]) => `${change!.before} to ${change!.after}`)
      .catch(({ code }) => code);
  const fenced = 'FENCED_MEMBER_EPOCH';
  // Generation 2 wants 2 and 3 from the first one, which has not been told yet.
  t.equal(await commit(first, 1, 0), 'null to 1');
  t.equal(
    await commit(first, 1, 3),
    'null to 1',
    'what it is to give up is its own until it has confirmed that',
  );
  t.equal(await commit(second, 2, 3), fenced, 'and not yet who is to have it');
  t.equal(told(await coordinator.heartbeat('g', first)), '2 a:0,1 -a:2,3');
  t.equal(await commit(first, 1, 2), 'null to 1', 'told, and not confirmed');
  t.equal(await commit(first, 2, 3, 2), '1 to 2', 'in either generation');
  t.equal(told(await coordinator.heartbeat('g', first)), '2 a:0,1');
  t.equal(await commit(first, 1, 0, 2), fenced, 'confirmed: the older generation counts no more');
  t.equal(await commit(first, 2, 3), fenced, 'and what was given up is another one’s');
  t.equal(await commit(first, 2, 0, 2), '1 to 2');
  t.equal(await commit(second, 2, 3, 1), '2 to 1', 'who owns it may also go back');
  t.equal(await commit(second, 1, 3), fenced, 'it was not there in generation 1');
  t.equal(await commit(second, 3, 3), fenced, 'there is no generation 3');
  t.equal(await commit('nobody', 2, 3), fenced);
  await coordinator.leave('g', second);
  t.equal(await commit(second, 2, 3), fenced, 'who has left');
  t.equal(await commit(first, 2, 3), fenced, 'it came back with generation 3: a commit of 2 is from before');
  t.equal(await commit(first, 3, 3, 2), '1 to 2');
  await groups.reopenAfterKill();
  t.equal(await committed(groups), '0:2 1:- 2:1 3:2');
});

t.test('all offsets of a commit are stored, or none', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { coordinator, log } = groups;
  await log.append('a', 'x');
  const { memberId, generation } = await join(groups);
  const refused: [object[], string][] = [
    [[place(0, 1), place(0, 1)], 'INVALID_REQUEST'],
    [[place(0, 1), place(1, 1)], 'OFFSET_OUT_OF_RANGE'],
    [[place(0, 1), place(2, 0)], 'FENCED_MEMBER_EPOCH'],
    [[place(0, 1), place(0, 0, 'b')], 'FENCED_MEMBER_EPOCH'],
    [[place(0, 1), place(0, 0, '.')], 'INVALID_TOPIC_EXCEPTION'],
    [[place(0, -1)], 'INVALID_REQUEST'],
    [[place(0, 0.5)], 'INVALID_REQUEST'],
    [[place(-1, 0)], 'INVALID_REQUEST'],
    [[{ ...place(0, 1), metadata: 'm'.repeat(4097) }], 'INVALID_REQUEST'],
    [[{ ...place(0, 1), metadata: '\ud800' }], 'INVALID_REQUEST'],
  ];
  for (const [offsets, code] of refused) {
    const request = { memberId, generation, offsets: offsets as ReturnType<typeof place>[] };
    await t.rejects(coordinator.commit('g', request), { code }, JSON.stringify(offsets).slice(0, 100));
  }
  t.equal(await committed(groups), '0:- 1:-');
  t.same(await coordinator.commit('g', { memberId, generation, offsets: [] }), []);
  await coordinator.commit('g', {
    memberId,
    generation,
    offsets: [{ ...place(0, 1), metadata: 'm'.repeat(4096) }],
  });
  t.match((await coordinator.describe('g')).offsets[0], { committed: 1, metadata: /^m{4096}$/, lag: 0 });
});

t.test('an offset that retention has passed is committed all the same', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { coordinator, log } = groups;
  await log.append('a', [{ value: 'x' }, { value: 'y' }, { value: 'z' }]);
  const { memberId, generation } = await join(groups);
  await log.engine.deleteRecords('a', 0, 2);
  await coordinator.commit('g', { memberId, generation, offsets: [place(0, 1)] });
  t.match((await coordinator.describe('g')).offsets, [{ committed: 1, logStartOffset: 2, lag: 2 }]);
});

t.test('a commit that comes while the group changes is judged by what becomes of it', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { coordinator, log } = groups;
  const { memberId, generation } = await join(groups);
  const { memberId: second } = await join(groups);
  log.syncs.hold(/__consumer_offsets/);
  const leaving = coordinator.leave('g', memberId);
  await log.settle();
  const commit = coordinator.commit('g', { memberId, generation, offsets: [place(0, 0)] });
  const refused = t.rejects(commit, { code: 'FENCED_MEMBER_EPOCH' });
  await log.settle();
  t.equal((await coordinator.describe('g')).members.length, 2, 'nothing is told before it is durable');
  t.equal(told(await coordinator.heartbeat('g', second)), '2');
  log.syncs.release();
  await leaving;
  await refused;
});

t.test('a change waits for commits that are on their way', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { coordinator, log } = groups;
  const { memberId, generation } = await join(groups);
  log.syncs.hold(/__consumer_offsets/);
  const commit = coordinator.commit('g', { memberId, generation, offsets: [place(0, 0)] });
  await log.settle();
  const gone = Promise.all([coordinator.leave('g', memberId), coordinator.delete('g')]);
  await log.settle();
  log.syncs.release();
  await commit;
  await gone;
  await t.rejects(
    coordinator.describe('g'),
    { code: 'GROUP_ID_NOT_FOUND' },
    'it was deleted with the commit',
  );
  await groups.reopenAfterKill();
  t.same(groups.coordinator.list(), []);
});

t.test('many commits at a time go to the log together', async (t) => {
  const groups = await openGroups({ a: 50 });
  const { coordinator, log } = groups;
  const { memberId, generation } = await join(groups);
  let batches = 0;
  log.observer.appended = (topic) => {
    if (topic === '__consumer_offsets') batches++;
  };
  await Promise.all(
    Array.from({ length: 50 }, (_, partition) =>
      coordinator.commit('g', { memberId, generation, offsets: [place(partition, 0)] }),
    ),
  );
  t.ok(batches <= 2, `${batches} batches`);
});

/** A group without members that has committed 2 in partition 0; 0 to 4 are stored there, an hour apart; partition 1 is empty. */
async function idleGroup(): Promise<SimGroups> {
  const groups = await openGroups({ a: 2 }, { 'housekeeping.interval.ms': 3_600_000 });
  const { coordinator, log } = groups;
  for (let i = 0; i < 5; i++) {
    await log.append('a', [{ value: `${i}`, timestamp: log.clock.now() }]);
    await groups.advance(3_600_000);
  }
  const { memberId, generation } = await join(groups);
  await coordinator.commit('g', { memberId, generation, offsets: [place(0, 2)] });
  await coordinator.leave('g', memberId);
  return groups;
}

t.test('a group without members is reset to where one likes', async (t) => {
  const now = Date.UTC(2026, 0, 1);
  const hour = 3_600_000;
  const targets: [ResetTarget, number][] = [
    ['earliest', 0],
    ['latest', 5],
    [{ offset: 3 }, 3],
    [{ offset: 99 }, 5],
    [{ shift: 1 }, 3],
    [{ shift: -1 }, 1],
    [{ shift: -100 }, 0],
    [{ shift: 100 }, 5],
    [{ timestamp: now + 3 * hour }, 3],
    [{ timestamp: now + 3 * hour + 1 }, 4],
    [{ timestamp: now + 99 * hour }, 5],
    [{ durationMs: 2 * hour }, 3],
    [{ durationMs: 99 * hour }, 0],
  ];
  for (const [to, after] of targets) {
    const groups = await idleGroup();
    const expected = [{ topic: 'a', partition: 0, before: 2, after }];
    t.same(await groups.coordinator.reset('g', { to, dryRun: true }), expected, JSON.stringify(to));
    t.equal(await committed(groups), '0:2', 'nothing was done');
    t.same(await groups.coordinator.reset('g', { to }), expected);
    await groups.reopenAfterKill();
    t.equal(await committed(groups), `0:${after}`);
  }
});

t.test('a reset is of what it names: partitions, topics, offsets', async (t) => {
  const groups = await idleGroup();
  const { coordinator } = groups;
  const reset = async (request: ResetRequest, group = 'g') => {
    const changes = await coordinator.reset(group, request);
    return changes
      .map(({ topic, partition, before, after }) => `${topic}${partition} ${before}-${after}`)
      .join(' ');
  };
  t.equal(await reset({ to: 'latest', topics: ['a'] }), 'a0 2-5 a1 null-0');
  t.equal(await reset({ to: 'earliest', partitions: [{ topic: 'a', partitions: [0] }] }), 'a0 5-0');
  t.equal(await reset({ offsets: [place(0, 4), { ...place(1, 0), metadata: 'm' }] }), 'a0 0-4 a1 0-0');
  t.equal(await reset({ to: { shift: 1 } }), 'a0 4-5 a1 0-0');
  t.equal(
    await reset({ to: { offset: 2 }, topics: ['a'] }, 'new'),
    'a0 null-2 a1 null-0',
    'it need not have existed',
  );
  t.equal(await committed(groups, 'new'), '0:2 1:0');
  t.equal(await reset({ to: 'earliest', topics: [] }), '');

  const refused: [object, string][] = [
    [{}, 'INVALID_REQUEST'],
    [{ to: 'latest', offsets: [] }, 'INVALID_REQUEST'],
    [{ offsets: [], topics: ['a'] }, 'INVALID_REQUEST'],
    [{ to: 'somewhere' }, 'INVALID_REQUEST'],
    [{ to: null }, 'INVALID_REQUEST'],
    [{ to: { offset: -1 } }, 'INVALID_REQUEST'],
    [{ to: { offset: 1, shift: 1 } }, 'INVALID_REQUEST'],
    [{ to: { shift: 0.5 } }, 'INVALID_REQUEST'],
    [{ to: { other: 1 } }, 'INVALID_REQUEST'],
    [{ to: 'latest', topics: 'a' }, 'INVALID_REQUEST'],
    [{ to: 'latest', topics: ['..'] }, 'INVALID_TOPIC_EXCEPTION'],
    [{ to: 'latest', topics: ['a'], partitions: [{ topic: 'a', partitions: [0] }] }, 'INVALID_REQUEST'],
    [{ to: 'latest', partitions: [{ topic: 'a', partitions: [0, 0] }] }, 'INVALID_REQUEST'],
    [{ to: 'latest', topics: ['b'] }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    [{ to: 'latest', partitions: [{ topic: 'a', partitions: [2] }] }, 'UNKNOWN_TOPIC_OR_PARTITION'],
    [{ offsets: [place(0, 6)] }, 'OFFSET_OUT_OF_RANGE'],
    [{ offsets: [place(2, 0)] }, 'UNKNOWN_TOPIC_OR_PARTITION'],
  ];
  for (const [request, code] of refused)
    await t.rejects(coordinator.reset('g', request as ResetRequest), { code }, JSON.stringify(request));
  await t.rejects(coordinator.reset('nobody', { to: 'latest' }), { code: 'GROUP_ID_NOT_FOUND' });
  t.same(
    coordinator.list().map(({ groupId }) => groupId),
    ['g', 'new'],
    'what was refused left nothing',
  );

  await join(groups);
  await t.rejects(coordinator.reset('g', { to: 'earliest' }), { code: 'NON_EMPTY_GROUP' });
  await t.rejects(coordinator.reset('g', { to: 'earliest', dryRun: true }), { code: 'NON_EMPTY_GROUP' });
});

t.test('who joins after a reset reads from there', async (t) => {
  const groups = await idleGroup();
  await groups.coordinator.reset('g', { to: { offset: 4 } });
  const { memberId } = await join(groups);
  const { partitions } = await groups.coordinator.poll('g', memberId);
  t.match(partitions, [{ partition: 0, offset: 4, endOffset: 5 }]);
});

t.test('a group is deleted with all that it has committed, when it has no members', async (t) => {
  const groups = await idleGroup();
  const { coordinator } = groups;
  const { memberId } = await join(groups);
  await t.rejects(coordinator.delete('g'), { code: 'NON_EMPTY_GROUP' });
  await coordinator.leave('g', memberId);
  await coordinator.delete('g');
  t.same(coordinator.list(), []);
  await t.rejects(coordinator.delete('g'), { code: 'GROUP_ID_NOT_FOUND' });
  await t.rejects(coordinator.describe('g'), { code: 'GROUP_ID_NOT_FOUND' });
  await groups.reopenAfterKill();
  t.same(groups.coordinator.list(), []);
  t.match(await join(groups), { generation: 5 }, 'no generation comes twice');
  t.equal(await committed(groups), '0:- 1:-');
});

t.test('offsets expire when there have been no members for offsets.retention.ms', async (t) => {
  const groups = await idleGroup();
  const { coordinator, log } = groups;
  const emptied = log.clock.now();
  t.equal((await coordinator.describe('g')).expiresAt, emptied + 7 * DAY_MS);
  await groups.advance(7 * DAY_MS - 1);
  t.equal(await committed(groups), '0:2');
  await groups.advance(1);
  t.same(coordinator.list(), []);
  await groups.reopenAfterKill();
  t.same(groups.coordinator.list(), []);
});

t.test('a member or a reset keeps offsets for as long again; a restart does not', async (t) => {
  const groups = await idleGroup();
  await groups.advance(6 * DAY_MS);
  const { memberId } = await join(groups);
  t.equal((await groups.coordinator.describe('g')).expiresAt, null);
  await groups.coordinator.leave('g', memberId);
  await groups.advance(6 * DAY_MS);
  await groups.coordinator.reset('g', { to: { offset: 3 } });
  await groups.advance(6 * DAY_MS);
  await groups.reopen();
  t.equal(await committed(groups), '0:3');
  await groups.advance(DAY_MS - 1);
  t.equal(await committed(groups), '0:3');
  await groups.advance(1);
  t.same(groups.coordinator.list(), []);
});

t.test('what expired while nothing ran goes at the start', async (t) => {
  const groups = await idleGroup();
  await groups.coordinator.close();
  await groups.engine.close();
  groups.log.clock.jump(8 * DAY_MS);
  await groups.reopen();
  await groups.advance(1);
  t.same(groups.coordinator.list(), []);
});

t.test('the deletion of a topic takes its offsets along', async (t) => {
  const groups = await idleGroup();
  await groups.engine.deleteTopic('a');
  await groups.log.settle();
  t.same((await groups.coordinator.describe('g')).offsets, []);
  const keys = (await groups.log.records('__consumer_offsets')).map(
    ({ key, value }) => `${key} ${value === null}`,
  );
  t.ok(keys.includes('["offset","g","a",0] true'), 'also in the log');
});

t.test('an offset of a topic that was deleted counts no more, also before it is taken out', async (t) => {
  const groups = await idleGroup();
  const { coordinator, engine, log } = groups;
  log.syncs.hold(/__consumer_offsets/);
  await engine.deleteTopic('a');
  await engine.createTopic('a', { partitions: 2 });
  t.same((await coordinator.describe('g')).offsets, []);
  t.same(coordinator.lags(), []);
  await groups.reopenAfterCrash('only what was synced', 1);
  t.same((await groups.coordinator.describe('g')).offsets, []);
  await groups.log.settle();
  t.match(await groups.coordinator.reset('g', { to: 'earliest', topics: ['a'] }), [
    { before: null },
    { before: null },
  ]);
});

t.test('how far groups are behind, by topic', async (t) => {
  const groups = await openGroups({ a: 2, b: 1 });
  const { coordinator, log } = groups;
  for (const partition of [0, 1]) await log.append('a', [{ value: 'x' }, { value: 'y' }], { partition });
  await log.append('b', 'x');
  await coordinator.reset('g', { offsets: [place(0, 0), place(1, 1), place(0, 1, 'b')] });
  await coordinator.reset('h', { offsets: [place(0, 2)] });
  t.same(coordinator.lags(), [
    { groupId: 'g', topic: 'a', sum: 3, max: 2 },
    { groupId: 'g', topic: 'b', sum: 0, max: 0 },
    { groupId: 'h', topic: 'a', sum: 0, max: 0 },
  ]);
});
