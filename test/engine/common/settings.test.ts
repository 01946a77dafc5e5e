/** Settings: what is taken, what is refused, and what is said then. */
import t from 'tap';
import { SeglogError } from '../../../src/engine/common/errors.ts';
import { nearestName } from '../../../src/engine/common/nearest-name.ts';
import {
  ENGINE_SETTINGS,
  parseSetting,
  resolveSettings,
  TOPIC_SETTINGS,
} from '../../../src/engine/common/settings.ts';

const refusal = (table: typeof TOPIC_SETTINGS, name: string, value: unknown): string => {
  try {
    return `taken as ${parseSetting(table, name, value)}`;
  } catch (error) {
    if (!(error instanceof SeglogError) || error.code !== 'INVALID_CONFIG') throw error;
    t.same(error.details, { setting: name });
    return error.message;
  }
};

t.test('values that are taken', async (t) => {
  for (const [name, given, value] of [
    ['segment.bytes', 4096, 4096],
    ['segment.bytes', '4096', 4096],
    ['segment.bytes', ' 64k ', 65_536],
    ['segment.bytes', '64 KiB', 65_536],
    ['segment.bytes', '64kb', 65_536],
    ['segment.bytes', '1m', 1_048_576],
    ['segment.bytes', '2G', 2_147_483_648],
    ['segment.bytes', '4096b', 4096],
    ['segment.bytes', '4096 B', 4096],
    ['segment.bytes', '1GiB', 1_073_741_824],
    ['segment.ms', '1000', 1_000],
    ['segment.ms', '1500ms', 1_500],
    ['segment.ms', '30s', 30_000],
    ['segment.ms', '15 m', 900_000],
    ['segment.ms', '1h', 3_600_000],
    ['segment.ms', '7D', 604_800_000],
    ['segment.ms', Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
    ['compression.type', 'zstd', 'zstd'],
    ['flush', 'os', 'os'],
    ['cleanup.policy', 'delete,compact', 'compact,delete'],
    ['min.cleanable.dirty.ratio', '0.25', 0.25],
    ['min.cleanable.dirty.ratio', 1, 1],
    ['index.fields', '', ''],
    ['index.fields', 'source,metadata.userId', 'source,metadata.userId'],
  ] as const) {
    t.equal(parseSetting(TOPIC_SETTINGS, name, given), value, `${name}=${given}`);
  }
});

t.test('values that are refused, with what the setting takes', async (t) => {
  for (const value of [',', 'a,', 'a b', 'a'.repeat(129), Array(17).fill('a').join(), 7, null])
    t.match(
      refusal(TOPIC_SETTINGS, 'index.fields', value),
      /takes up to 16 names of fields, separated by commas, not /,
    );
  for (const value of ['', ' ', 'half', -0.1, 1.1, Number.NaN, '50%'])
    t.match(
      refusal(TOPIC_SETTINGS, 'min.cleanable.dirty.ratio', value),
      /takes a number from 0 to 1, not /,
      `${value}`,
    );
  for (const value of [4095, 2_147_483_649, -1, 4096.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    t.match(
      refusal(TOPIC_SETTINGS, 'segment.bytes', value),
      /takes a whole number of bytes from 4096 to 2147483648, or it with a unit such as 64k, 64KiB, 1m or 2GiB, not /,
    );
  }
  for (const value of [
    '',
    'many',
    '1e6',
    '4096.0',
    '0x1000',
    '5 parsecs',
    '9007199254740993',
    null,
    true,
    {},
    [],
  ]) {
    t.match(refusal(TOPIC_SETTINGS, 'segment.bytes', value), /takes a whole number/, JSON.stringify(value));
  }
  for (const value of ['999', '1h30m', '1.5h', '-1h', '1w', 'h', '64KiB', '104249991375d']) {
    t.match(
      refusal(TOPIC_SETTINGS, 'segment.ms', value),
      `takes a whole number of milliseconds from 1000 to ${Number.MAX_SAFE_INTEGER}, or it with a unit such as 500ms, 30s, 15m, 1h or 7d, not "${value}"`,
    );
  }
  for (const value of ['1h', '4095', '1.5m', '3g', '64kk', 'k', '64 i b'])
    t.match(refusal(TOPIC_SETTINGS, 'segment.bytes', value), /takes a whole number of bytes/, value);
  t.equal(
    refusal(TOPIC_SETTINGS, 'flush', 'always'),
    'setting "flush" takes one of sync, interval, os, not "always"',
  );
  for (const value of ['SYNC', '', 0, null]) t.match(refusal(TOPIC_SETTINGS, 'flush', value), /takes one of/);
  t.ok(
    refusal(TOPIC_SETTINGS, 'flush', 'x'.repeat(10_000)).length < 300,
    'a long value is not repeated in full',
  );
});

t.test('a number that counts things has no unit', async (t) => {
  t.equal(parseSetting(ENGINE_SETTINGS, 'max.open.files', ' 4000 '), 4000);
  for (const value of ['4k', '4s', '4 files']) {
    t.throws(() => parseSetting(ENGINE_SETTINGS, 'max.open.files', value), {
      code: 'INVALID_CONFIG',
      message: `setting "max.open.files" takes a whole number from 16 to 1000000, not "${value}"`,
    });
  }
});

t.test('names that are unknown, with the nearest one', async (t) => {
  t.equal(
    refusal(TOPIC_SETTINGS, 'segment.byte', 1),
    'unknown setting "segment.byte"; did you mean "segment.bytes"?',
  );
  t.equal(refusal(TOPIC_SETTINGS, 'colour', 1), 'unknown setting "colour"');
  for (const name of ['__proto__', 'constructor', 'toString']) {
    t.match(refusal(TOPIC_SETTINGS, name, 1), /^unknown setting/, name);
  }
});

t.test('the nearest name', async (t) => {
  const names = Object.keys({ ...TOPIC_SETTINGS, ...ENGINE_SETTINGS });
  for (const [typed, nearest] of [
    ['segment.byts', 'segment.bytes'],
    ['SEGMENT.MS', 'segment.ms'],
    ['flushms', 'flush.ms'],
    ['compression', undefined],
    ['max.open.file', 'max.open.files'],
    ['xyz', undefined],
    ['', undefined],
    ['x'.repeat(10_000), undefined],
  ] as const) {
    t.equal(nearestName(typed, names), nearest, typed.slice(0, 40));
  }
});

t.test('what is not given has its default', async (t) => {
  const settings = resolveSettings(TOPIC_SETTINGS, { 'segment.bytes': '8k', flush: undefined });
  t.equal(settings['segment.bytes'], 8192);
  t.equal(settings.flush, 'sync');
  t.same(Object.keys(settings), Object.keys(TOPIC_SETTINGS));
  t.throws(() => resolveSettings(ENGINE_SETTINGS, { 'segment.bytes': 8192 }), { code: 'INVALID_CONFIG' });
});

t.test('each default is a value that its setting takes', async (t) => {
  for (const table of [TOPIC_SETTINGS, ENGINE_SETTINGS]) {
    for (const [name, setting] of Object.entries(table)) {
      t.equal(parseSetting(table, name, setting.default), setting.default, name);
      t.match(setting.description, /^[A-Z].*\.$/, `${name} is described in a sentence`);
    }
  }
  t.same(
    Object.keys(TOPIC_SETTINGS).filter((name) => name in ENGINE_SETTINGS),
    [],
    'no name has two meanings',
  );
});
