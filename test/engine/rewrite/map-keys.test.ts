import t from 'tap';
import { KeyMap } from '../../../src/engine/rewrite/key-map.ts';
import { mapKeys } from '../../../src/engine/rewrite/map-keys.ts';
import { IDENTITY, type LabBatch, RewriteLab } from '../../helpers/rewrite-lab.ts';

const batchOf = (...keys: (string | null)[]): LabBatch => ({
  records: keys.map((key) => ({ timestamp: 1, key, value: 'v' })),
});
const offsetOf = (map: SharedArrayBuffer, key: string) => {
  const keys = new KeyMap(map);
  keys.hash(0, Buffer.from(key), 0, Buffer.byteLength(key));
  return keys.get(0);
};

t.test('the newest offset of each key is in the map, from an offset on', async (t) => {
  const lab = await RewriteLab.open();
  const segments = [
    lab.segment([batchOf('a', 'b', 'a'), { ...batchOf('c', null), codec: 'zstd' }]),
    lab.segment([batchOf('b', 'd')]),
  ];
  const all = await lab.map(segments);
  t.match(all, { endOffset: 7, keys: 4 });
  t.same(
    ['a', 'b', 'c', 'd', 'e'].map((key) => offsetOf(all.map, key)),
    [2, 5, 3, 6, -1],
  );
  const some = await lab.map(segments, 65536, 3);
  t.match(some, { endOffset: 7, keys: 3 });
  t.same(
    ['a', 'b', 'c', 'd'].map((key) => offsetOf(some.map, key)),
    [-1, 5, 3, 6],
  );
});

t.test('a full map ends at the record whose key found no room', async (t) => {
  const lab = await RewriteLab.open();
  const segments = [lab.segment([batchOf('a', 'b', 'a', 'b', 'c', 'a', 'd')]), lab.segment([batchOf('e')])];
  const { endOffset, keys, map } = await lab.map(segments, 32 + 24 * 3);
  t.equal(endOffset, 4, 'all keys of records below are in it');
  t.equal(keys, 2);
  t.same(
    ['a', 'b', 'c'].map((key) => offsetOf(map, key)),
    [2, 3, -1],
  );
});

t.test('control batches have no keys', async (t) => {
  const lab = await RewriteLab.open();
  const segments = [lab.segment([{ ...batchOf('a'), control: true }, batchOf('b')])];
  t.match(await lab.map(segments), { endOffset: 2, keys: 1 });
});

t.test('a map that was used before is emptied', async (t) => {
  const lab = await RewriteLab.open();
  const [first, second] = [lab.segment([batchOf('a')]), lab.segment([batchOf('b')])];
  const { map } = await lab.map([first]);
  const result = await mapKeys(lab.context, {
    identity: IDENTITY,
    segments: [second],
    gaps: [],
    fromOffset: 1,
    map,
  });
  t.equal(result.keys, 1);
  t.equal(offsetOf(map, 'a'), -1);
});

t.test('more keys than are looked up at once', async (t) => {
  const lab = await RewriteLab.open();
  const keys = Array.from({ length: 1500 }, (_, i) => `key ${i % 1000}`);
  const { map, keys: found } = await lab.map([lab.segment([batchOf(...keys)])]);
  t.equal(found, 1000);
  for (let i = 0; i < 1000; i++) t.equal(offsetOf(map, `key ${i}`), i < 500 ? 1000 + i : i);
});
