/**
 * Question: how long do commits and heartbeats take with 1,000 groups of 10 members at 10,000 commits a second, open loop, and
 * what memory do the groups take?
 *
 * All groups read one topic of 20 partitions, so each member owns two; a commit is of one partition. Each member is heard of every
 * 3 s. Beside it: appends of the same records with acks=all to a topic of one partition, at the same rate; and both as fast as
 * they go, with 256 callers that wait for their answer.
 */
import { join } from 'node:path';
import { Engine, GroupCoordinator, type MemberView } from '../src/engine/index.ts';
import { type Bench, benchmark, type Row, rowOf } from './harness.ts';
import { type Latencies, steadyLoad } from './steady-load.ts';
import { during } from './workload.ts';

const GROUPS = 1_000;
const MEMBERS = 10;
const PARTITIONS = 20;
const RECORDS = 10_000;
const COMMITS_PER_SECOND = 10_000;
const HEARTBEAT_MS = 3_000;
const CALLERS = 256;
/** More than are ever under way at a steady load: none waits for a lane. */
const LANES = 100_000;
const ROUNDS = 5;

interface Member extends MemberView {
  group: string;
  /** What it commits next, partition by partition. */
  places: { topic: string; partition: number; offset: number }[];
  turn: number;
}

await benchmark('group-load', async (bench) => {
  const engine = await Engine.open({ directory: join(bench.directory(), 'data') });
  await engine.createTopic('bench', { partitions: PARTITIONS });
  await engine.createTopic('bare', {
    config: { 'cleanup.policy': 'compact', 'segment.bytes': 16 * 1024 * 1024 },
  });
  for (let partition = 0; partition < PARTITIONS; partition++)
    await engine.append(
      'bench',
      Array.from({ length: RECORDS }, () => ({ value: 'x' })),
      { partition },
    );
  const before = memory();
  const coordinator = await GroupCoordinator.open(engine);
  const members = await joinAll(coordinator);
  const after = memory();
  bench.report('memory of 1,000 groups of 10 members with 20,000 partitions assigned', [
    rowOf('heap', 'MiB', [after.heap - before.heap]),
    rowOf('resident', 'MiB', [after.resident - before.resident]),
    rowOf('heap, a member', 'KiB', [((after.heap - before.heap) * 1024) / members.length]),
  ]);
  await steady(bench, engine, coordinator, members);
  await asFastAsItGoes(bench, engine, coordinator, members);
  const replay = performance.now();
  await coordinator.close();
  await (await GroupCoordinator.open(engine)).close();
  bench.report('taking up what is stored', [rowOf('replay', 'ms', [performance.now() - replay])]);
  await engine.close();
});

interface Memory {
  heap: number;
  resident: number;
}

/** In MiB. */
function memory(): Memory {
  globalThis.gc?.();
  const { heapUsed, rss } = process.memoryUsage();
  return { heap: heapUsed / 2 ** 20, resident: rss / 2 ** 20 };
}

async function joinAll(coordinator: GroupCoordinator): Promise<Member[]> {
  const members: Member[] = [];
  const start = performance.now();
  await Promise.all(
    Array.from({ length: GROUPS }, async (_, at) => {
      const group = `group-${at}`;
      const joins = Array.from({ length: MEMBERS }, () => coordinator.join(group, { topics: ['bench'] }));
      const ids = (await Promise.all(joins)).map(({ memberId }) => memberId);
      // Told, confirmed, and told what came free.
      for (let round = 0; round < 3; round++)
        for (const id of ids) {
          const view = await coordinator.heartbeat(group, id);
          if (round === 2) members.push(memberOf(group, view));
        }
    }),
  );
  process.stderr.write(`${members.length} members after ${Math.round(performance.now() - start)} ms\n`);
  return members;
}

function memberOf(group: string, view: MemberView): Member {
  const places = view.assignment.flatMap(({ topic, partitions }) =>
    partitions.map((partition) => ({ topic, partition, offset: 0 })),
  );
  return { ...view, group, places, turn: 0 };
}

function commit(coordinator: GroupCoordinator, member: Member): Promise<unknown> {
  const place = member.places[member.turn++ % member.places.length]!;
  place.offset = Math.min(place.offset + 1, RECORDS);
  const { memberId, generation } = member;
  return coordinator.commit(member.group, { memberId, generation, offsets: [{ ...place }] });
}

/** What such a commit stores. */
function bareRecord(member: Member): { key: string; value: string } {
  const { topic, partition, offset } = member.places[member.turn++ % member.places.length]!;
  const value = { offset, metadata: null, topicId: '0'.repeat(32), committedAt: Date.now() };
  return {
    key: JSON.stringify(['offset', member.group, topic, partition]),
    value: JSON.stringify(value),
  };
}

async function steady(
  bench: Bench,
  engine: Engine,
  coordinator: GroupCoordinator,
  members: readonly Member[],
): Promise<void> {
  const seconds = bench.size(15, 3);
  const any = () => members[Math.floor(Math.random() * members.length)]!;
  const figures: Record<string, Latencies[]> = { commit: [], heartbeat: [], bare: [] };
  const run = (perSecond: number, work: () => Promise<unknown>): Promise<Latencies> =>
    steadyLoad(perSecond, seconds, LANES, (_lane, done) => void work().then(done));
  for (let round = 0; round <= ROUNDS; round++) {
    const commits = run(COMMITS_PER_SECOND, () => commit(coordinator, any()));
    const heartbeats = run((members.length * 1_000) / HEARTBEAT_MS, () => {
      const member = any();
      return coordinator.heartbeat(member.group, member.memberId);
    });
    const [commitTimes, heartbeatTimes] = await Promise.all([commits, heartbeats]);
    const bareTimes = await run(COMMITS_PER_SECOND, () => engine.append('bare', [bareRecord(any())]));
    // The first round warms up.
    if (round === 0) continue;
    figures.commit!.push(commitTimes);
    figures.heartbeat!.push(heartbeatTimes);
    figures.bare!.push(bareTimes);
  }
  const rows: Row[] = [];
  for (const which of ['p50', 'p99', 'p999'] as const) {
    const label = which === 'p999' ? 'p99.9' : which;
    const of = (name: string) => figures[name]!.map((each) => each[which]);
    rows.push(rowOf(`commit, ${label}`, 'ms', of('commit')));
    rows.push(rowOf(`heartbeat, ${label}`, 'ms', of('heartbeat')));
    const bare = rowOf(`bare append, ${label}`, 'ms', of('bare'));
    const ratios = of('commit').map((ms, round) => ms / of('bare')[round]!);
    rows.push({ ...bare, ratio: rowOf('', '', ratios).values });
  }
  bench.report(
    `${COMMITS_PER_SECOND} commits/s and ${Math.round(members.length / 3)} heartbeats/s, rounds of ${seconds} s`,
    rows,
  );
}

async function asFastAsItGoes(
  bench: Bench,
  engine: Engine,
  coordinator: GroupCoordinator,
  members: readonly Member[],
): Promise<void> {
  const seconds = bench.size(10, 3);
  let next = 0;
  const round = (work: (member: Member) => Promise<unknown>) => () =>
    during(seconds, CALLERS, () => work(members[next++ % members.length]!));
  await bench.compare({
    title: `${CALLERS} callers that wait for their answer`,
    unit: 'calls/s',
    candidate: { name: 'commits', round: round((member) => commit(coordinator, member)) },
    limits: [
      {
        side: {
          name: 'bare appends of the same records',
          round: round((member) => engine.append('bare', [bareRecord(member)])),
        },
      },
    ],
    rounds: ROUNDS,
  });
}
