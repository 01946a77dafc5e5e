/** Appends that may be sent again, and appends that depend on where the log ends: one engine, on a simulated disk. */
import t from 'tap';
import type { AppendOptions, ProducerSequence } from '../../src/engine/common/types.ts';
import { SimEngine } from '../helpers/sim-engine.ts';

async function open(settings: Record<string, string | number> = {}, partitions = 1): Promise<SimEngine> {
  const log = await SimEngine.open(settings);
  await log.engine.createTopic('a', { partitions });
  if (settings['journal.files'] === 2) await log.warmJournal();
  return log;
}

/** The ways to the disk: straight to the segment, or through the journal. */
const WAYS = { direct: { 'journal.files': 0 }, journaled: { 'journal.files': 2 } };

const producer = (id: number, sequence: number, epoch = 0): { producer: ProducerSequence } => ({
  producer: { id, epoch, sequence },
});
const keyed = (key: string, fingerprint = 7): AppendOptions => ({ idempotency: { key, fingerprint } });

for (const [way, settings] of Object.entries(WAYS)) {
  t.test(`a producer's retry gets the first answer, and nothing is stored twice (${way})`, async (t) => {
    const log = await open(settings);
    const { id } = log.engine.newProducer();
    const first = await log.append(
      'a',
      [
        { value: 'x', timestamp: 5 },
        { value: 'y', timestamp: 3 },
      ],
      producer(id, 0),
    );
    t.same(first, { partition: 0, baseOffset: 0, lastOffset: 1, count: 2, timestamp: 5, duplicate: false });
    await log.append('a', 'between');
    const again = [{ value: 'other' }, { value: 'bytes' }];
    t.same(await log.append('a', again, producer(id, 0)), { ...first, duplicate: true });
    t.same(await log.values('a'), ['x', 'y', 'between']);
    t.equal(log.engine.stats().inFlightBytes, 0);
  });

  t.test(`a request's retry gets the first answer, and nothing is stored twice (${way})`, async (t) => {
    const log = await open(settings, 3);
    const records = [
      { key: 'a', value: '1', timestamp: 9 },
      { key: 'b', value: '2', timestamp: 8 },
      { key: null, value: '3', timestamp: 7 },
      { key: 'e', value: '4', timestamp: 6 },
    ];
    const first = await log.engine.append('a', records, keyed('k'));
    const again = await log.engine.append('a', records, keyed('k'));
    t.ok(first.length > 1);
    t.same(
      again,
      first.map((each) => ({ ...each, duplicate: true })),
    );
    t.equal(
      (await log.engine.describeTopic('a')).partitions.reduce(
        (sum, { logEndOffset }) => sum + logEndOffset,
        0,
      ),
      4,
    );
    t.equal((await log.engine.append('a', records, keyed('other')))[0]!.duplicate, false);
  });

  t.test(`a retry while the first one is on its way waits for what becomes of it (${way})`, async (t) => {
    const log = await open(settings);
    log.syncs.hold();
    const outcomes = [
      producer(1, 0),
      producer(1, 0),
      keyed('k'),
      keyed('k'),
      producer(1, 1),
      producer(1, 1),
    ].map((options) => log.append('a', 'x', options));
    await log.settle();
    log.syncs.release();
    const answers = await Promise.all(outcomes);
    t.same(
      answers.map(({ baseOffset, duplicate }) => [baseOffset, duplicate]),
      [
        [0, false],
        [0, true],
        [1, false],
        [1, true],
        [2, false],
        [2, true],
      ],
    );
    t.equal((await log.values('a')).length, 3);
  });

  t.test(`appends that expect the same end: one of them is appended (${way})`, async (t) => {
    const log = await open(settings);
    await log.append('a', 'first');
    const race = () =>
      log.append('a', 'x', { expectedEndOffset: 1 }).then(
        () => 'stored',
        (error) => `${error.code} ${error.details.logEndOffset}`,
      );
    t.same(await Promise.all([race(), race(), race()]), [
      'stored',
      'CONDITION_FAILED 2',
      'CONDITION_FAILED 2',
    ]);
    await t.rejects(log.append('a', 'x', { expectedEndOffset: 3 }), {
      code: 'CONDITION_FAILED',
      details: { logEndOffset: 2 },
    });
    t.equal((await log.append('a', 'x', { expectedEndOffset: 2 })).baseOffset, 2);
    const inOrder = await Promise.all(
      [3, 4, 5].map((expectedEndOffset) => log.append('a', 'x', { expectedEndOffset })),
    );
    t.same(
      inOrder.map(({ baseOffset }) => baseOffset),
      [3, 4, 5],
      'one after the other, in one group',
    );
    t.equal((await log.values('a')).length, 6);
  });
}

t.test('sequences, batch by batch', async (t) => {
  const log = await open();
  const steps: [what: string, sequence: number, count: number, outcome: number | string, epoch?: number][] = [
    ['an unknown producer does not begin anywhere', 1, 1, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
    ['it begins with 0', 0, 2, 0],
    ['and goes on', 2, 1, 2],
    ['a batch that begins like one, but is another', 0, 1, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
    ['over two of them', 0, 3, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
    ['one that leaves a hole', 4, 1, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
    ['3', 3, 1, 3],
    ['4', 4, 1, 4],
    ['5', 5, 1, 5],
    ['the first of five', 0, 2, 0],
    ['6, which pushes it out', 6, 1, 6],
    ['then it is forgotten', 0, 2, 'DUPLICATE_SEQUENCE_NUMBER'],
    ['the second one is not', 2, 1, 2],
    ['one that is half forgotten', 0, 3, 'OUT_OF_ORDER_SEQUENCE_NUMBER'],
    ['a new epoch does not go on', 7, 1, 'OUT_OF_ORDER_SEQUENCE_NUMBER', 1],
    ['it begins anew', 0, 1, 7, 1],
    ['the old one is fenced', 7, 1, 'INVALID_PRODUCER_EPOCH', 0],
    ['with its retries', 6, 1, 'INVALID_PRODUCER_EPOCH', 0],
    ['the new one goes on', 1, 3, 8, 1],
  ];
  for (const [what, sequence, count, outcome, epoch = 0] of steps) {
    const records = Array.from({ length: count }, () => ({ value: 'x' }));
    const found = await log.append('a', records, producer(4, sequence, epoch)).then(
      ({ baseOffset }) => baseOffset,
      ({ code }) => code,
    );
    t.equal(found, outcome, what);
  }
});
