import t from 'tap';
import { parsePosition, parseUntil } from '../../src/cli/positions.ts';

t.test('each spelling of a position', async (t) => {
  for (const [text, position] of [
    ['beginning', { at: 'beginning' }],
    ['end', { at: 'end' }],
    ['0', { at: 'offset', offset: 0 }],
    ['42', { at: 'offset', offset: 42 }],
    ['-10', { at: 'tail', count: 10 }],
    ['@2026-11-21', { at: 'time', time: '2026-11-21' }],
    ['@15m', { at: 'time', time: '15m' }],
  ] as const) {
    t.same(parsePosition(text), position, text);
  }
});

t.test('what is none is refused with what is one', async (t) => {
  for (const text of ['', 'start', '1.5', '@', '9007199254740993', '1e3']) {
    t.throws(
      () => parsePosition(text),
      /It takes beginning, end, an offset N, the last -N, or a time @T/,
      text,
    );
  }
});

t.test('an end is an offset, a time, or the end', async (t) => {
  t.same(parseUntil('5'), { at: 'offset', offset: 5 });
  t.same(parseUntil('@1h'), { at: 'time', time: '1h' });
  t.same(parseUntil('end'), { at: 'end' });
  t.throws(() => parseUntil('-5'), /an offset N, a time @T, or end/);
  t.throws(() => parseUntil('beginning'));
});
