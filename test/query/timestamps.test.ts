import fc from 'fast-check';
import t from 'tap';
import {
  formatTimestamp,
  hasUsualLength,
  parseTimestamp,
  writeTimestamp,
} from '../../src/query/timestamps.ts';

t.test('a timestamp is accepted in each of its forms', async (t) => {
  const forms: [text: string, iso: string][] = [
    ['2026-11-21T08:30:00.123Z', '2026-11-21T08:30:00.123Z'],
    ['2026-11-21T08:30:00.123', '2026-11-21T08:30:00.123Z'],
    ['2026-11-21 08:30:00', '2026-11-21T08:30:00.000Z'],
    ['2026-11-21T08:30', '2026-11-21T08:30:00.000Z'],
    ['2026-11-21', '2026-11-21T00:00:00.000Z'],
    ['2026-11-21T08:30:00+02:00', '2026-11-21T06:30:00.000Z'],
    ['2026-11-21T08:30:00-0530', '2026-11-21T14:00:00.000Z'],
    ['2026-11-21T08:30:00,123456789Z', '2026-11-21T08:30:00.123Z'],
    ['2024-02-29T24:00:00Z', '2024-03-01T00:00:00.000Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    ['2016-12-31T23:59:60.5Z', '2017-01-01T00:00:00.500Z'],
    ['1795248000', '2026-11-21T08:00:00.000Z'],
    ['1795248000.5', '2026-11-21T08:00:00.500Z'],
    ['1795248000123', '2026-11-21T08:00:00.123Z'],
    ['1795248000123456', '2026-11-21T08:00:00.123Z'],
    ['1795248000123456789', '2026-11-21T08:00:00.123Z'],
    ['0', '1970-01-01T00:00:00.000Z'],
    ['-1', '1969-12-31T23:59:59.000Z'],
  ];
  for (const [text, iso] of forms) t.equal(formatTimestamp(parseTimestamp(text)!), iso, text);
});

t.test('what is no timestamp is refused', async (t) => {
  const bad = [
    '',
    ' ',
    'now',
    '2026-13-01',
    '2026-02-30',
    '2026-11-21T25:00',
    '2026-11-21T24:00:01',
    '2026-11-21T24:00:00.5',
    '2026-11-21T24:00:60',
    '1e9',
    '0x10',
  ];
  bad.push(
    '2026-11-21T08:60',
    '2026-11-21T08:30:00+99:00',
    '12:00',
    '99999999999999999999',
    '2026-11-21T08:30:00Zx',
  );
  for (const text of bad) t.equal(parseTimestamp(text), undefined, text);
});

t.test('writing a timestamp agrees with Date', async () => {
  const bytes = Buffer.alloc(30);
  fc.assert(
    fc.property(fc.integer({ min: -62_167_219_200_000, max: 253_402_300_799_999 }), (ms) => {
      writeTimestamp(bytes, 3, ms);
      return hasUsualLength(ms) && bytes.toString('latin1', 3, 27) === new Date(ms).toISOString();
    }),
    { numRuns: 2_000 },
  );
});

t.test('a time that no date can express is given as its number', async (t) => {
  t.equal(formatTimestamp(Number.MAX_SAFE_INTEGER), '9007199254740991');
  t.notOk(hasUsualLength(Number.MAX_SAFE_INTEGER));
});
