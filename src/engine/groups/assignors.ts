/**
 * Who gets which partitions of a group: pure functions from members, topics and present owners to shares.
 *
 * All of them are deterministic, spread every partition that somebody is subscribed to, and go through members in the order
 * given, which is the order in which they joined. `range` and `roundrobin` do as Kafka's, and do not look at who owns what.
 * `cooperative-sticky` gives the most even spread there is, and of those one that takes the fewest partitions from their owners
 * (sticky-assignor.ts).
 */
import { type Assignment, type AssignmentInput, Shares, sortedTopics } from './assignment.ts';
import { assignSticky } from './sticky-assignor.ts';
import type { AssignorName } from './types.ts';

export const ASSIGNORS: Readonly<Record<AssignorName, (input: AssignmentInput) => Assignment>> = {
  range: assignRange,
  roundrobin: assignRoundRobin,
  'cooperative-sticky': assignSticky,
};

/** Of each topic, neighbouring partitions to each subscriber; the first ones get one more where it does not come out even. */
function assignRange({ members, topics }: AssignmentInput): Assignment {
  const shares = new Shares(members);
  for (const topic of sortedTopics(topics)) {
    const subscribers = members.filter((member) => member.topics.includes(topic));
    const count = topics.get(topic)!;
    subscribers.forEach(({ id }, at) => {
      const first = Math.ceil((count * at) / subscribers.length);
      const end = Math.ceil((count * (at + 1)) / subscribers.length);
      for (let partition = first; partition < end; partition++) shares.give(id, topic, partition);
    });
  }
  return shares.finish();
}

/** Partition after partition to member after member, passing over those that are not subscribed. */
function assignRoundRobin({ members, topics }: AssignmentInput): Assignment {
  const shares = new Shares(members);
  let next = 0;
  for (const topic of sortedTopics(topics)) {
    if (!members.some((member) => member.topics.includes(topic))) continue;
    for (let partition = 0; partition < topics.get(topic)!; partition++) {
      while (!members[next % members.length]!.topics.includes(topic)) next++;
      shares.give(members[next++ % members.length]!.id, topic, partition);
    }
  }
  return shares.finish();
}
