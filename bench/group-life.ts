/** Members that come and go at random, their partitions spread by one assignor over and over; counts what moves. */
import { ASSIGNORS } from '../src/engine/groups/assignors.ts';
import type { AssignorName } from '../src/engine/groups/types.ts';

const random = (below: number) => Math.floor(Math.random() * below);

interface Member {
  id: string;
  topics: string[];
}

/** What came of a join or a leave. */
export interface Change {
  moved: number;
  least: number;
  ms: number;
}

/** A group that one assignor spreads the partitions of, over and over. */
export class Life {
  readonly #name: AssignorName;
  readonly #topics: ReadonlyMap<string, number>;
  readonly #isMixed: boolean;
  #members: Member[] = [];
  #owners = new Map<string, string>();
  #count = 0;

  /** Where it `isMixed`, each member has a random subscription of its own. */
  constructor(name: AssignorName, topics: ReadonlyMap<string, number>, isMixed: boolean) {
    this.#name = name;
    this.#topics = topics;
    this.#isMixed = isMixed;
  }

  join(): Change {
    const all = [...this.#topics.keys()];
    const chosen = all.filter(() => Math.random() < 0.7);
    const topics = this.#isMixed ? (chosen.length > 0 ? chosen : all) : all;
    this.#members.push({ id: `m${this.#count++}`, topics });
    const total = [...this.#topics.values()].reduce((sum, partitions) => sum + partitions, 0);
    return this.#assign(Math.floor(total / this.#members.length));
  }

  leave(): Change {
    this.#members.splice(random(this.#members.length), 1);
    return this.#assign(0);
  }

  #assign(leastIfSame: number): Change {
    const before = this.#owners;
    const least = this.#isMixed ? this.#leastMoves() : leastIfSame;
    const start = performance.now();
    const assignment = ASSIGNORS[this.#name]({
      members: this.#members,
      topics: this.#topics,
      owner: (topic, partition) => before.get(`${topic}/${partition}`),
    });
    const ms = performance.now() - start;
    this.#owners = new Map();
    for (const [id, share] of assignment)
      for (const [topic, partitions] of share)
        for (const partition of partitions) this.#owners.set(`${topic}/${partition}`, id);
    const isThere = new Set(this.#members.map(({ id }) => id));
    let moved = 0;
    for (const [place, id] of this.#owners) {
      const owner = before.get(place);
      if (owner !== undefined && owner !== id && isThere.has(owner)) moved++;
    }
    return { moved, least, ms };
  }

  /** Of the most even spreads, the one that moves the fewest: by trying all. */
  #leastMoves(): number {
    const places = [...this.#topics].flatMap(([topic, partitions]) =>
      Array.from({ length: partitions }, (_, partition) => ({
        topic,
        owner: this.#owners.get(`${topic}/${partition}`),
      })),
    );
    const taken = places.filter(({ topic }) => this.#members.some(({ topics }) => topics.includes(topic)));
    const loads = this.#members.map(() => 0);
    let best = [Number.POSITIVE_INFINITY, 0];
    const tryFrom = (at: number, unevenness: number, moves: number): void => {
      if (unevenness > best[0]! || (unevenness === best[0]! && moves >= best[1]!)) return;
      if (at === taken.length) {
        best = [unevenness, moves];
        return;
      }
      const { topic, owner } = taken[at]!;
      const isThere = this.#members.some(({ id }) => id === owner);
      this.#members.forEach(({ id, topics }, i) => {
        if (!topics.includes(topic)) return;
        const load = loads[i]!++;
        tryFrom(at + 1, unevenness + 2 * load + 1, moves + (isThere && owner !== id ? 1 : 0));
        loads[i]!--;
      });
    };
    tryFrom(0, 0, 0);
    return best[1]!;
  }
}
