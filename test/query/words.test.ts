/** Words, by what each letter that Unicode has does to them. */
import t from 'tap';
import { fold, wordsOf } from '../../src/query/words.ts';

t.test('a word is a run of letters, digits and _, folded', async (t) => {
  t.same(wordsOf('GET /v2/users_all?id=42 -> 10.0.0.1'), [
    'get',
    'v2',
    'users_all',
    'id',
    '42',
    '10',
    '0',
    '0',
    '1',
  ]);
  t.same(wordsOf('Ärger über Größe; ΟΔΟΣ, οδος. 東京 नमस्ते'), [
    'ärger',
    'über',
    'größe',
    'οδοσ',
    'οδοσ',
    '東京',
    'नमस्ते',
  ]);
  t.same(wordsOf(' -- !'), []);
});

t.test('folding neither makes nor breaks words, whatever stands beside a letter', async (t) => {
  const isWord = (text: string) => /^[\p{L}\p{M}\p{N}_]+$/u.test(text);
  for (let code = 0; code <= 0x10ffff; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const letter = String.fromCodePoint(code);
    const folded = fold(letter);
    if (isWord(letter) !== isWord(folded)) t.fail(`U+${code.toString(16)} becomes ${folded}`);
    if (fold(folded) !== folded) t.fail(`U+${code.toString(16)} is not folded by folding it`);
    if (fold(`Α${letter}.${letter}`) !== `α${folded}.${folded}`)
      t.fail(`U+${code.toString(16)} folds by its place`);
  }
  t.pass('all of them');
});

t.test('two letters become ASCII by folding', async (t) => {
  const found: string[] = [];
  for (let code = 0x80; code <= 0x10ffff; code++) {
    if (code >= 0xd800 && code <= 0xdfff) continue;
    const letter = String.fromCodePoint(code);
    if (/[\0-\x7f]/.test(fold(letter))) found.push(letter);
  }
  t.same(found, ['İ', '\u212a']);
});
