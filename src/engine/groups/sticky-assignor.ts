/**
 * The sticky assignor: the most even spread there is (the smallest sum of squares of what members have; where all are subscribed
 * to the same topics no two differ by more than one), and of those one with the fewest *moves*, partitions taken from an owner that
 * is still subscribed.
 *
 * Where all members are subscribed to the same topics, shares are known beforehand and this takes one pass. Otherwise it is a
 * flow of least cost, see sticky-flow.ts.
 */
import {
  type Assignment,
  type AssignmentInput,
  Shares,
  type Subscriber,
  sortedTopics,
} from './assignment.ts';
import { spreadByFlow } from './sticky-flow.ts';

/** A partition to be spread. */
export interface Place {
  readonly topic: string;
  readonly partition: number;
  /** Which member owns it, by its place in the list, and is subscribed to it; -1: nobody. */
  readonly owner: number;
}

export function assignSticky(input: AssignmentInput): Assignment {
  const { members } = input;
  const shares = new Shares(members);
  if (members.length === 0) return shares.finish();
  const places = placesOf(input);
  const owners = haveSameTopics(members, input.topics)
    ? spreadEvenly(members.length, places)
    : spreadByFlow(members, places);
  places.forEach(({ topic, partition }, at) => {
    shares.give(members[owners[at]!]!.id, topic, partition);
  });
  return shares.finish();
}

/** By partition, then by topic: neighbours are of different topics, so that a member gets some of each. */
function placesOf({ members, topics, owner }: AssignmentInput): Place[] {
  const numbers = new Map(members.map(({ id }, at) => [id, at]));
  const places: Place[] = [];
  for (const topic of sortedTopics(topics)) {
    const subscribed = members.map((member) => member.topics.includes(topic));
    if (!subscribed.includes(true)) continue;
    for (let partition = 0; partition < topics.get(topic)!; partition++) {
      const number = numbers.get(owner(topic, partition) ?? '') ?? -1;
      places.push({ topic, partition, owner: subscribed[number] ? number : -1 });
    }
  }
  return places.sort((a, b) => a.partition - b.partition || (a.topic < b.topic ? -1 : 1));
}

function haveSameTopics(members: readonly Subscriber[], topics: ReadonlyMap<string, number>): boolean {
  const existing = members.map((member) => member.topics.filter((topic) => topics.has(topic)).sort());
  const [first] = existing;
  return existing.every(
    (each) => each.length === first!.length && each.every((topic, at) => topic === first![at]),
  );
}

/**
 * The new owner of each place. Each member gets a share, rounded down or up: up for those that own the most, since each of them
 * keeps one more for it. Who owns more than its share gives the rest up, and that goes to those who have less.
 */
function spreadEvenly(members: number, places: readonly Place[]): Int32Array {
  const owned = new Array<number>(members).fill(0);
  for (const { owner } of places) if (owner >= 0) owned[owner]!++;
  const share = Math.floor(places.length / members);
  const larger = places.length % members;
  const room = new Array<number>(members).fill(share);
  const byOwned = owned.map((_, member) => member).sort((a, b) => owned[b]! - owned[a]! || a - b);
  for (const member of byOwned.slice(0, larger)) room[member]!++;
  const owners = new Int32Array(places.length).fill(-1);
  places.forEach(({ owner }, at) => {
    if (owner < 0 || room[owner] === 0) return;
    owners[at] = owner;
    room[owner]!--;
  });
  let next = 0;
  owners.forEach((owner, at) => {
    if (owner >= 0) return;
    while (room[next] === 0) next++;
    owners[at] = next;
    room[next]!--;
  });
  return owners;
}
