/**
 * Question: how many partitions does a rebalance move when a member joins or leaves, against the least possible, and how long
 * does it take to find out?
 *
 * Members come and go at random, as often as they come; a move is a partition that is taken from a member that is still there.
 * Where all have the same subscriptions, the least possible is what evenness asks for: who joins needs its share, rounded down,
 * and who leaves moves nothing beside what it had. Where they differ, it is found by trying all spreads, on a group that is
 * small enough for that. `range` and `roundrobin` stand beside it.
 */
import type { AssignorName } from '../src/engine/groups/types.ts';
import { type Change, Life } from './group-life.ts';
import { type Bench, benchmark, type Row, rowOf } from './harness.ts';

/** Members, topics, and partitions of each topic. */
const SHAPES = [
  [3, 1, 12],
  [10, 1, 100],
  [10, 10, 10],
  [100, 5, 200],
  [1_000, 10, 1_000],
] as const;
const NAMES: AssignorName[] = ['cooperative-sticky', 'roundrobin', 'range'];

await benchmark('group-assignment', async (bench) => {
  for (const [members, topics, partitions] of SHAPES) {
    const life = (name: AssignorName) => new Life(name, sameTopics(topics, partitions), false);
    const title = `${members} members, topics × partitions: ${topics} × ${partitions}`;
    bench.report(title, compare(bench, members, life));
  }
  const mixed = new Map([
    ['a', 4],
    ['b', 3],
    ['c', 2],
  ]);
  const life = (name: AssignorName) => new Life(name, mixed, true);
  bench.report(
    '3 members with subscriptions of their own, topics of 4, 3 and 2 partitions',
    compare(bench, 3, life),
  );
});

function sameTopics(topics: number, partitions: number): Map<string, number> {
  return new Map(Array.from({ length: topics }, (_, i) => [`t${i}`, partitions]));
}

function compare(bench: Bench, members: number, start: (name: AssignorName) => Life): Row[] {
  return NAMES.flatMap((name) => {
    const life = start(name);
    for (let i = 0; i < members; i++) life.join();
    const joins: Change[] = [];
    const leaves: Change[] = [];
    for (let i = 0; i < bench.size(100, 20); i++) {
      joins.push(life.join());
      leaves.push(life.leave());
    }
    const moves = (what: string, changes: Change[]): Row => ({
      ...rowOf(
        `${name}: moved by a ${what}`,
        'partitions',
        changes.map(({ moved }) => moved),
      ),
      ...(name === 'cooperative-sticky' && {
        wanted: `the least possible, ${mean(changes.map(({ least }) => least))} on average`,
        reached: changes.every(({ moved, least }) => moved === least),
      }),
    });
    const times = [...joins, ...leaves].map(({ ms }) => ms);
    return [moves('join', joins), moves('leave', leaves), rowOf(`${name}: time`, 'ms', times)];
  });
}

function mean(values: readonly number[]): string {
  return (values.reduce((a, b) => a + b, 0) / values.length).toPrecision(3);
}
