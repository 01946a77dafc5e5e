/** The tokens that are found in an event's bytes are those of its values, found out one by one. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { eventFacts } from '../../src/query/event.ts';
import { giveKernel, takeKernel } from '../../src/query/token-kernel.ts';
import { TokenScanner } from '../../src/query/token-scanner.ts';
import { fieldToken, type Token, textTokens } from '../../src/query/tokens.ts';
import { compileKernel } from '../../wasm/build.ts';
import { Random } from '../crash/sim/random.ts';
import { naiveTokens, randomJson, randomText } from '../helpers/event-segment.ts';

function scanned(value: Buffer, fields: readonly string[] = []) {
  const values: [string, string | undefined][] = [];
  const kernel = takeKernel();
  const scanner = new TokenScanner(kernel, fields, {
    value: (field, text) => values.push([fields[field]!, text]),
    mixed: (field) => values.push([fields[field]!, undefined]),
  });
  kernel.beginBlock();
  // What stands around it is not looked at.
  const around = Buffer.concat([Buffer.from('"word'), value, Buffer.from('word",1')]);
  const at = kernel.input(around, 0, around.length) + 5;
  if (eventFacts(value, 0, value.length, 0).isObject) scanner.object(at, at + value.length);
  else scanner.text(at, at + value.length);
  const tokens = new Set<Token>(kernel.tokens());
  giveKernel(kernel);
  return { tokens, values };
}

t.test('words, addresses and short values of fields, wherever they stand', async (t) => {
  const cases: [json: string, words: string, fields: [string, string][]][] = [
    ['{}', '', []],
    ['{"message":"Connection was refused"}', 'connection was refused', []],
    [
      '{"a":{"b":"x","c":[1,{"d":true}]},"e":null}',
      'x 1',
      [
        ['a.b', 'x'],
        ['a.c', '1'],
        ['a.c.d', 'true'],
        ['e', 'null'],
      ],
    ],
    [
      '{"a":[{"b":1},2]}',
      '1 2',
      [
        ['a.b', '1'],
        ['a', '2'],
      ],
    ],
    ['{"a":"x\\ny\\"z\\\\w\\/v"}', 'x y z w v', [['a', 'x\ny"z\\w/v']]],
    ['{"\\u0061":"\\u0041b"}', 'ab', [['a', 'ab']]],
    ['{"ip":"10.0.0.1"}', '10.0.0.1', [['ip', '10.0.0.1']]],
    ['{"n":-1.50e+3}', '1 50e 3', [['n', '-1.50e+3']]],
    [
      '{"":{"x":1},"a":{"":2}}',
      '1 2',
      [
        ['.x', '1'],
        ['a.', '2'],
      ],
    ],
  ];
  for (const [json, words, fields] of cases) {
    const expected = textTokens(words);
    for (const [path, text] of fields) expected.add(fieldToken(path, text)!);
    t.same([...scanned(Buffer.from(json)).tokens].sort(), [...expected].sort(), json);
  }
});

t.test('no token is missed, whatever the event', async (t) => {
  const random = new Random(1);
  for (let i = 0; i < 3000; i++) {
    const text = random.chance(0.2) ? randomText(random, 8) : randomJson(random, 3);
    const value = Buffer.from(text);
    if (random.chance(0.1) && value.length > 0) value[random.below(value.length)] = random.below(256);
    const { tokens } = scanned(value);
    for (const token of naiveTokens(value)) if (!tokens.has(token)) t.fail(`${i}: ${text}`);
  }
  t.pass('all were found');
});

t.test('values of fields that are asked for', async (t) => {
  const fields = ['metadata.user', 'code', 'größe'];
  const of = (json: string) => scanned(Buffer.from(json), fields).values;
  t.same(of('{"metadata":{"user":"Root","x":{"user":1}},"code":4.20}'), [
    ['metadata.user', 'Root'],
    ['code', '4.20'],
  ]);
  t.same(of('{"metadata.user":"a\\u0062","größe":true}'), [
    ['metadata.user', 'ab'],
    ['größe', 'true'],
  ]);
  t.same(of('{"code":[1,2],"metadata":[{"user":"x"}]}'), [
    ['code', undefined],
    ['code', '1'],
    ['code', '2'],
    ['metadata.user', 'x'],
  ]);
  t.same(of('{"code":null,"user":"x","metadata":{}}'), [['code', undefined]]);
  t.same(of('{"x":{"code":1},"a":[{"code":2}]}'), []);
});

t.test('what is long, deep or full of odd strings is read all the same', async (t) => {
  const strings = Array.from({ length: 3000 }, (_, i) => `"größe${i}"`).join();
  const deep = `${'{"a":'.repeat(100)}"end of it"${'}'.repeat(100)}`;
  const long = `{"message":"${'word '.repeat(200_000)}last"}`;
  const watched = `{"x":[${'{"x":1},'.repeat(3000)}"last"]}`;
  for (const json of [`{"list":[${strings}]}`, deep, long, watched]) {
    const value = Buffer.from(json);
    const { tokens } = scanned(value, ['x.x']);
    for (const token of naiveTokens(value)) if (!tokens.has(token)) t.fail(json.slice(0, 50));
  }
  t.equal(scanned(Buffer.from(watched), ['x.x']).values.length, 3000);
});

t.test('the kernel is compiled from its source', async (t) => {
  const compiled = readFileSync(new URL('../../src/query/token-kernel-wasm.ts', import.meta.url), 'utf8');
  t.equal(compiled, await compileKernel('token'), 'npm run build:wasm');
});
