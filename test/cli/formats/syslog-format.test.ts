import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { syslogFormat } from '../../../src/cli/formats/syslog-format.ts';

const SSH_LOG = fileURLToPath(new URL('../../../../shared/data/raw/openssh.log', import.meta.url));
const skip = existsSync(SSH_LOG) ? false : 'there is no real log file here';
const NOW = Date.parse('2026-11-21T08:00:00Z');
const { parse } = syslogFormat({ source: undefined }, () => NOW);

t.test('RFC 5424, with structured data', async (t) => {
  t.same(
    parse(
      '<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 77 ID47 [exampleSDID@32473 iut="3" eventSource="App\\"li\\]cation" eventID="1011"][two@1 a="1" a="2"] \ufeffAn application event',
    ),
    {
      timestamp: '2003-10-11T22:14:15.003Z',
      level: 'INFO',
      source: 'evntslog',
      message: 'An application event',
      metadata: {
        host: 'mymachine.example.com',
        pid: '77',
        facility: 'local4',
        severity: 'notice',
        messageId: 'ID47',
        'exampleSDID@32473': { iut: '3', eventSource: 'App"li]cation', eventID: '1011' },
        'two@1': { a: ['1', '2'] },
      },
    },
  );
  t.match(parse("<34>1 2026-11-21T22:14:15+02:00 host su - ID47 - 'su root' failed"), {
    timestamp: '2026-11-21T20:14:15.000Z',
    level: 'FATAL',
    source: 'su',
    message: "'su root' failed",
    metadata: { host: 'host', facility: 'auth', severity: 'crit' },
  });
  t.match(parse('<14>1 - - app - - - '), { timestamp: undefined, source: 'app', message: '' });
  t.match(parse('<14>1 - - app - - [x@1]'), { message: '', metadata: { 'x@1': {} } });
  t.match(parse('<14>1 - - app - - [no data'), { message: '[no data' });
  t.same(Object.keys(parse('<14>1 - - app - - [__proto__ a="1"] m').metadata!), [
    'facility',
    'severity',
    '__proto__',
  ]);
});

t.test('RFC 3164', async (t) => {
  t.same(parse('<11>Nov  1 22:14:15 host sshd[24200]: Invalid user'), {
    timestamp: '2026-11-01T22:14:15.000Z',
    level: 'ERROR',
    source: 'sshd',
    message: 'Invalid user',
    metadata: { host: 'host', pid: '24200', facility: 'user', severity: 'err' },
  });
  t.match(parse('Nov 21 08:00:00 combo sshd(pam_unix)[19939]: authentication failure'), {
    source: 'sshd(pam_unix)',
    level: undefined,
    message: 'authentication failure',
    metadata: { host: 'combo', pid: '19939' },
  });
  t.match(parse('Nov 21 08:00:00 host last message repeated 2 times'), {
    source: 'host',
    message: 'last message repeated 2 times',
  });
  t.match(parse('Nov 21 08:00:00 kernel: no host'), { source: 'kernel', message: 'no host' });
  t.match(parse('Nov 21 2019 08:00:00.5 host a: m'), { timestamp: '2019-11-21T08:00:00.500Z' });
});

t.test('files of rsyslog and systemd', async (t) => {
  t.match(parse('2026-11-21T08:00:00.123456+01:00 host systemd[1]: Started a.service.'), {
    timestamp: '2026-11-21T07:00:00.123Z',
    source: 'systemd',
    message: 'Started a.service.',
    metadata: { host: 'host', pid: '1' },
  });
});

t.test('the year is the one that makes the time the latest that may have been', async (t) => {
  const times: [line: string, time: string][] = [
    ['Nov 22 07:00:00 h a: m', '2026-11-22T07:00:00.000Z'],
    ['Nov 22 09:00:00 h a: m', '2025-11-22T09:00:00.000Z'],
    ['Jan  1 00:00:00 h a: m', '2026-01-01T00:00:00.000Z'],
    ['Dec 31 23:59:59 h a: m', '2025-12-31T23:59:59.000Z'],
    ['Feb 29 12:00:00 h a: m', '2024-02-29T12:00:00.000Z'],
  ];
  for (const [line, time] of times) t.equal(parse(line).timestamp, time, line);
  const newYear = syslogFormat({ source: undefined }, () => Date.parse('2025-12-31T23:30:00Z'));
  t.equal(newYear.parse('Jan  1 00:10:00 h a: m').timestamp, '2026-01-01T00:10:00.000Z');
});

t.test('what a line does not say comes from the command line', async (t) => {
  const { parse } = syslogFormat({ source: 'given', level: 'info', zone: '-05:00' }, () => NOW);
  t.match(parse('Nov 21 01:00:00 host no tag here'), {
    timestamp: '2026-11-21T06:00:00.000Z',
    source: 'given',
    level: 'info',
  });
  t.match(parse('<11>Nov 21 01:00:00 host app: m'), { source: 'app', level: 'ERROR' });
});

t.test('what is no such line is named', async (t) => {
  for (const line of [
    '',
    'hello',
    '{"a":1}',
    'Foo 21 08:00:00 h a: m',
    'Feb 30 08:00:00 h a: m',
    '<1>1 x h a - - - m',
  ])
    t.throws(() => parse(line), /no line of syslog/, line);
  t.throws(() => parse('<192>1 - h a - - - m'), /its priority is none: <192>/);
  t.throws(() => parse('<14>1 - - - - - - m'), /neither a program nor a host/);
});

t.test('real lines are read', { skip }, async (t) => {
  const lines = readFileSync(SSH_LOG, 'latin1').trimEnd().split('\r\n');
  for (const line of lines) {
    const { source, message, metadata } = parse(line);
    if (
      source !== 'sshd' ||
      metadata?.host !== 'LabSZ' ||
      !line.endsWith(`sshd[${metadata.pid}]: ${message}`)
    )
      t.fail(line);
  }
  t.equal(lines.length, 2000);
});
