import fc from 'fast-check';
import t from 'tap';
import { KeyHasher } from '../../../src/engine/rewrite/key-hash.ts';
import { createKeyMap, KeyMap, MIN_KEY_MAP_BYTES } from '../../../src/engine/rewrite/key-map.ts';

const put = (map: KeyMap, key: string, offset: number) => {
  const bytes = Buffer.from(`..${key}.`);
  map.hash(1, bytes, 2, bytes.length - 1);
  map.load(1);
  return map.put(1, offset);
};
const get = (map: KeyMap, key: string) => {
  map.hash(0, Buffer.from(key), 0, Buffer.byteLength(key));
  return map.get(0);
};

t.test('the hash is Chaskey’s, by the vectors of its reference code', async (t) => {
  const secret = Int32Array.of(0x833d3433, 0x009f389f, 0x2398e64f, 0x417acf39);
  const hasher = new KeyHasher(secret);
  const message = Buffer.from(Array.from({ length: 64 }, (_, i) => i));
  const vectors: Record<number, string> = {
    0: '792e8fe5 75ce87aa 2d1450b5 1191970b',
    1: '13a9307b 50e62c89 4577bd88 c0bbdc18',
    2: '55df8922 2c7ff577 73809ef4 4e5084c0',
  };
  for (const [length, expected] of Object.entries(vectors)) {
    hasher.hash(message, 0, Number(length));
    const { h0, h1, h2, h3 } = hasher;
    const words = [h0, h1, h2, h3].map((word) => (word >>> 0).toString(16).padStart(8, '0'));
    t.equal(words.join(' '), expected, `${length} bytes`);
  }
});

t.test(
  'keys of all lengths, and those that differ in one bit or in trailing zeros, hash differently',
  async (t) => {
    const hasher = new KeyHasher(Int32Array.of(1, 2, 3, 4));
    const seen = new Set<string>();
    const note = (bytes: Buffer) => {
      hasher.hash(bytes, 0, bytes.length);
      seen.add([hasher.h0, hasher.h1, hasher.h2, hasher.h3].join());
    };
    let keys = 0;
    for (let length = 0; length <= 50; length++, keys++) note(Buffer.alloc(length));
    for (let bit = 0; bit < 400; bit++, keys++) {
      const bytes = Buffer.alloc(50);
      bytes[bit >> 3] = 1 << (bit & 7);
      note(bytes);
    }
    t.equal(seen.size, keys);
  },
);

t.test('it answers with the newest offset of each key, as a Map would', async (t) => {
  const command = fc.tuple(fc.string({ maxLength: 3, unit: fc.constantFrom('a', 'b', 'ß') }), fc.nat());
  fc.assert(
    fc.property(fc.array(command, { maxLength: 100 }), (commands) => {
      const map = new KeyMap(createKeyMap(4000));
      const model = new Map<string, number>();
      for (const [key, offset] of commands) {
        t.ok(put(map, key, offset));
        model.set(key, Math.max(offset, model.get(key) ?? -1));
      }
      for (const [key, offset] of model) if (get(map, key) !== offset) return false;
      return map.size === model.size && get(map, 'no such key') === -1;
    }),
  );
});

t.test('offsets may be as large as a safe integer less one, and zero', async (t) => {
  const map = new KeyMap(createKeyMap(1000));
  for (const [key, offset] of [
    ['zero', 0],
    ['2^32', 2 ** 32 - 1],
    ['more', 2 ** 40 + 7],
    ['most', 2 ** 53 - 2],
  ] as const) {
    put(map, key, offset);
    t.equal(get(map, key), offset, key);
  }
});

t.test('a full map takes no new key, but newer offsets of those that it has', async (t) => {
  const map = new KeyMap(createKeyMap(32 + 100 * 24));
  t.equal(map.capacity, 90);
  for (let i = 0; i < 90; i++) t.ok(put(map, `key ${i}`, i));
  t.notOk(put(map, 'one more', 1000));
  t.equal(get(map, 'one more'), -1);
  t.equal(map.size, 90);
  for (let i = 0; i < 90; i++) t.ok(put(map, `key ${i}`, 100 + i));
  for (let i = 0; i < 90; i++) t.equal(get(map, `key ${i}`), 100 + i);
});

t.test('the smallest map takes one key', async (t) => {
  const map = new KeyMap(createKeyMap(MIN_KEY_MAP_BYTES));
  t.equal(map.capacity, 1);
  t.ok(put(map, 'a', 1));
  t.notOk(put(map, 'b', 2));
});

t.test('others that are given the memory see the same map', async (t) => {
  const memory = createKeyMap(1000);
  put(new KeyMap(memory), 'key', 42);
  const other = new KeyMap(memory);
  t.equal(get(other, 'key'), 42);
  other.clear();
  t.equal(other.size, 0);
  t.equal(get(new KeyMap(memory), 'key'), -1);
});

t.test('each map has a secret of its own, and a new one when it is cleared', async (t) => {
  const secretOf = (memory: SharedArrayBuffer) => Buffer.from(memory, 4, 16).toString('hex');
  const memory = createKeyMap(1000);
  const first = secretOf(memory);
  t.not(first, secretOf(createKeyMap(1000)));
  new KeyMap(memory).clear();
  t.not(secretOf(memory), first);
});
