import t from 'tap';
import {
  collectNumbers,
  collectPairs,
  parsePositiveNumber,
  parseSize,
  parseWholeNumber,
} from '../../src/cli/options.ts';

t.test('sizes', async (t) => {
  t.equal(parseSize('65536'), 65536);
  t.equal(parseSize('64k'), 65536);
  t.equal(parseSize('1MiB'), 1048576);
  t.equal(parseSize('2 gb'), 2147483648);
  for (const text of ['', '0', '-1', '1t', '1.5m', '99999999999g'])
    t.throws(() => parseSize(text), /It takes a size/, text);
});

t.test('whole numbers', async (t) => {
  t.equal(parseWholeNumber('0'), 0);
  t.equal(parsePositiveNumber('7'), 7);
  for (const text of ['', '-1', '1.0', 'x', '9007199254740993']) t.throws(() => parseWholeNumber(text), text);
  t.throws(() => parsePositiveNumber('0'));
});

t.test('lists and pairs may be given again', async (t) => {
  t.same(collectNumbers('2', collectNumbers('0,2')), [0, 2]);
  t.throws(() => collectNumbers('1,'));
  t.same(collectPairs('b=2=3', collectPairs('a=1')), [
    ['a', '1'],
    ['b', '2=3'],
  ]);
  t.throws(() => collectPairs('=x'));
  t.throws(() => collectPairs('x'));
});
