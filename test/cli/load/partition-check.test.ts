import t from 'tap';
import { PartitionCheck } from '../../../src/cli/load/partition-check.ts';
import { parseId, RecordLedger } from '../../../src/cli/load/record-ledger.ts';
import { collectGarbage } from '../../helpers/collect-garbage.ts';

/** One lane sends requests of two records each to partition 1; those that are named fail. */
function sent(requests: number, failing: readonly number[] = [], lanes = 1): RecordLedger {
  const ledger = new RecordLedger('run', lanes, 2);
  for (let i = 0; i < requests; i++) {
    for (let lane = 0; lane < lanes; lane++) {
      const request = ledger.request(lane);
      request.id(1);
      request.id(1);
      if (failing.includes(i)) request.failed();
    }
  }
  return ledger;
}

function check(ledger: RecordLedger, found: readonly number[], lane = 0) {
  const checking = new PartitionCheck(ledger, 1);
  for (const [offset, number] of found.entries()) checking.see(lane, number, offset + 100);
  return checking.end();
}

const FINE = { missing: 0, duplicated: 0, outOfOrder: 0, unacknowledged: 0, examples: [] };

t.test('ids tell the run, the lane and the number', async (t) => {
  const request = new RecordLedger('ab12', 3, 2).request(2);
  t.same([request.id(0), request.id(1), request.id(0)], ['ab12/2/0', 'ab12/2/0', 'ab12/2/1']);
  t.same(parseId('ab12/2/17', 'ab12'), { lane: 2, number: 17 });
  for (const text of ['ab12/2/17', 'cd/2', '', 'cd/2/x', 'cd/2/1/1']) t.equal(parseId(text, 'cd'), undefined);
});

t.test('all there, once, in order', async (t) => {
  t.same(check(sent(3), [0, 1, 2, 3, 4, 5]), { ...FINE, found: 6 });
  t.same(check(sent(0), []), { ...FINE, found: 0 });
});

t.test('what is missing is named, wherever it was', async (t) => {
  t.match(check(sent(3), [1, 2, 3, 4, 5]), {
    found: 5,
    missing: 1,
    examples: ['partition 1, never found: record 0 of lane 0'],
  });
  t.match(check(sent(3), [0, 1, 5]), {
    found: 3,
    missing: 3,
    examples: ['partition 1, never found: records 2 to 4 of lane 0'],
  });
  t.match(check(sent(3), [0, 1, 2, 3]), { found: 4, missing: 2, examples: [/records 4 to 5 of lane 0/] });
  t.match(check(sent(3), []), { found: 0, missing: 6 });
});

t.test('what is there twice', async (t) => {
  t.match(check(sent(2), [0, 1, 2, 3, 3]), {
    ...FINE,
    found: 4,
    duplicated: 1,
    examples: ['partition 1, offset 104: record 3 of lane 0 once more'],
  });
  t.match(check(sent(2), [0, 1, 0, 1, 2, 3]), { found: 4, missing: 0, duplicated: 2, outOfOrder: 0 });
});

t.test('what is there in another order', async (t) => {
  t.match(check(sent(2), [0, 2, 1, 3]), {
    ...FINE,
    found: 4,
    outOfOrder: 1,
    examples: ['partition 1, offset 102: record 1 of lane 0 behind one that was sent after it'],
  });
  t.match(check(sent(3), [5, 2, 0, 1, 3, 4]), { found: 6, missing: 0, outOfOrder: 5, duplicated: 0 });
});

t.test('what was not acknowledged may be there or not, and anywhere', async (t) => {
  const ledger = sent(4, [1, 2]);
  t.equal(ledger.acknowledged, 4);
  t.same(ledger.failed(0, 1), [{ first: 2, end: 6 }], 'failures in a row are one range');
  t.same(check(ledger, [0, 1, 6, 7]), { ...FINE, found: 4 });
  t.same(check(ledger, [0, 1, 2, 3, 6, 7]), { ...FINE, found: 4, unacknowledged: 2 });
  t.same(check(ledger, [0, 1, 6, 2, 3, 7]), { ...FINE, found: 4, unacknowledged: 2 }, 'stored late');
  t.match(
    check(ledger, [0, 4, 5, 6, 7]),
    { missing: 1, unacknowledged: 2, examples: [/record 1 of lane 0/] },
    'one before it',
  );
});

t.test('what was never sent', async (t) => {
  t.match(check(sent(1), [0, 1, 2]), { duplicated: 1, examples: [/record 2 of lane 0 was never sent/] });
  t.match(check(sent(1), [0], 7), {
    duplicated: 1,
    missing: 2,
    examples: [/^partition 1, offset 100: record 0 of lane 7/, /.*/],
  });
});

t.test('every second request failing does not make it slow', async (t) => {
  const ledger = new RecordLedger('run', 1, 1);
  for (let i = 0; i < 200_000; i++) {
    const request = ledger.request(0);
    request.id(0);
    if (i % 2 === 1) request.failed();
  }
  const checking = new PartitionCheck(ledger, 0);
  for (let i = 0; i < 200_000; i += 2) checking.see(0, i, i);
  t.same(checking.end(), { ...FINE, found: 100_000 });
});

t.test('how many are still to come', async (t) => {
  const checking = new PartitionCheck(sent(3, [1], 2), 1);
  t.equal(checking.left, 8);
  checking.see(0, 0, 0);
  t.equal(checking.left, 7);
  for (const number of [0, 1, 4, 5]) checking.see(1, number, 1);
  t.equal(checking.left, 3);
  for (const number of [1, 4, 5]) checking.see(0, number, 2);
  t.equal(checking.left, 0);
});

t.test('a long load costs no more memory than a short one', async (t) => {
  const ledger = new RecordLedger('run', 4, 2);
  const checking = new PartitionCheck(ledger, 0);
  for (let i = 0; i < 200_000; i++) ledger.request(i % 4).id(0);
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let i = 0; i < 200_000; i++) checking.see(i % 4, Math.floor(i / 4), i);
  collectGarbage();
  const grown = process.memoryUsage().heapUsed - before;
  t.ok(grown < 1e6, `${grown} bytes`);
  t.same(checking.end(), { ...FINE, found: 200_000 });
});

t.test('of many faults the first few are named', async (t) => {
  const result = check(
    sent(1_000),
    Array.from({ length: 1_000 }, (_, i) => i * 2),
  );
  t.match(result, { missing: 1_000, found: 1_000 });
  t.equal(result.examples.length, 10);
});
