/** Members that come, read, commit, fall silent and go, over a simulated disk and clock: each row of the protocol. */
import t from 'tap';
import type { MemberView } from '../../../src/engine/groups/types.ts';
import { given, SimGroups, shown, told } from '../../helpers/sim-groups.ts';

async function joined(groups: SimGroups, group = 'g', topics = ['a'], more = {}): Promise<MemberView> {
  return groups.coordinator.join(group, { topics, ...more });
}

t.test('a member joins, reads, commits and leaves; the next one goes on from there', async (t) => {
  const groups = await SimGroups.open({ a: 2 });
  const { log, coordinator } = groups;
  await log.append('a', [{ value: 'x' }, { value: 'y' }]);
  const first = await joined(groups);
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
  const second = await joined(groups);
  t.equal(told(second), '3 a:0,1');
  const waiting = coordinator.poll('g', second.memberId, { waitMs: 1_000 });
  await log.settle();
  await log.append('a', 'z');
  t.same(given(await waiting), ['a-0@2=z']);
});

t.test('a member that comes takes over what another one gives up, once that has confirmed it', async (t) => {
  const groups = await SimGroups.open({ a: 4 });
  const { coordinator } = groups;
  const first = await joined(groups);
  const second = await joined(groups);
  t.equal(told(first), '1 a:0,1,2,3');
  t.equal(told(second), '2', 'nothing is free yet');
  const view = await coordinator.heartbeat('g', first.memberId);
  t.match(told(view), /^2 a:\d,\d -a:\d,\d$/);
  t.equal(told(await coordinator.heartbeat('g', second.memberId)), '2', 'it was told, and has not confirmed');
  t.match(await coordinator.describe('g'), { state: 'Reconciling' });
  const confirmed = await coordinator.heartbeat('g', first.memberId);
  t.equal(told(confirmed), `2 ${shown(view.assignment)}`);
  const taken = await coordinator.heartbeat('g', second.memberId);
  t.equal(told(taken), `2 ${shown(view.revoking)}`);
  t.match(await coordinator.describe('g'), { state: 'Stable' });
});

t.test('all is there again after a restart, in good order or not', async (t) => {
  for (const restart of ['reopen', 'reopenAfterKill'] as const) {
    const groups = await SimGroups.open({ a: 4 });
    const first = await joined(groups, 'g', ['a'], { clientId: 'one', sessionTimeoutMs: 10_000 });
    const second = await joined(groups);
    await groups.coordinator.heartbeat('g', first.memberId);
    await groups.log.append('a', 'x', { partition: 3 });
    const owner = first.assignment.length > 0 ? first.memberId : second.memberId;
    const offsets = [{ topic: 'a', partition: 3, offset: 1, metadata: 'm' }];
    await groups.coordinator.commit('g', { memberId: owner, generation: 1, offsets });
    const before = await groups.coordinator.describe('g');
    await groups[restart]();
    const after = await groups.coordinator.describe('g');
    t.same(
      after,
      {
        ...before,
        members: before.members.map((member, at) => ({ ...member, ...(at === 0 ? { generation: 0 } : {}) })),
      },
      restart,
    );
    const view = await groups.coordinator.heartbeat('g', first.memberId);
    t.match(told(view), /^2 a:\d,\d -a:\d,\d$/, 'what was to be given up is so still');
    await groups.coordinator.heartbeat('g', first.memberId);
    t.equal(told(await groups.coordinator.heartbeat('g', second.memberId)), `2 ${shown(view.revoking)}`);
  }
});
