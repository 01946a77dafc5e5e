/** The table of idempotency keys, against a Map, and how much room it takes. */
import fc from 'fast-check';
import t from 'tap';
import { IdempotencyKeys, type StoredRequest } from '../../../src/engine/partition/idempotency-keys.ts';

const stored = (id: number, n: number, appendedAt = n): StoredRequest => ({
  id,
  fingerprint: (n * 7919) % 2 ** 31,
  partitions: 1 + (n % 32_767),
  baseOffset: n * 10,
  count: 1 + (n % 10),
  maxTimestamp: 1_700_000_000_000 + n,
  appendedAt,
});

function listOf(keys: IdempotencyKeys): StoredRequest[] {
  const list: StoredRequest[] = [];
  for (let row = keys.firstRow; row < keys.nextRow; row++) {
    const key = keys.at(row);
    if (key !== undefined) list.push(key);
  }
  return list;
}

type Step = { add: number } | { expire: number } | { find: number };

/** A Map keeps the order in which keys came, as the table does. */
class Model {
  readonly keys = new Map<number, StoredRequest>();

  add(key: StoredRequest): void {
    this.keys.delete(key.id);
    this.keys.set(key.id, key);
  }

  expire(expiredAt: number): void {
    for (const [id, { appendedAt }] of this.keys) if (appendedAt <= expiredAt) this.keys.delete(id);
  }

  find(id: number, expiredAt: number): StoredRequest | undefined {
    const found = this.keys.get(id);
    return found !== undefined && found.appendedAt > expiredAt ? found : undefined;
  }
}

t.test('it is a map of keys in the order in which they came', async (t) => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({ add: fc.oneof(fc.nat(40), fc.constant(2 ** 53 - 1), fc.maxSafeNat()) }),
    },
    { weight: 1, arbitrary: fc.record({ expire: fc.nat(60) }) },
    { weight: 3, arbitrary: fc.record({ find: fc.nat(40) }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400, size: 'max' }), (steps) => {
      const keys = new IdempotencyKeys();
      const model = new Model();
      for (const [now, each] of steps.entries()) {
        if ('add' in each) {
          keys.add(stored(each.add, now));
          model.add(stored(each.add, now));
        } else if ('expire' in each) {
          keys.expire(now - each.expire);
          model.expire(now - each.expire);
        } else {
          t.strictSame(keys.find(each.find, now - 30), model.find(each.find, now - 30));
        }
        if (keys.size !== model.keys.size) throw new Error(`${keys.size} keys, not ${model.keys.size}`);
      }
      const [first = undefined] = model.keys.values();
      t.equal(keys.firstOffset(), first?.baseOffset ?? Number.POSITIVE_INFINITY);
      t.strictSame(listOf(keys), [...model.keys.values()]);
    }),
  );
});

t.test('it knows whether all requests were spread alike', async (t) => {
  const keys = new IdempotencyKeys();
  const add = (n: number, partitions: number) => keys.add({ ...stored(n, n), partitions });
  t.ok(keys.areAllSpreadOver(7), 'there is none');
  for (const n of [1, 2]) add(n, 2);
  t.same(
    [2, 7].map((each) => keys.areAllSpreadOver(each)),
    [true, false],
  );
  for (const [n, partitions] of [
    [3, 7],
    [4, 2],
    [5, 7],
    [6, 7],
  ] as const)
    add(n, partitions);
  for (let n = 0; n <= 3; n++) {
    keys.expire(n);
    t.notOk(keys.areAllSpreadOver(7), `${n}`);
  }
  keys.expire(4);
  t.same(
    [2, 7].map((each) => keys.areAllSpreadOver(each)),
    [false, true],
  );
  keys.expire(6);
  t.ok(keys.areAllSpreadOver(3));
});

t.test('a key that has expired is not known, though it is there', async (t) => {
  const keys = new IdempotencyKeys();
  keys.add(stored(1, 0, 100));
  keys.add(stored(2, 1, 50));
  t.equal(keys.expire(50), 0, 'it stands behind one that has not: the clock went back in between');
  t.equal(keys.find(2, 50), undefined);
  t.equal(keys.find(1, 50)?.id, 1);
  t.equal(keys.expire(100), 2);
});

t.test('what is taken for many keys is given back when they are gone', async (t) => {
  const keys = new IdempotencyKeys();
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 200_000; i++) keys.add(stored(i * 40_503, i));
  const bytes = (process.memoryUsage().arrayBuffers - before) / 200_000;
  t.ok(bytes < 200, `${bytes} bytes a key, while it grows`);
  for (let i = 0; i < 200_000; i += 997) t.equal(keys.find(i * 40_503, -1)?.baseOffset, i * 10);
  t.equal(keys.expire(199_989), 199_990);
  t.same(
    listOf(keys).map(({ appendedAt }) => appendedAt),
    [199_990, 199_991, 199_992, 199_993, 199_994, 199_995, 199_996, 199_997, 199_998, 199_999],
  );
  keys.clear();
  t.equal(keys.find(1, -1), undefined);
});
