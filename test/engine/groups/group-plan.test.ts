/**
 * What becomes of a group, by tables: each row begins where the one before it ended. A group is written as its generation and
 * what each member has: "a0" its own, "a0?" pending, "-a0" to be given up.
 */
import t from 'tap';
import { CommittedOffsets } from '../../../src/engine/groups/committed-offsets.ts';
import {
  type GroupIntent,
  type GroupPlan,
  type GroupSituation,
  planChange,
} from '../../../src/engine/groups/group-plan.ts';
import {
  countMoved,
  emptyGroup,
  type GroupContent,
  type GroupMember,
  ownedSince,
} from '../../../src/engine/groups/group-state.ts';

const TOPICS = new Map([
  ['a', { id: 'a'.repeat(32), partitions: 2 }],
  ['b', { id: 'b'.repeat(32), partitions: 2 }],
]);

function member(id: string, topics = ['a']): GroupMember {
  return {
    id,
    clientId: '',
    topics,
    sessionTimeoutMs: 1_000,
    autoOffsetReset: 'earliest',
    target: new Map(),
    revoking: new Map(),
  };
}

const join = (id: string, topics?: string[]): GroupIntent => ({
  kind: 'join',
  member: member(id, topics),
  assignor: undefined,
});
const leave = (memberId: string): GroupIntent => ({ kind: 'leave', memberId });
const expire = (memberId: string): GroupIntent => ({ kind: 'expire', memberId });
const confirm = (memberId: string, generation: number): GroupIntent => ({
  kind: 'confirm',
  memberId,
  generation,
});

function plan(
  content: GroupContent,
  intents: readonly GroupIntent[],
  more: Partial<GroupSituation> = {},
): GroupPlan {
  return planChange(
    {
      id: 'g',
      content,
      offsets: new CommittedOffsets(),
      lookup: (name) => TOPICS.get(name),
      now: 5_000,
      maxSize: 3,
      maxMembers: 100,
      totalMembers: content.members.size,
      isSilent: (id) => id.startsWith('silent'),
      isPastRetention: false,
      ...more,
    },
    intents,
  );
}

function written({ generation, members }: GroupContent): string {
  const shares = [...members.values()].map(({ id, target, revoking }) => {
    const own = [...target].flatMap(([topic, partitions]) =>
      [...partitions].map(([partition, since]) => `${topic}${partition}${since === 0 ? '?' : ''}`),
    );
    const lost = [...revoking].flatMap(([topic, partitions]) =>
      [...partitions.keys()].map((partition) => `-${topic}${partition}`),
    );
    return `${id}(${[...own.sort(), ...lost].join(' ')})`;
  });
  return [generation, ...shares].join(' ');
}

/** Intents that come together, and what the group is afterwards. */
type Row = [string, GroupIntent[], string];

const STORIES: Record<string, Row[]> = {
  'a second member, step by step': [
    ['the first one gets all', [join('x')], '1 x(a0 a1)'],
    ['the second one waits for what the first one is to give up', [join('y')], '2 x(a0 -a1) y(a1?)'],
    ['an older generation confirms nothing', [confirm('x', 1)], '2 x(a0 -a1) y(a1?)'],
    ['who has nothing to give up confirms nothing', [confirm('y', 2)], '2 x(a0 -a1) y(a1?)'],
    ['what is confirmed goes over in the same generation', [confirm('x', 2)], '2 x(a0) y(a1)'],
    ['a second time changes nothing', [confirm('x', 2)], '2 x(a0) y(a1)'],
    ['who leaves gives back at once', [leave('x')], '3 y(a0 a1)'],
    ['the last one leaves', [leave('y')], '4'],
    ['generations go on', [join('z')], '5 z(a0 a1)'],
  ],
  'changes while something is to be given up': [
    ['', [join('x')], '1 x(a0 a1)'],
    ['', [join('y')], '2 x(a0 -a1) y(a1?)'],
    ['who waits for it leaves: it stays where it was', [leave('y')], '3 x(a0 a1)'],
    ['', [join('y')], '4 x(a0 -a1) y(a1?)'],
    ['a third one comes, and there is nothing for it', [join('z')], '5 x(a0 -a1) y(a1?) z()'],
    [
      'what was asked for in 4 is confirmed by 4, although 5 is there',
      [confirm('x', 4)],
      '5 x(a0) y(a1) z()',
    ],
  ],
  'who is to give up is taken out': [
    ['', [join('silent')], '1 silent(a0 a1)'],
    ['', [join('y')], '2 silent(a0 -a1) y(a1?)'],
    ['all is free at once', [expire('silent')], '3 y(a0 a1)'],
    ['who is heard of stays', [expire('y')], '3 y(a0 a1)'],
    ['who is not there cannot go', [leave('silent'), expire('silent')], '3 y(a0 a1)'],
  ],
  'several at a time': [
    ['members that join together get one generation', [join('x'), join('y')], '1 x(a0) y(a1)'],
    ['one comes as another goes', [leave('x'), join('z')], '2 y(a1) z(a0)'],
    ['a confirmation and a join', [join('x')], '3 y(a1) z(a0) x()'],
    ['all of them leave', [leave('x'), leave('y'), leave('z')], '4'],
    ['a member that comes and goes with others', [join('x'), join('y')], '5 x(a0) y(a1)'],
  ],
  'topics of their own': [
    ['', [join('x', ['a'])], '1 x(a0 a1)'],
    ['', [join('y', ['b'])], '2 x(a0 a1) y(b0 b1)'],
    ['one topic does not exist', [join('z', ['a', 'nowhere'])], '3 x(a0 -a1) y(b0 b1) z(a1?)'],
  ],
};

t.test('the stories', async (t) => {
  for (const [story, rows] of Object.entries(STORIES)) {
    let content = emptyGroup(0, 0);
    for (const [what, intents, expected] of rows) {
      const { content: next, changed } = plan(content, intents);
      t.equal(written(next), expected, `${story}: ${what}`);
      t.equal(changed, next !== content, 'the log hears of what has changed');
      content = next;
    }
  }
});

t.test('a partition is owned from the generation on in which it came', async (t) => {
  let { content } = plan(emptyGroup(0, 0), [join('x')]);
  ({ content } = plan(content, [join('y')]));
  const since = (id: string, partition: number) => ownedSince(content.members.get(id)!, 'a', partition);
  t.same([since('x', 0), since('x', 1), since('y', 1)], [1, 1, undefined], 'to be given up is still its own');
  ({ content } = plan(content, [join('z')]));
  ({ content } = plan(content, [confirm('x', 2)]));
  t.same([since('x', 0), since('x', 1), since('y', 1)], [1, undefined, 3]);
});

t.test('a confirmation frees what was asked for until then, and nothing newer', async (t) => {
  const lookup = () => ({ id: 'a'.repeat(32), partitions: 6 });
  let { content } = plan(emptyGroup(0, 0), [join('x')], { lookup });
  ({ content } = plan(content, [join('y')], { lookup }));
  t.equal(written(content), '2 x(a0 a1 a2 -a3 -a4 -a5) y(a3? a4? a5?)');
  ({ content } = plan(content, [join('z')], { lookup }));
  t.equal(written(content), '3 x(a0 a1 -a2 -a3 -a4 -a5) y(a2? a3?) z(a4? a5?)');
  ({ content } = plan(content, [confirm('x', 2)], { lookup }));
  t.equal(written(content), '3 x(a0 a1 -a2) y(a2? a3) z(a4 a5)');
  ({ content } = plan(content, [confirm('x', 3)], { lookup }));
  t.equal(written(content), '3 x(a0 a1) y(a2 a3) z(a4 a5)');
});

t.test('what comes back before it was given up is as if it had been', async (t) => {
  let { content } = plan(emptyGroup(0, 0), [join('x')]);
  ({ content } = plan(content, [join('y')]));
  ({ content } = plan(content, [leave('y')]));
  t.equal(written(content), '3 x(a0 a1)');
  const x = content.members.get('x')!;
  t.same([ownedSince(x, 'a', 0), ownedSince(x, 'a', 1)], [1, 3]);
});

t.test('who is not touched by a change stays the same', async (t) => {
  const { content: before } = plan(emptyGroup(0, 0), [join('x', ['a']), join('y', ['b'])]);
  const { content: after } = plan(before, [join('z', ['a'])]);
  t.equal(after.members.get('y'), before.members.get('y'));
  t.not(after.members.get('x'), before.members.get('x'));
  t.equal(countMoved(before, after), 1);
  const { content: later } = plan(after, [leave('y')]);
  t.equal(countMoved(after, later), 0, 'what was on its way already does not move again');
});

t.test('topics that come, grow, go, and are made again', async (t) => {
  const topics = new Map(TOPICS);
  const lookup = (name: string) => topics.get(name);
  const change = (content: GroupContent) => plan(content, [{ kind: 'topics' }], { lookup }).content;
  let { content } = plan(emptyGroup(0, 0), [join('x', ['a', 'c'])], { lookup });
  t.equal(change(content), content, 'nothing has changed');
  topics.set('other', { id: 'o'.repeat(32), partitions: 1 });
  t.equal(change(content), content, 'nobody is subscribed to it');
  topics.set('c', { id: 'c'.repeat(32), partitions: 1 });
  content = change(content);
  t.equal(written(content), '2 x(a0 a1 c0)');
  topics.set('a', { ...topics.get('a')!, partitions: 3 });
  content = change(content);
  t.equal(written(content), '3 x(a0 a1 a2 c0)');
  t.equal(ownedSince(content.members.get('x')!, 'a', 0), 1);
  topics.set('a', { id: 'd'.repeat(32), partitions: 1 });
  content = change(content);
  t.equal(
    written(content),
    '4 x(a0? c0 -a0 -a1 -a2)',
    'the new one comes when the old one has been given up',
  );
  t.equal(ownedSince(content.members.get('x')!, 'a', 0), undefined);
  topics.set('a', { id: 'e'.repeat(32), partitions: 2 });
  content = change(content);
  t.equal(written(content), '5 x(a0? a1? c0 -a0 -a1 -a2)');
  ({ content } = plan(content, [confirm('x', 4)], { lookup }));
  t.equal(written(content), '5 x(a0 a1 c0)');
  t.equal(ownedSince(content.members.get('x')!, 'a', 0), 5, 'it is another partition');
  topics.delete('a');
  topics.delete('c');
  content = change(content);
  t.equal(written(content), '6 x(-a0 -a1 -c0)');
  t.equal(countMoved(emptyGroup(0, 0), content), 0);
  t.equal(change(content), content);
});

t.test('what a topic that is gone had committed goes with it', async (t) => {
  const offsets = new CommittedOffsets();
  const committed = { offset: 1, metadata: null, committedAt: 0 };
  offsets.set('a', 0, { ...committed, topicId: 'a'.repeat(32) });
  offsets.set('a', 1, { ...committed, topicId: 'an older one' });
  offsets.set('gone', 7, { ...committed, topicId: 'g'.repeat(32) });
  t.same(plan(emptyGroup(3, 0), [{ kind: 'topics' }], { offsets }).offsets, [
    { topic: 'a', partition: 1, committed: null },
    { topic: 'gone', partition: 7, committed: null },
  ]);
});

t.test('resets and deletions need a group without members', async (t) => {
  const offset = {
    topic: 'a',
    partition: 0,
    committed: { offset: 1, metadata: null, topicId: 'x', committedAt: 0 },
  };
  const reset: GroupIntent = { kind: 'reset', offsets: [offset] };
  const remove: GroupIntent = { kind: 'delete' };
  const { content } = plan(emptyGroup(0, 0), [join('x')]);
  for (const intent of [reset, remove]) {
    const refused = plan(content, [intent]);
    t.match(refused.refusals.get(intent), { code: 'NON_EMPTY_GROUP' });
    t.match(refused, { changed: false, deleted: false, offsets: [] });
    t.match(plan(emptyGroup(2, 0), [intent]).refusals.size, 0);
    t.match(plan(content, [leave('x'), intent]).refusals.size, 0, 'the last one leaves before');
    t.match(plan(emptyGroup(2, 0), [join('x'), intent]).refusals.get(intent), { code: 'NON_EMPTY_GROUP' });
  }
  t.match(plan(emptyGroup(2, 0), [reset]), { changed: true, deleted: false, offsets: [offset] });
  t.match(plan(emptyGroup(2, 0), [remove]), { changed: true, deleted: true });
  t.match(plan(emptyGroup(2, 0), [remove, join('y')]), { deleted: false, content: { generation: 3 } });
  t.match(plan(emptyGroup(2, 0), [remove, reset]), { deleted: false, offsets: [offset] });
  t.match(plan(emptyGroup(2, 0), [reset, remove]), { deleted: true, offsets: [] });
});

t.test('a group that nobody has been in for long goes', async (t) => {
  const intents: GroupIntent[] = [{ kind: 'retention' }];
  const offsets = new CommittedOffsets();
  offsets.set('a', 0, { offset: 1, metadata: null, topicId: 'x', committedAt: 0 });
  t.match(plan(emptyGroup(2, 0), intents, { offsets }), { deleted: false, changed: false, offsets: [] });
  t.match(plan(emptyGroup(2, 0), intents, { offsets, isPastRetention: true }), {
    deleted: true,
    offsets: [{ topic: 'a', partition: 0, committed: null }],
  });
  const { content } = plan(emptyGroup(0, 0), [join('x')]);
  t.match(plan(content, intents, { isPastRetention: true }), { deleted: false, changed: false });
});

t.test('a group has one assignor, and takes so many members', async (t) => {
  const ranged: GroupIntent = { kind: 'join', member: member('r'), assignor: 'range' };
  const sticky: GroupIntent = { kind: 'join', member: member('s'), assignor: 'cooperative-sticky' };
  const both = plan(emptyGroup(0, 0), [ranged, sticky, join('x')]);
  t.match(both.refusals.get(sticky), { code: 'INCONSISTENT_GROUP_PROTOCOL', details: { assignor: 'range' } });
  t.equal(written(both.content), '1 r(a0) x(a1)');
  t.equal(both.content.assignor, 'range');
  const other = plan(both.content, [leave('r'), leave('x'), sticky]);
  t.equal(other.content.assignor, 'cooperative-sticky', 'the first one in an empty group says which');
  t.equal(plan(emptyGroup(0, 0), [join('x')]).content.assignor, 'cooperative-sticky');

  const fourth = join('w');
  const full = plan(emptyGroup(0, 0), [join('x'), join('y'), join('z'), fourth]);
  t.match(full.refusals.get(fourth), { code: 'GROUP_MAX_SIZE_REACHED' });
  t.match(plan(full.content, [leave('x'), fourth]).refusals.size, 0);
  const refused = plan(emptyGroup(0, 0), [fourth], { maxMembers: 10, totalMembers: 10 });
  t.match(refused.refusals.get(fourth), { code: 'THROTTLED', details: { setting: 'group.max.members' } });
  t.equal(refused.changed, false);
});
