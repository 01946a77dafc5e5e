import t from 'tap';
import {
  collectNumbers,
  collectPairs,
  parseDuration,
  parsePositiveNumber,
  parseSize,
  parseWholeNumber,
} from '../../src/cli/options.ts';
import { parseSetting } from '../../src/engine/index.ts';

t.test('sizes', async (t) => {
  t.equal(parseSize('65536'), 65536);
  t.equal(parseSize('64k'), 65536);
  t.equal(parseSize('1MiB'), 1048576);
  t.equal(parseSize('2 gb'), 2147483648);
  t.equal(parseSize('1t'), 1024 ** 4);
  for (const text of ['', '0', '-1', '1s', '1.5m', '99999999999g'])
    t.throws(() => parseSize(text), /It takes a size/, text);
});

t.test('times', async (t) => {
  t.equal(parseDuration('5000'), 5000);
  t.equal(parseDuration('500ms'), 500);
  t.equal(parseDuration('2 h'), 7_200_000);
  for (const text of ['', '0', '-1s', '1.5h', '1w', '1k'])
    t.throws(() => parseDuration(text), /It takes milliseconds/, text);
});

t.test('sizes and times are understood as those of settings are', async (t) => {
  const units = ['', 'b', 'B', 'k', 'KB', 'KiB', 'Ki', 'm', 'MiB', 'g', 'gb', 't', 'TiB', 'p', 'ib'];
  units.push('ms', 'MS', 's', 'H', 'd', 'w', 'min', ' s', ' kib', '.5k');
  const setting = {
    type: 'integer',
    default: 1,
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
    description: '',
  } as const;
  const outcome = (parse: () => unknown) => {
    try {
      return parse();
    } catch {
      return 'refused';
    }
  };
  for (const unit of units) {
    const text = `3${unit}`;
    const ofSetting = (name: string) => outcome(() => parseSetting({ [name]: setting }, name, text));
    t.equal(
      outcome(() => parseSize(text)),
      ofSetting('x.bytes'),
      text,
    );
    t.equal(
      outcome(() => parseDuration(text)),
      ofSetting('x.ms'),
      text,
    );
  }
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
