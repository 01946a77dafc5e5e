/** Tokens: which texts have one in common, and which have not. */
import t from 'tap';
import { fieldToken, MAX_FIELD_VALUE_BYTES, textTokens, wordToken } from '../../src/query/tokens.ts';

function holds(text: string, part: string): boolean {
  const tokens = textTokens(text);
  return [...textTokens(part)].every((token) => tokens.has(token));
}

t.test('a text has the tokens of its words', async (t) => {
  t.same(
    [...textTokens('Connection refused, connection lost')],
    ['connection', 'refused', 'lost'].map(wordToken),
  );
  t.ok(holds('could not connect: CONNECTION Refused (111)', 'connection refused'));
  t.notOk(holds('could not connect: CONNECTION Refused (111)', 'refused (112)'));
  t.equal(textTokens('').size, 0);
});

t.test('four numbers with points between them are one more token', async (t) => {
  t.equal(textTokens('10.0.0.1').size, 4);
  t.equal(textTokens('1.2.3').size, 3);
  t.ok(holds('from 10.0.0.1:80', '10.0.0.1'));
  t.notOk(holds('from 10.0.1.0 to 10.1.0.0', '10.0.0.1'), 'although all of its words are there');
  t.ok(holds('version 9.10.0.0.1', '10.0.0.1'), 'also among more of them');
  t.ok(holds('x1.2.3.4.5y 2.3.4.6', '2.3.4.6'));
  t.equal(textTokens('x1.2.3.4').size, 4, 'a number is a word of its own');
  t.equal(textTokens('1.2.3.4_').size, 4);
});

t.test('a field with a short value has a token of both', async (t) => {
  t.equal(fieldToken('metadata.user', 'Root'), fieldToken('metadata.user', 'rOOT'));
  t.equal(fieldToken('a.b', 'X'), fieldToken('a.b', 'x'), 'whatever its case');
  const others = ['metadata.User', 'user', 'metadata', 'metadata.user.x'];
  for (const path of others) t.not(fieldToken(path, 'root'), fieldToken('metadata.user', 'root'));
  t.type(fieldToken('a', 'ä'.repeat(MAX_FIELD_VALUE_BYTES / 2)), 'number');
  t.equal(fieldToken('a', `${'ä'.repeat(MAX_FIELD_VALUE_BYTES / 2)}.`), undefined);
  t.not(fieldToken('a', 'b'), wordToken('ab'));
});

t.test('tokens are spread evenly', async (t) => {
  const buckets = new Uint32Array(256);
  for (let i = 0; i < 65_536; i++) buckets[wordToken(`user${i}`) >>> 24]!++;
  t.ok(
    Math.max(...buckets) < 340 && Math.min(...buckets) > 180,
    `${Math.min(...buckets)} to ${Math.max(...buckets)}`,
  );
});
