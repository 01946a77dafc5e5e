/** What the assignors give: by tables, and against every spread there is on small cases. */
import fc from 'fast-check';
import t from 'tap';
import type { Assignment, AssignmentInput } from '../../../src/engine/groups/assignment.ts';
import { ASSIGNORS } from '../../../src/engine/groups/assignors.ts';
import type { AssignorName } from '../../../src/engine/groups/types.ts';

/** Members by name with their topics, topics with their partitions, and owners of partitions as "a0". */
interface Case {
  members: Record<string, readonly string[]>;
  topics: Record<string, number>;
  owners?: Record<string, string>;
}

function inputOf({ members, topics, owners = {} }: Case): AssignmentInput {
  return {
    members: Object.entries(members).map(([id, subscribed]) => ({ id, topics: subscribed })),
    topics: new Map(Object.entries(topics)),
    owner: (topic, partition) => owners[`${topic}${partition}`],
  };
}

function assign(name: AssignorName, each: Case): Assignment {
  return ASSIGNORS[name](inputOf(each));
}

/** "x: a0 a1, y: b0" */
function written(assignment: Assignment): string {
  const shares = [...assignment].map(([id, share]) => {
    const places = [...share].flatMap(([topic, partitions]) => partitions.map((each) => `${topic}${each}`));
    return [`${id}:`, ...places.sort()].join(' ');
  });
  return shares.join(', ');
}

const A_AND_B = ['a', 'b'];

const TABLE: [AssignorName, string, Case, string][] = [
  [
    'range',
    'neighbours, the first one gets one more',
    { members: { x: ['a'], y: ['a'] }, topics: { a: 5 } },
    'x: a0 a1 a2, y: a3 a4',
  ],
  [
    'range',
    'topic by topic',
    { members: { x: A_AND_B, y: A_AND_B }, topics: { a: 3, b: 3 } },
    'x: a0 a1 b0 b1, y: a2 b2',
  ],
  [
    'range',
    'more members than partitions',
    { members: { x: ['a'], y: ['a'], z: ['a'] }, topics: { a: 2 } },
    'x: a0, y: a1, z:',
  ],
  [
    'range',
    'other subscriptions',
    { members: { x: ['a'], y: A_AND_B }, topics: { a: 2, b: 2 } },
    'x: a0, y: a1 b0 b1',
  ],
  [
    'range',
    'does not look at owners',
    { members: { x: ['a'], y: ['a'] }, topics: { a: 2 }, owners: { a0: 'y', a1: 'x' } },
    'x: a0, y: a1',
  ],
  [
    'roundrobin',
    'one after the other',
    { members: { x: A_AND_B, y: A_AND_B }, topics: { a: 3, b: 3 } },
    'x: a0 a2 b1, y: a1 b0 b2',
  ],
  [
    'roundrobin',
    'other subscriptions',
    { members: { x: ['a'], y: A_AND_B, z: ['b'] }, topics: { a: 2, b: 2 } },
    'x: a0, y: a1 b1, z: b0',
  ],
  [
    'cooperative-sticky',
    'nobody owns anything',
    { members: { x: A_AND_B, y: A_AND_B }, topics: { a: 2, b: 2 } },
    'x: a0 b0, y: a1 b1',
  ],
  [
    'cooperative-sticky',
    'all stay',
    { members: { x: ['a'], y: ['a'] }, topics: { a: 3 }, owners: { a0: 'y', a1: 'x', a2: 'y' } },
    'x: a1, y: a0 a2',
  ],
  [
    'cooperative-sticky',
    'one joins and gets some of each topic',
    {
      members: { x: A_AND_B, y: A_AND_B },
      topics: { a: 2, b: 2 },
      owners: { a0: 'x', a1: 'x', b0: 'x', b1: 'x' },
    },
    'x: a0 b0, y: a1 b1',
  ],
  [
    'cooperative-sticky',
    'one leaves',
    { members: { x: ['a'], z: ['a'] }, topics: { a: 4 }, owners: { a0: 'x', a1: 'y', a2: 'y', a3: 'z' } },
    'x: a0 a1, z: a2 a3',
  ],
  [
    'cooperative-sticky',
    'who owns more keeps the one more',
    { members: { x: ['a'], y: ['a'] }, topics: { a: 3 }, owners: { a0: 'y', a1: 'y' } },
    'x: a2, y: a0 a1',
  ],
  [
    'cooperative-sticky',
    'partitions were added',
    { members: { x: ['a'], y: ['a'] }, topics: { a: 4 }, owners: { a0: 'x', a1: 'y' } },
    'x: a0 a2, y: a1 a3',
  ],
  [
    'cooperative-sticky',
    'an owner is not subscribed any more',
    { members: { x: ['b'], y: ['a'] }, topics: { a: 1, b: 1 }, owners: { a0: 'x', b0: 'y' } },
    'x: b0, y: a0',
  ],
  [
    'cooperative-sticky',
    'along a chain',
    {
      members: { x: ['a'], y: A_AND_B, z: ['b'] },
      topics: { a: 3, b: 3 },
      owners: { a0: 'x', a1: 'x', a2: 'x', b0: 'y', b1: 'y', b2: 'y' },
    },
    'x: a1 a2, y: a0 b1, z: b0 b2',
  ],
];

t.test('the table', async (t) => {
  for (const [assignor, what, each, expected] of TABLE)
    t.equal(written(assign(assignor, each)), expected, `${assignor}: ${what}`);
});

t.test('no members, no topics, topics that do not exist', async (t) => {
  for (const assignor of Object.keys(ASSIGNORS) as AssignorName[]) {
    t.equal(written(assign(assignor, { members: {}, topics: { a: 2 } })), '', assignor);
    t.equal(written(assign(assignor, { members: { x: ['a'] }, topics: {} })), 'x:', assignor);
    t.equal(written(assign(assignor, { members: { x: ['a'] }, topics: { b: 2 } })), 'x:', assignor);
  }
});

/** Small cases: up to 4 members, 3 topics, 7 partitions, whoever owns what. */
const smallCase: fc.Arbitrary<Case> = fc
  .record({
    members: fc.array(fc.uniqueArray(fc.constantFrom('a', 'b', 'c'), { minLength: 1 }), {
      minLength: 1,
      maxLength: 4,
    }),
    counts: fc.tuple(
      fc.integer({ min: 0, max: 4 }),
      fc.integer({ min: 0, max: 2 }),
      fc.integer({ min: 0, max: 1 }),
    ),
    owners: fc.array(fc.integer({ min: -1, max: 4 }), { minLength: 7, maxLength: 7 }),
  })
  .map(({ members, counts, owners }) => {
    const topics = Object.fromEntries(
      ['a', 'b', 'c'].map((topic, at) => [topic, counts[at]!]).filter(([, n]) => n !== 0),
    );
    const places = Object.entries(topics).flatMap(([topic, n]) =>
      Array.from({ length: n as number }, (_, i) => `${topic}${i}`),
    );
    return {
      members: Object.fromEntries(members.map((subscribed, at) => [`m${at}`, subscribed])),
      topics: topics as Record<string, number>,
      owners: Object.fromEntries(
        places.flatMap((place, at) => (owners[at]! < 0 ? [] : [[place, `m${owners[at]}`]])),
      ),
    };
  });

/** Every place with its owner after an assignment. */
function placed(assignment: Assignment): Map<string, string> {
  const owners = new Map<string, string>();
  for (const [id, share] of assignment)
    for (const [topic, partitions] of share)
      for (const partition of partitions) owners.set(`${topic}${partition}`, id);
  return owners;
}

function judge(each: Case, owners: ReadonlyMap<string, string>): { unevenness: number; moves: number } {
  const loads = new Map(Object.keys(each.members).map((id) => [id, 0]));
  let moves = 0;
  for (const [place, id] of owners) {
    loads.set(id, loads.get(id)! + 1);
    const before = each.owners?.[place];
    const couldStay = before !== undefined && each.members[before]?.includes(place[0]!) === true;
    if (couldStay && before !== id) moves++;
  }
  return { unevenness: [...loads.values()].reduce((sum, load) => sum + load * load, 0), moves };
}

/** The best there is, by trying all. */
function best(each: Case): { unevenness: number; moves: number } {
  const places = Object.entries(each.topics).flatMap(([topic, n]) =>
    Array.from({ length: n }, (_, i) => `${topic}${i}`),
  );
  const choices = places
    .map((place) => ({
      place,
      ids: Object.keys(each.members).filter((id) => each.members[id]!.includes(place[0]!)),
    }))
    .filter(({ ids }) => ids.length > 0);
  let found = { unevenness: Number.POSITIVE_INFINITY, moves: 0 };
  const owners = new Map<string, string>();
  const tryFrom = (at: number): void => {
    if (at === choices.length) {
      const judged = judge(each, owners);
      const isBetter =
        judged.unevenness < found.unevenness ||
        (judged.unevenness === found.unevenness && judged.moves < found.moves);
      if (isBetter) found = judged;
      return;
    }
    for (const id of choices[at]!.ids) {
      owners.set(choices[at]!.place, id);
      tryFrom(at + 1);
    }
  };
  tryFrom(0);
  return found;
}

t.test('each partition that somebody is subscribed to has one owner, who is subscribed to it', async () => {
  for (const assignor of Object.keys(ASSIGNORS) as AssignorName[]) {
    fc.assert(
      fc.property(smallCase, (each) => {
        const assignment = assign(assignor, each);
        const total = [...assignment.values()].flatMap((share) => [...share.values()]).flat().length;
        const owners = placed(assignment);
        const wanted = Object.entries(each.topics)
          .filter(([topic]) => Object.values(each.members).some((subscribed) => subscribed.includes(topic)))
          .reduce((sum, [, n]) => sum + n, 0);
        const areSubscribed = [...owners].every(([place, id]) => each.members[id]!.includes(place[0]!));
        return total === wanted && owners.size === wanted && areSubscribed;
      }),
    );
  }
});

t.test('the sticky assignor is as even as can be, and moves as little as can be', async () => {
  fc.assert(
    fc.property(smallCase, (each) => {
      const judged = judge(each, placed(assign('cooperative-sticky', each)));
      const least = best(each);
      return judged.unevenness === least.unevenness && judged.moves === least.moves;
    }),
    { numRuns: 1_000 },
  );
});

t.test('the same is given for the same, and again for what was given', async () => {
  fc.assert(
    fc.property(smallCase, (each) => {
      const once = assign('cooperative-sticky', each);
      const again = assign('cooperative-sticky', { ...each, owners: Object.fromEntries(placed(once)) });
      return (
        written(assign('cooperative-sticky', each)) === written(once) && written(again) === written(once)
      );
    }),
  );
});
