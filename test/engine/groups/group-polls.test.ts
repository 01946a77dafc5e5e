/** Polls: where they begin, what they wait for, how they share what there is, and how they go on without a commit. */
import t from 'tap';
import type { PollAnswer, PollOptions } from '../../../src/engine/groups/types.ts';
import { openGroups } from '../../helpers/open-groups.ts';
import { given, join, type SimGroups, told } from '../../helpers/sim-groups.ts';

const HOUR_MS = 3_600_000;
const values = (...texts: string[]) => texts.map((value) => ({ value }));

/** Commits all that was given. */
async function commit({ coordinator }: SimGroups, { memberId, generation, positions }: PollAnswer) {
  await coordinator.commit('g', { memberId, generation, offsets: positions });
}

t.test('a poll that waits ends with the first record, in whichever partition', async (t) => {
  const groups = await openGroups({ a: 2, b: 1 });
  const { coordinator, log } = groups;
  const { memberId } = await join(groups, { topics: ['a', 'b'] });
  for (const [topic, partition] of [
    ['a', 0],
    ['a', 1],
    ['b', 0],
  ] as const) {
    const waiting = coordinator.poll('g', memberId, { waitMs: 60_000 });
    await groups.advance(1_000);
    await log.append(topic, 'x', { partition });
    const answer = await waiting;
    t.same(given(answer), [`${topic}-${partition}@0=x`]);
    await commit(groups, answer);
  }
});

t.test('a poll that waits ends when time is up, when it is given up, and by a newer one', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { coordinator, log } = groups;
  const { memberId } = await join(groups);
  const before = log.clock.timers;
  const until = async (options: PollOptions, end: () => unknown) => {
    let over = false;
    const waiting = coordinator.poll('g', memberId, options).finally(() => {
      over = true;
    });
    await log.settle();
    t.notOk(over);
    await end();
    const answer = await waiting;
    t.match(answer, { memberId, generation: 1, partitions: [], positions: [], cursor: null, errors: [] });
  };
  await until({ waitMs: 5_000 }, () => groups.advance(5_000));
  const controller = new AbortController();
  await until({ waitMs: 5_000, signal: controller.signal }, () => controller.abort());
  await until({ waitMs: 5_000 }, () => coordinator.poll('g', memberId));
  t.match(await coordinator.poll('g', memberId, { waitMs: 5_000, signal: controller.signal }), {
    partitions: [],
  });
  t.equal(log.clock.timers, before, 'no timer is left');
});

t.test('a poll that waits ends when there is something else to read, and only then', async (t) => {
  const groups = await openGroups({ a: 2, b: 1 });
  const { coordinator, log } = groups;
  const first = await join(groups);
  const waiting = coordinator.poll('g', first.memberId, { waitMs: 60_000 });
  const second = await join(groups);
  t.equal(told(await waiting), '2 a:0 -a:1');
  const taking = coordinator.poll('g', second.memberId, { waitMs: 60_000 });
  await log.settle();
  const kept = coordinator.poll('g', first.memberId, { waitMs: 60_000 });
  t.equal(told(await taking), '2 a:1', 'the other one’s poll has confirmed it');
  const third = await join(groups, { topics: ['b'] });
  t.equal(told(third), '3 b:0');
  await log.append('a', 'x');
  const x = await kept;
  t.same(given(x), ['a-0@0=x'], 'a change that is none for the member has not ended its poll');
  await commit(groups, x);
  const last = coordinator.poll('g', first.memberId, { waitMs: 60_000 });
  const over = t.rejects(last, { code: 'UNKNOWN_MEMBER_ID' });
  await coordinator.leave('g', first.memberId);
  await over;
});

t.test('each topic is read on at what the group has committed, or from the beginning', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { coordinator, log } = groups;
  await log.append('a', values('0', '1', '2', '3'));
  const { memberId, generation } = await join(groups);
  t.same(given(await coordinator.poll('g', memberId)).length, 4);
  t.same(given(await coordinator.poll('g', memberId)).length, 4, 'nothing was committed');
  await coordinator.commit('g', { memberId, generation, offsets: [{ topic: 'a', partition: 0, offset: 3 }] });
  t.same(given(await coordinator.poll('g', memberId)), ['a-0@3=3'], 'from the middle of a batch');
  await coordinator.commit('g', { memberId, generation, offsets: [{ topic: 'a', partition: 0, offset: 1 }] });
  await log.engine.deleteRecords('a', 0, 2);
  t.same(given(await coordinator.poll('g', memberId)), ['a-0@2=2', 'a-0@3=3'], 'what is gone is passed over');
});

t.test('a topic that is deleted while it is read keeps nothing of the others back', async (t) => {
  const groups = await openGroups({ a: 1, b: 1 });
  const { coordinator, engine, log } = groups;
  const { memberId } = await join(groups, { topics: ['a', 'b'] });
  for (const topic of ['a', 'b']) await log.append(topic, 'x');
  const read = engine.read.bind(engine);
  engine.read = async (topic, ...rest) => {
    const result = await read(topic, ...rest);
    if (topic === 'b') await engine.deleteTopic('a');
    return result;
  };
  // The group hears of it once that is durable.
  log.syncs.hold();
  const answer = await coordinator.poll('g', memberId);
  log.syncs.release();
  t.ok(given(answer).includes('b-0@0=x'));
  t.same(answer.positions, [{ topic: 'b', partition: 0, offset: 1 }]);
  engine.read = read;
  await log.settle();
  t.equal(told(await coordinator.heartbeat('g', memberId)), '2 b:0 -a:0');
});

t.test('what a poll fails with is in words of a poll', async (t) => {
  const groups = await openGroups({ a: 1 }, { 'log.dir.reserve.bytes': 0 });
  const { coordinator, log } = groups;
  const { memberId } = await join(groups);
  await t.rejects(coordinator.poll('g', memberId, { generation: 99 }), {
    code: 'FENCED_MEMBER_EPOCH',
    message: /^group "g": there is no generation 99 yet$/,
  });
  await log.append('a', values('0', '1', '2'));
  await coordinator.reset('h', { offsets: [{ topic: 'a', partition: 0, offset: 1 }] });
  const late = await join(groups, { autoOffsetReset: 'latest' }, 'h');
  // What is committed is gone: where to go on is chosen, and committed.
  await log.engine.deleteRecords('a', 0, 2);
  const heal = log.disk.failAt({
    kind: 'write',
    path: /__consumer_offsets|journal/,
    forever: true,
    fault: { error: 'ENOSPC' },
  });
  await t.rejects(coordinator.poll('h', late.memberId), {
    code: 'STORAGE_FULL',
    message:
      /^group "h": where it begins could not be committed, so nothing was read: the disk is full.*some$/,
  });
  heal();
});

t.test('a cursor reads on without a commit', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { coordinator, log } = groups;
  const { memberId, generation } = await join(groups);
  await log.append('a', values('0', '1'));
  const first = await coordinator.poll('g', memberId, { maxRecords: 1 });
  t.same(given(first), ['a-0@0=0']);
  const second = await coordinator.poll('g', memberId, { cursor: first.cursor! });
  t.same(given(second), ['a-0@1=1']);
  const waiting = coordinator.poll('g', memberId, { cursor: second.cursor!, waitMs: 60_000 });
  await log.settle();
  await log.append('a', '2', { partition: 1 });
  const third = await waiting;
  t.same(given(third), ['a-1@0=2']);
  t.same(third.positions, [{ topic: 'a', partition: 1, offset: 1 }], 'what to commit is of this answer');
  const fourth = await coordinator.poll('g', memberId, { cursor: third.cursor! });
  t.match(fourth, { partitions: [], cursor: third.cursor }, 'it holds for all partitions');
  await groups.reopenAfterKill();
  const after = await groups.coordinator.poll('g', memberId, { cursor: third.cursor!, generation });
  t.same(given(after), [], 'also after a restart');
  t.same(given(await groups.coordinator.poll('g', memberId)), ['a-0@0=0', 'a-0@1=1', 'a-1@0=2']);
  await groups.coordinator.commit('g', {
    memberId,
    generation,
    offsets: [{ topic: 'a', partition: 0, offset: 2 }],
  });
  const cursor = first.cursor!;
  t.same(
    given(await groups.coordinator.poll('g', memberId, { cursor })),
    ['a-1@0=2'],
    'a commit beyond it counts',
  );
});

t.test('a cursor counts only while the partition has stayed with the member', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { coordinator, log } = groups;
  const { memberId } = await join(groups);
  await log.append('a', values('0', '1', '2'));
  const { cursor } = await coordinator.poll('g', memberId);
  // Another group's topics aside: the partition goes to a second member and comes back.
  const second = await join(groups, { topics: ['a'] });
  await log.engine.alterTopic('a', { partitions: 2 });
  await log.settle();
  const owner = told(await coordinator.heartbeat('g', memberId)).includes('a:0') ? memberId : second.memberId;
  t.equal(owner, memberId, 'it keeps it');
  t.same(given(await coordinator.poll('g', memberId, { cursor: cursor! })), []);
  await t.rejects(coordinator.poll('g', second.memberId, { cursor: cursor! }), { code: 'INVALID_CURSOR' });
  for (const bad of ['', 'x', 'bnVsbA', Buffer.from('[1,2]').toString('base64url'), `${cursor}A`.slice(4)])
    await t.rejects(coordinator.poll('g', memberId, { cursor: bad }), { code: 'INVALID_CURSOR' }, bad);
});

t.test('a partition that was another one’s in between is read on at what is committed', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { coordinator, log } = groups;
  const { memberId: first } = await join(groups);
  await log.append('a', values('0', '1', '2'), { partition: 1 });
  const { cursor } = await coordinator.poll('g', first);
  const { memberId: second } = await join(groups);
  await coordinator.heartbeat('g', first);
  await coordinator.heartbeat('g', first);
  const taken = await coordinator.poll('g', second, { maxRecords: 1 });
  t.same(given(taken), ['a-1@0=0']);
  await commit(groups, taken);
  await coordinator.leave('g', second);
  t.same(given(await coordinator.poll('g', first, { cursor: cursor! })), ['a-1@1=1', 'a-1@2=2']);
});

t.test('what may be read is shared out, and each partition has its turn to be first', async (t) => {
  const groups = await openGroups({ a: 3 });
  const { coordinator, log } = groups;
  for (const partition of [0, 1, 2])
    for (let i = 0; i < 20; i++) await log.append('a', 'x'.repeat(1_000), { partition });
  const { memberId } = await join(groups);
  const counts = ({ partitions }: PollAnswer) =>
    [0, 1, 2].map((each) => {
      const found = partitions.find(({ partition }) => partition === each);
      return found === undefined ? 0 : found.endOffset - found.offset;
    });
  t.same(counts(await coordinator.poll('g', memberId, { maxBytes: 1 })), [1, 0, 0], 'one batch in any case');
  t.same(counts(await coordinator.poll('g', memberId, { maxBytes: 1 })), [0, 1, 0]);
  t.same(counts(await coordinator.poll('g', memberId, { maxBytes: 1 })), [0, 0, 1]);
  t.same(counts(await coordinator.poll('g', memberId, { maxRecords: 7 })), [3, 2, 2]);
  t.same(counts(await coordinator.poll('g', memberId, { maxRecords: 7 })), [2, 3, 2]);
  t.same(counts(await coordinator.poll('g', memberId, { maxBytes: 9_700 })), [3, 3, 3]);
  const { generation } = await coordinator.heartbeat('g', memberId);
  const offsets = [0, 2].map((partition) => ({ topic: 'a', partition, offset: 19 }));
  await coordinator.commit('g', { memberId, generation, offsets });
  const uneven = counts(await coordinator.poll('g', memberId, { maxBytes: 15_000 }));
  t.ok(
    uneven[0] === 1 && uneven[2] === 1 && uneven[1]! >= 10,
    `what is left over goes to who has more: ${uneven}`,
  );
});

t.test('all records come once and in order, however little a poll takes', async (t) => {
  for (const options of [{ maxRecords: 1 }, { maxRecords: 3 }, { maxBytes: 1 }, {}]) {
    const groups = await openGroups({ a: 3 });
    const { coordinator, log } = groups;
    const expected: string[][] = [[], [], []];
    for (let i = 0; i < 30; i++) {
      const partition = (i * i) % 3;
      const batch = Array.from({ length: (i % 4) + 1 }, (_, at) => `${i}.${at}`);
      await log.append('a', values(...batch), { partition });
      expected[partition]!.push(...batch);
    }
    const { memberId } = await join(groups);
    const found: string[][] = [[], [], []];
    for (;;) {
      const answer = await coordinator.poll('g', memberId, options);
      if (answer.partitions.length === 0) break;
      for (const line of given(answer)) found[Number(line[2])]!.push(line.split('=')[1]!);
      await commit(groups, answer);
    }
    t.same(found, expected, JSON.stringify(options));
  }
});

t.test('in a compacted topic what is missing is passed over', async (t) => {
  const groups = await openGroups();
  const { coordinator, log } = groups;
  const config = { 'cleanup.policy': 'compact', 'segment.bytes': 4_096, 'min.cleanable.dirty.ratio': 0 };
  await log.engine.createTopic('a', { config });
  for (let i = 0; i < 60; i++)
    await log.append('a', [
      { key: `${i % 3}`, value: 'x'.repeat(200) },
      { key: `only ${i}`, value: i % 5 === 0 ? 'kept' : 'x' },
    ]);
  const { id } = log.engine.background.compact('a');
  await groups.advance(10_000);
  t.match(log.engine.background.job(id), { state: 'done' });
  const left = (await log.records('a')).map(({ offset }) => offset);
  t.ok(left.length < 120);
  const { memberId } = await join(groups);
  for (const maxRecords of [1, 7, 1_000]) {
    const found: number[] = [];
    for (let cursor: string | undefined; ; ) {
      const answer = await coordinator.poll('g', memberId, { maxRecords, cursor });
      if (answer.partitions.length === 0) break;
      const offsets = given(answer).map((line) => Number(/@(\d+)/.exec(line)![1]));
      t.ok(offsets.length <= maxRecords);
      found.push(...offsets);
      cursor = answer.cursor!;
    }
    t.same(found, left, `${maxRecords} at a time`);
  }
});

t.test('without a committed offset it begins where autoOffsetReset says', async (t) => {
  const groups = await openGroups({ a: 1 }, { 'housekeeping.interval.ms': HOUR_MS });
  const { coordinator, log } = groups;
  for (let i = 0; i < 5; i++) {
    await log.append('a', [{ value: `${i}`, timestamp: log.clock.now() }]);
    await groups.advance(HOUR_MS);
  }
  const cases: [string | undefined, number][] = [
    [undefined, 0],
    ['earliest', 0],
    ['latest', 5],
    ['by_duration:PT2H', 3],
    ['by_duration:P1DT1.5S', 0],
    ['by_duration:120m', 3],
    ['by_duration:0', 5],
  ];
  const members = await Promise.all(
    cases.map(([autoOffsetReset], at) => join(groups, { autoOffsetReset }, `g${at}`)),
  );
  await log.append('a', 'later');
  for (const [at, [autoOffsetReset, offset]] of cases.entries()) {
    const { partitions } = await coordinator.poll(`g${at}`, members[at]!.memberId);
    t.equal(partitions[0]!.offset, offset, `${autoOffsetReset}`);
  }
  const { memberId } = await join(groups, { autoOffsetReset: 'none' }, 'none');
  await t.rejects(coordinator.poll('none', memberId), {
    code: 'NO_COMMITTED_OFFSET',
    details: { group: 'none', topic: 'a', partition: 0 },
  });
  for (const bad of [
    'newest',
    'by_duration:',
    'by_duration:-1s',
    'by_duration:P',
    'by_duration:PT',
    'by_duration:1y',
  ])
    await t.rejects(join(groups, { autoOffsetReset: bad }), { code: 'INVALID_REQUEST' }, bad);
});

t.test(
  '"latest" is the end when the partition came to the group: nothing is passed over afterwards',
  async (t) => {
    const groups = await openGroups({ a: 1 });
    const { log } = groups;
    await log.append('a', 'before');
    const { memberId } = await join(groups, { autoOffsetReset: 'latest' });
    await log.append('a', 'after');
    await groups.reopenAfterKill();
    t.same(given(await groups.coordinator.poll('g', memberId)), ['a-0@1=after']);
    await groups.engine.alterTopic('a', { partitions: 2 });
    await log.settle();
    await log.append('a', 'new', { partition: 1 });
    t.same(given(await groups.coordinator.poll('g', memberId)), ['a-0@1=after', 'a-1@0=new']);
  },
);

t.test('where the committed offset is gone, autoOffsetReset says where to go on', async (t) => {
  for (const [autoOffsetReset, expected] of [
    ['earliest', ['a-0@2=2', 'a-0@3=3']],
    ['latest', ['a-0@4=4']],
    ['none', 'OFFSET_OUT_OF_RANGE'],
  ] as const) {
    const groups = await openGroups({ a: 1 });
    const { coordinator, log } = groups;
    await log.append('a', values('0', '1', '2', '3'));
    await coordinator.reset('g', { offsets: [{ topic: 'a', partition: 0, offset: 1 }] });
    await log.engine.deleteRecords('a', 0, 2);
    const { memberId } = await join(groups, { autoOffsetReset });
    if (typeof expected === 'string') {
      await t.rejects(coordinator.poll('g', memberId), { code: expected });
      continue;
    }
    const first = coordinator.poll('g', memberId, { waitMs: 1_000 });
    await log.settle();
    if (autoOffsetReset === 'latest') await log.append('a', '4');
    t.same(given(await first), expected, autoOffsetReset);
  }
});

t.test('a damaged partition does not hide the others, and is not hidden by them', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { log } = groups;
  await log.append('a', 'lost');
  await log.append('a', 'x', { partition: 1 });
  await groups.stop();
  const path = log.disk.paths().find((each) => /\/a\/0\/0+\.log$/.test(each))!;
  const bytes = log.disk.contents(path);
  bytes[bytes.length - 1]! ^= 1;
  log.disk.plant(path, bytes);
  await groups.start();
  log.leaveDamaged();
  const { memberId } = await join(groups);
  const answer = await groups.coordinator.poll('g', memberId);
  t.same(given(answer), ['a-1@0=x']);
  t.match(answer.errors, [
    { topic: 'a', partition: 0, code: 'CORRUPT_MESSAGE', details: { firstOffset: 0 } },
  ]);
  await commit(groups, answer);
  await t.rejects(groups.coordinator.poll('g', memberId, { waitMs: 1_000 }), { code: 'CORRUPT_MESSAGE' });
});

t.test('bad options are refused', async (t) => {
  const groups = await openGroups({ a: 1 });
  const { memberId } = await join(groups);
  const bad: PollOptions[] = [
    { maxBytes: 0 },
    { maxBytes: 0.5 },
    { maxRecords: 0 },
    { maxRecords: Number.NaN },
    { waitMs: -1 },
    { waitMs: Number.NaN },
  ];
  for (const options of bad)
    await t.rejects(
      groups.coordinator.poll('g', memberId, options),
      { code: 'INVALID_REQUEST' },
      JSON.stringify(options),
    );
});
