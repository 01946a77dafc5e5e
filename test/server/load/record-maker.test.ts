import t from 'tap';
import { KeyPicker } from '../../../src/server/load/key-picker.ts';
import { RecordMaker, type RecordMakerOptions } from '../../../src/server/load/record-maker.ts';
import { RecordTemplate } from '../../../src/server/load/record-template.ts';
import { SeededRandom } from '../../../src/server/load/seeded-random.ts';

const make = (count: number, options: Partial<RecordMakerOptions> = {}) => {
  const maker = new RecordMaker({ seed: 1, keys: 10, skew: 0, valueBytes: 256, ...options });
  return Array.from({ length: count }, () => maker.next());
};

t.test('the same seed makes the same records, and another one others', async (t) => {
  const template = '{key} {seq} {int:1-1000000} {hex:16} {text:30} {pick:a|b}';
  t.same(make(50, { template }), make(50, { template }));
  t.notSame(make(50, { template }), make(50, { template, seed: 2 }));
});

t.test('records that nobody describes are log events of about the size that is wanted', async (t) => {
  for (const valueBytes of [200, 256, 1000, 10_000]) {
    const records = make(500, { valueBytes });
    const average = records.reduce((sum, { value }) => sum + value.length, 0) / records.length;
    t.ok(Math.abs(average - valueBytes) < 10, `${average} of ${valueBytes}`);
    for (const { key, value } of records) {
      const event = JSON.parse(value);
      if (event.source !== key || !/^request \d+: /.test(event.message)) t.fail(value);
    }
  }
  t.match(make(1, { valueBytes: 20 })[0]!.value, /^[a-z ]{20}$/, 'no event is so short: words');
});

t.test('without keys a record has none', async (t) => {
  t.ok(make(20, { keys: 0 }).every(({ key }) => key === null));
});

t.test('keys: all alike, or as skewed as wanted', async (t) => {
  const shares = (count: number, skew: number) => {
    const picker = new KeyPicker(count, skew, new SeededRandom(7));
    const drawn = new Array<number>(count).fill(0);
    for (let i = 0; i < 100_000; i++) drawn[picker.draw()]!++;
    return drawn.map((each) => each / 100_000);
  };
  for (const share of shares(10, 0)) t.ok(Math.abs(share - 0.1) < 0.01, `${share}`);
  const harmonic = Array.from({ length: 1000 }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b);
  const zipf = shares(1000, 1);
  for (const i of [0, 1, 9]) t.ok(Math.abs(zipf[i]! - 1 / (i + 1) / harmonic) < 0.01, `key ${i}: ${zipf[i]}`);
  t.ok(shares(1000, 2)[0]! > 0.59, 'a larger skew favours the first more');
});

t.test('every place of a template', async (t) => {
  const now = Date.UTC(2026, 10, 21, 8);
  const render = (text: string) =>
    new RecordTemplate(text, new SeededRandom(3)).render({ key: 'k', seq: 12, now });
  t.equal(render('no place'), 'no place');
  t.equal(render('{key}/{seq}/{epoch}'), `k/12/${now}`);
  t.equal(
    render('{now} {ago:15m} {now}'),
    '2026-11-21T08:00:00.000Z 2026-11-21T07:45:00.000Z 2026-11-21T08:00:00.000Z',
  );
  t.equal(render('{int:7-7}{pick:x}'), '7x');
  t.match(render('{int:5-9}'), /^[5-9]$/);
  t.match(render('{hex:40}'), /^[0-9a-f]{40}$/);
  t.match(render('{text:100000}'), /^[a-z ]{100000}$/);
  t.equal(render('{{key}'), '{key}', 'a brace is written twice');
  t.equal(render('{"a":{"b":1}}'), '{"a":{"b":1}}', 'JSON is no place');
});

t.test('a place that makes no sense is refused, with what was meant', async (t) => {
  for (const [text, message] of [
    ['{kye}', 'there is no {kye} in templates; did you mean {key}? (a brace itself is written {{)'],
    ['{zzzzzz}', 'there is no {zzzzzz} in templates (a brace itself is written {{)'],
    ['{constructor}', /^there is no \{constructor\}/],
    ['{int}', '{int} in a template lacks what it takes: write it as {int:1-500}'],
    ['{int:9-1}', /write it as \{int:1-500\}$/],
    ['{hex:0}', /write it as \{hex:32\}$/],
    ['{text:99999999}', /write it as/],
    ['{ago:x}', /write it as \{ago:15m\}$/],
    ['{pick:}', /write it as/],
  ] as const) {
    t.throws(() => new RecordTemplate(text, new SeededRandom(1)), { name: 'RangeError', message }, text);
  }
});
