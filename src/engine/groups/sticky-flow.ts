/**
 * Spreads partitions over members that are not all subscribed to the same topics, as a flow of least cost.
 *
 * A spread can be bettered by passing partitions on: one from member to member, so that the first has one less and the last one
 * more, or in a ring. What that gains is counted in evenness first and in moves second, as one number; where no chain gains
 * anything, there is no better spread (a flow without a negative cycle is one of least cost). Chains are found by Bellman and
 * Ford's method over members and topics, best one first.
 *
 * The search begins with a spread that is nearly even already. It is exact for groups of ordinary size; for very large ones the
 * work is bounded, and the spread may then be a little less even, or move a little more, than it could.
 */
import type { Subscriber } from './assignment.ts';
import type { Place } from './sticky-assignor.ts';

/** Steps of the search: some tens of milliseconds. */
const MAX_STEPS = 5_000_000;

/** The new owner of each place, all of which somebody is subscribed to. */
export function spreadByFlow(members: readonly Subscriber[], places: readonly Place[]): Int32Array {
  const flow = new Flow(members, places);
  flow.placeUnowned();
  flow.levelOut();
  while (flow.steps < MAX_STEPS && flow.improve()) {}
  return flow.owners;
}

class Flow {
  /** Of each place, as spread so far. */
  readonly owners: Int32Array;
  steps = 0;
  readonly #places: readonly Place[];
  /** Of each member. */
  readonly #topics: readonly (readonly string[])[];
  /** Members that are subscribed to a topic. */
  readonly #subscribers = new Map<string, number[]>();
  readonly #loads: number[];
  /** What a step in evenness is worth: more than all moves together. */
  readonly #evenness: number;

  constructor(members: readonly Subscriber[], places: readonly Place[]) {
    this.#places = places;
    this.#topics = members.map(({ topics }) => topics);
    this.#evenness = places.length + 1;
    this.owners = Int32Array.from(places, ({ owner }) => owner);
    this.#loads = new Array<number>(members.length).fill(0);
    members.forEach(({ topics }, member) => {
      for (const topic of topics) {
        const subscribers = this.#subscribers.get(topic);
        if (subscribers === undefined) this.#subscribers.set(topic, [member]);
        else subscribers.push(member);
      }
    });
    for (const { owner } of places) if (owner >= 0) this.#loads[owner]!++;
  }

  /** Those with the fewest subscribers first, each to the subscriber that has the least. */
  placeUnowned(): void {
    const unowned = [...this.#places.keys()].filter((at) => this.owners[at]! < 0);
    const choices = (at: number) => this.#subscribers.get(this.#places[at]!.topic)!.length;
    for (const at of unowned.sort((a, b) => choices(a) - choices(b) || a - b)) {
      const subscribers = this.#subscribers.get(this.#places[at]!.topic)!;
      let least = subscribers[0]!;
      for (const member of subscribers) if (this.#loads[member]! < this.#loads[least]!) least = member;
      this.owners[at] = least;
      this.#loads[least]!++;
    }
  }

  /** Whoever has the least takes from whoever has the most, directly, as long as that makes it more even. */
  levelOut(): void {
    const held = this.#heldPlaces();
    const open = new Set(this.#loads.keys());
    while (open.size > 0) {
      let taker = -1;
      for (const member of open) if (taker < 0 || this.#loads[member]! < this.#loads[taker]!) taker = member;
      if (!this.#takeFromMost(taker, held)) open.delete(taker);
    }
  }

  #takeFromMost(taker: number, held: readonly ReadonlyMap<string, number[]>[]): boolean {
    const topics = this.#topics[taker]!;
    let giver = -1;
    let most = this.#loads[taker]! + 1;
    this.#loads.forEach((load, member) => {
      if (load <= most || !topics.some((topic) => held[member]!.get(topic)?.length)) return;
      [giver, most] = [member, load];
    });
    if (giver < 0) return false;
    const topic = topics.find((each) => held[giver]!.get(each)?.length)!;
    const place = held[giver]!.get(topic)!.pop()!;
    held[taker]!.get(topic)!.push(place);
    this.owners[place] = taker;
    this.#loads[giver]!--;
    this.#loads[taker]!++;
    return true;
  }

  /** Of each member by topic, those first that it should keep: its own. */
  #heldPlaces(): Map<string, number[]>[] {
    const held = this.#topics.map((topics) => new Map(topics.map((topic) => [topic, [] as number[]])));
    for (const own of [true, false]) {
      this.owners.forEach((owner, at) => {
        if (this.#isAtHome(at) === own) held[owner]!.get(this.#places[at]!.topic)!.push(at);
      });
    }
    return held;
  }

  /** Passes places on along the chain or ring that gains the most; false when none gains anything. */
  improve(): boolean {
    const search = new ChainSearch(this.#loads, this.#evenness);
    let ring = -1;
    while (ring < 0 && this.#extend(search)) ring = search.findRing();
    const end = ring >= 0 ? ring : search.bestEnd();
    if (end < 0) return false;
    this.#loads[end]!++;
    let member = end;
    do {
      this.owners[search.place[member]!] = member;
      member = search.from[member]!;
    } while (member !== end && search.from[member]! >= 0);
    this.#loads[member]!--;
    return true;
  }

  /** Makes all chains one longer; false when that bettered none. */
  #extend(search: ChainSearch): boolean {
    let bettered = false;
    const cheapest = new Map<string, number>();
    const costOf = (at: number) => search.cost[this.owners[at]!]! + (this.#isAtHome(at) ? 1 : 0);
    this.#places.forEach(({ topic, owner }, at) => {
      const least = cheapest.get(topic);
      if (least === undefined || costOf(at) < costOf(least)) cheapest.set(topic, at);
      const holder = this.owners[at]!;
      if (owner >= 0 && owner !== holder)
        bettered = search.offer(owner, search.cost[holder]! - 1, holder, at) || bettered;
    });
    for (const [topic, at] of cheapest) {
      const subscribers = this.#subscribers.get(topic)!;
      const cost = costOf(at);
      const holder = this.owners[at]!;
      for (const member of subscribers) bettered = search.offer(member, cost, holder, at) || bettered;
      this.steps += subscribers.length;
    }
    this.steps += this.#places.length;
    return bettered;
  }

  #isAtHome(at: number): boolean {
    return this.owners[at] === this.#places[at]!.owner;
  }
}

/** The cheapest chains found so far, by the member that they end with. Each begins with a member that gives a place away. */
class ChainSearch {
  /** What the chain costs, but for what its last member has then; in moves, and in evenness as so many of them. */
  readonly cost: Float64Array;
  /** Who passes a place on to the member, and which; -1 at the beginning of a chain. */
  readonly from: Int32Array;
  readonly place: Int32Array;
  readonly #loads: readonly number[];
  readonly #evenness: number;

  constructor(loads: readonly number[], evenness: number) {
    this.#loads = loads;
    this.#evenness = evenness;
    this.cost = Float64Array.from(loads, (load) => -load * evenness);
    this.from = new Int32Array(loads.length).fill(-1);
    this.place = new Int32Array(loads.length).fill(-1);
  }

  offer(member: number, cost: number, from: number, place: number): boolean {
    if (cost >= this.cost[member]!) return false;
    this.cost[member] = cost;
    this.from[member] = from;
    this.place[member] = place;
    return true;
  }

  /** A member on a ring, which gains something whenever there is one; -1 without. */
  findRing(): number {
    const seenFrom = new Int32Array(this.from.length).fill(-1);
    for (let start = 0; start < this.from.length; start++) {
      let member = start;
      while (member >= 0 && seenFrom[member] === -1) {
        seenFrom[member] = start;
        member = this.from[member]!;
      }
      if (member >= 0 && seenFrom[member] === start) return member;
    }
    return -1;
  }

  /** The member that the best chain ends with; -1 when none gains anything. */
  bestEnd(): number {
    let best = -1;
    let least = 0;
    for (let member = 0; member < this.cost.length; member++) {
      const total = this.cost[member]! + (this.#loads[member]! + 1) * this.#evenness;
      if (total < least && this.from[member]! >= 0) [best, least] = [member, total];
    }
    return best;
  }
}
