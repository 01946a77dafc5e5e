import fc from 'fast-check';
import t from 'tap';
import { timestampFromBytes } from '../../src/query/event-times.ts';
import { parseTimestamp } from '../../src/query/timestamps.ts';

const fromBytes = (text: string) => {
  const bytes = Buffer.from(`9${text}9`);
  return timestampFromBytes(bytes, 1, bytes.length - 1);
};

/** What parseTimestamp says, but for times before 1970. */
function plainly(text: string): number | undefined {
  const time = parseTimestamp(text);
  return time === undefined || time < 0 ? undefined : time;
}

t.test('bytes are read as parseTimestamp reads text', async (t) => {
  const texts = [
    '2026-11-21T08:30:00.123Z',
    '2026-11-21T08:30:00Z',
    '2026-11-21T08:30:00',
    '2026-11-21 08:30:00.1',
    '2026-11-21T08:30:00.123456789012Z',
    '2026-11-21T08:30:00.1234567890123Z',
    '2026-11-21T08:30:00.Z',
    '2026-11-21T08:30:00,5Z',
    '2026-11-21T08:30:00+02:00',
    '2026-11-21T24:00:00Z',
    '2026-11-21T23:59:60Z',
    '2026-11-21T23:59:60.5Z',
    '2026-11-21T23:59:61Z',
    '2026-02-29T00:00:00Z',
    '2024-02-29T00:00:00Z',
    '2026-11-31T00:00:00Z',
    '2026-00-10T00:00:00Z',
    '1999-12-31T23:59:59.999Z',
    '1969-12-31T23:59:59.999Z',
    '0099-01-01T00:00:00Z',
    '2026-11-21T8:30:00.123Z',
    '2026-11-21t08:30:00Z',
    '1795248000',
    '17952480001234567890123456789',
    '',
    'Z',
  ];
  for (const text of texts) t.equal(fromBytes(text), plainly(text), text);
  t.equal(fromBytes('1.795248e9'), 1_795_248_000_000, 'and numbers with an exponent');
  t.equal(fromBytes('1e99'), undefined);
});

t.test('any time, and any time with a slip in it, is read alike', async (t) => {
  const usual = fc
    .date({ min: new Date(0), max: new Date('2200-01-01'), noInvalidDate: true })
    .map((date) => date.toISOString());
  const character = fc.constantFrom(...'0123456789-:.TZ +');
  fc.assert(
    fc.property(usual, fc.nat(23), character, fc.boolean(), (text, at, slip, isSlipped) => {
      const given = isSlipped ? text.slice(0, at) + slip + text.slice(at + 1) : text;
      return fromBytes(given) === plainly(given);
    }),
    { numRuns: 5000 },
  );
  t.pass('all of them');
});
