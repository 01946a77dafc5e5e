import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { textFormat } from '../../../src/cli/formats/text-format.ts';
import { levelOfMessage } from '../../../src/query/index.ts';

const RAW = fileURLToPath(new URL('../../../../shared/data/raw/', import.meta.url));
const skip = existsSync(RAW) ? false : 'there are no real log files here';

t.test('a line is a message, and its time is what it begins with', async (t) => {
  const { parse } = textFormat({ source: 'app' });
  const cases: [line: string, timestamp: string | undefined][] = [
    ['2026-11-21 08:00:00,123 INFO up', '2026-11-21T08:00:00.123Z'],
    ['2026-11-21T08:00:00.123456Z up', '2026-11-21T08:00:00.123Z'],
    ['2026-11-21T10:00:00+02:00 up', '2026-11-21T08:00:00.000Z'],
    ['[2026-11-21 08:00:00] up', '2026-11-21T08:00:00.000Z'],
    ['2026/11/21 08:00:00 [error] 7#7: down', '2026-11-21T08:00:00.000Z'],
    ['2026-11-21 08:00:00.123 UTC [1234] FATAL:  no', '2026-11-21T08:00:00.123Z'],
    ['2026-11-21 08:00 up', '2026-11-21T08:00:00.000Z'],
    ['2026-11-21 08:00:00 -0800 is a zone', '2026-11-21T16:00:00.000Z'],
    ['2026-11-21 08:00:00 - a dash is none', '2026-11-21T08:00:00.000Z'],
    ['2026-13-21 08:00:00 is no date', undefined],
    ['2026-11-21 08:00:00x is no time', undefined],
    ['up since 2026-11-21 08:00:00', undefined],
    ['', undefined],
  ];
  for (const [message, timestamp] of cases)
    t.same(parse(message), { timestamp, level: undefined, source: 'app', message }, message);
});

t.test('a time without a zone is of the zone that is given', async (t) => {
  const { parse } = textFormat({ source: 'app', zone: '+02:00' });
  t.equal(parse('2026-11-21 08:00:00 x').timestamp, '2026-11-21T06:00:00.000Z');
  t.equal(parse('2026-11-21 08:00:00Z x').timestamp, '2026-11-21T08:00:00.000Z');
});

t.test('a level that is given is for messages that say none', async (t) => {
  const { parse } = textFormat({ source: 'app', level: 'debug' });
  t.equal(parse('starting').level, 'debug');
  t.equal(parse('ERROR no').level, undefined);
});

t.test('what a stack trace goes on with belongs to the message before', async (t) => {
  const { continues } = textFormat({ source: 'app' });
  for (const line of ['  indented', '\tat x.y.Z(Z.java:1)', 'at Object.<anonymous> (a.js:1)', 'Caused by: x'])
    t.ok(continues(line), line);
  for (const line of ['', 'attach', 'Exception in thread "main" x', '2026-11-21 up'])
    t.notOk(continues(line), line);
});

t.test('real files are read', { skip }, async (t) => {
  const { parse } = textFormat({ source: 'zookeeper' });
  for (const line of readFileSync(`${RAW}zookeeper.log`, 'latin1').trimEnd().split('\r\n')) {
    const { timestamp, message } = parse(line);
    if (timestamp === undefined || levelOfMessage(message) === null) t.fail(line);
  }
  t.pass('each line has a time and a level');
});
