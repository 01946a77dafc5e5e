/** The sequences of producers: what follows, what is a retry, what is out of order. */
import t from 'tap';
import { SeglogError } from '../../../src/engine/common/errors.ts';
import { sequenceAfter, sequenceDistance } from '../../../src/engine/partition/append-conditions.ts';
import { ProducerStates } from '../../../src/engine/partition/producer-states.ts';

const LAST = 2 ** 31 - 1;
const NEVER = Number.NEGATIVE_INFINITY;

/** A batch: its sequence, its count, its epoch. */
type Batch = readonly [sequence: number, count: number, epoch?: number];

/** What is known after these batches, each of which was appended a second after the one before it. */
function after(batches: readonly Batch[], id = 1): ProducerStates {
  const states = new ProducerStates();
  let baseOffset = 0;
  for (const [i, [sequence, count, epoch = 0]] of batches.entries()) {
    states.note({ id, epoch, sequence }, { baseOffset, count, maxTimestamp: 5 }, i * 1000);
    baseOffset += count;
  }
  return states;
}

function verdict(states: ProducerStates, [sequence, count, epoch = 0]: Batch, expiredAt = NEVER, id = 1) {
  const found = states.judge({ id, epoch, sequence }, count, expiredAt);
  if (found === 'append') return found;
  return found instanceof SeglogError ? found.code : found.baseOffset;
}

const OUT_OF_ORDER = 'OUT_OF_ORDER_SEQUENCE_NUMBER';
const FORGOTTEN = 'DUPLICATE_SEQUENCE_NUMBER';
const FENCED = 'INVALID_PRODUCER_EPOCH';
const SIX: Batch[] = [
  [0, 2],
  [2, 1],
  [3, 1],
  [4, 1],
  [5, 1],
  [6, 1],
];

const CASES: [what: string, known: Batch[], sent: Batch, verdict: string | number][] = [
  ['an unknown producer begins with 0', [], [0, 3], 'append'],
  ['under any epoch', [], [0, 3, 7], 'append'],
  ['and with nothing else', [], [1, 1], OUT_OF_ORDER],
  ['the next one follows', [[0, 2]], [2, 1], 'append'],
  [
    'a retry has the first offset',
    [
      [0, 2],
      [2, 1],
    ],
    [0, 2],
    0,
  ],
  [
    'and the last one too',
    [
      [0, 2],
      [2, 1],
    ],
    [2, 1],
    2,
  ],
  ['one that begins the same and is shorter is none', [[0, 2]], [0, 1], OUT_OF_ORDER],
  ['nor is one that is longer', [[0, 2]], [0, 3], OUT_OF_ORDER],
  ['one that leaves a hole is refused', [[0, 2]], [3, 1], OUT_OF_ORDER],
  ['the second of six is still known', SIX, [2, 1], 2],
  ['the first of six is forgotten', SIX, [0, 2], FORGOTTEN],
  ['as is a part of it', SIX, [1, 1], FORGOTTEN],
  ['what reaches into those that are known is another one', SIX, [1, 2], OUT_OF_ORDER],
  ['what is as far ahead as could be is no old one', SIX, [2 + 2 ** 30, 1], OUT_OF_ORDER],
  ['a new epoch begins with 0', [[0, 2]], [0, 1, 1], 'append'],
  ['and does not go on from the old one', [[0, 2]], [2, 1, 1], OUT_OF_ORDER],
  [
    'the old one is fenced',
    [
      [0, 2],
      [0, 1, 1],
    ],
    [2, 1, 0],
    FENCED,
  ],
  [
    'also with what it had sent before',
    [
      [0, 2],
      [0, 1, 1],
    ],
    [0, 2, 0],
    FENCED,
  ],
  [
    'of the new one only its own batches are known',
    [
      [0, 2],
      [0, 1, 1],
    ],
    [0, 1, 1],
    2,
  ],
  [
    'not those of the old one',
    [
      [0, 2],
      [0, 1, 1],
    ],
    [0, 2, 1],
    OUT_OF_ORDER,
  ],
  ['after the last sequence comes 0', [[LAST, 1]], [0, 1], 'append'],
  ['and nothing else', [[LAST, 1]], [1, 1], OUT_OF_ORDER],
  ['a batch may reach over the last sequence', [[LAST - 1, 3]], [1, 1], 'append'],
  [
    'and is known by where it began',
    [
      [LAST - 1, 3],
      [1, 1],
    ],
    [LAST - 1, 3],
    0,
  ],
  [
    'what lies before the five is forgotten, also over the last sequence',
    [
      [LAST - 1, 1],
      [LAST, 1],
      [0, 1],
      [1, 1],
      [2, 1],
      [3, 1],
    ],
    [LAST - 1, 1],
    FORGOTTEN,
  ],
];

for (const [what, known, sent, expected] of CASES)
  t.test(what, async (t) => {
    t.equal(verdict(after(known), sent), expected);
  });

t.test('a producer that has not appended for so long is not known', async (t) => {
  const states = after([
    [0, 1],
    [1, 1],
  ]);
  t.equal(verdict(states, [2, 1], 999), 'append');
  t.equal(verdict(states, [2, 1], 1000), OUT_OF_ORDER, 'its last append counts');
  t.equal(verdict(states, [0, 1], 1000), 'append', 'it begins anew');
  states.note({ id: 1, epoch: 0, sequence: 0 }, { baseOffset: 9, count: 1, maxTimestamp: 5 }, 5000);
  t.equal(verdict(states, [0, 1], 1000), 9);
  t.equal(verdict(states, [1, 1], 1000), 'append', 'nothing of before is known');
});

t.test('those who have not appended for long are forgotten, the others stay', async (t) => {
  const states = new ProducerStates();
  const note = (id: number, sequence: number, now: number) =>
    states.note({ id, epoch: 0, sequence }, { baseOffset: 0, count: 1, maxTimestamp: 0 }, now);
  for (const id of [1, 2, 3]) note(id, 0, id);
  note(1, 1, 4);
  t.equal(states.expire(2), 1);
  t.same(
    [1, 2, 3].map((id) => states.has(id)),
    [true, false, true],
  );
  t.equal(states.expire(4), 2);
  t.equal(states.size, 0);
});

t.test('sequences are counted modulo 2^31', async (t) => {
  t.equal(sequenceAfter(LAST, 1), 0);
  t.equal(sequenceAfter(LAST - 2, 5), 2);
  t.equal(sequenceDistance(LAST, 2), 3);
  t.equal(sequenceDistance(2, LAST), -3);
  t.equal(sequenceDistance(7, 7), 0);
});
