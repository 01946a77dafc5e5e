import t from 'tap';
import { LEVELS, levelOfField, levelOfMessage } from '../../src/query/event-levels.ts';

t.test('a level is known by its usual names, whatever their case', async (t) => {
  const names: Record<(typeof LEVELS)[number], string[]> = {
    TRACE: ['trace', 'TRACE', 'Verbose', 'finest', 'V', '10'],
    DEBUG: ['debug', 'Debug', 'dbg', 'fine', 'D', '20'],
    INFO: ['info', 'Information', 'INFORMATIONAL', 'notice', 'NOTICE', 'i', ' info ', '30'],
    WARN: ['warn', 'Warning', 'WRN', 'w', '40'],
    ERROR: ['error', 'ERR', 'Severe', 'e', '50'],
    FATAL: ['fatal', 'critical', 'CRIT', 'alert', 'emerg', 'Emergency', 'panic', 'f', '60'],
  };
  t.same(Object.keys(names), LEVELS);
  for (const [level, all] of Object.entries(names)) {
    for (const name of all) t.equal(levelOfField(name), level, name);
  }
});

t.test('another level keeps its name, in capitals and not endless; an empty one is none', async (t) => {
  t.equal(levelOfField('audit'), 'AUDIT');
  t.equal(levelOfField('35'), '35');
  t.equal(levelOfField('toString'), 'TOSTRING');
  t.equal(levelOfField('__proto__'), '__PROTO__');
  t.equal(levelOfField('überwachung'), 'ÜBERWACHUNG');
  t.equal(levelOfField('x'.repeat(100)), 'X'.repeat(64));
  t.equal(levelOfField(''), null);
  t.equal(levelOfField('  '), null);
});

t.test('a message says its level plainly', async (t) => {
  const messages: [message: string, level: string][] = [
    ['ERROR disk is full', 'ERROR'],
    ['  WARN  spaces before', 'WARN'],
    ['ERROR', 'ERROR'],
    ['error: no such file', 'ERROR'],
    ['Warning: deprecated', 'WARN'],
    ['WARNING:root:from Python', 'WARN'],
    ['panic: runtime error: index out of range', 'FATAL'],
    ['[error] 1234#0: open() failed', 'ERROR'],
    ['<info> state change', 'INFO'],
    ['[ WARN ] padded', 'WARN'],
    ['disk sda [critical] failing', 'FATAL'],
    ['\x1b[32mINFO\x1b[0m in colour', 'INFO'],
    ['2015-07-29 17:41:44,747 - INFO  [QuorumPeer[myid=1]/0:0] - Notification time out: 3200', 'INFO'],
    ['081109 203615 148 WARN dfs.DataNode$PacketResponder: gone', 'WARN'],
    ['[Sun Dec 04 04:47:44 2005] [notice] workerEnv.init() ok', 'INFO'],
    ['17/06/09 20:10:40 ERROR executor.CoarseGrainedExecutorBackend: x', 'ERROR'],
    ['2026-11-21 08:00:00.123 UTC [1234] FATAL:  the database system is starting up', 'FATAL'],
    ['2026/11/21 08:00:00 [warn] 7#7: low', 'WARN'],
    ['2026-11-21 08:00:00,123 - myapp - ERROR - from Python', 'ERROR'],
    ['08:00:00.123 [main] DEBUG c.e.App - started', 'DEBUG'],
    ['[08:00:00 INF] Serilog', 'INFO'],
    ['[2026-11-21T08:00:00Z TRACE app] Rust', 'TRACE'],
    ['2026-11-21 08:00 error in small letters', 'ERROR'],
    ['E1121 08:00:00.123456    7 file.go:12] from Kubernetes', 'ERROR'],
    ['time=2026-11-21 level=warn msg=x', 'WARN'],
    ['ts=1 lvl="error" msg="x"', 'ERROR'],
    ['severity=NOTICE x', 'INFO'],
  ];
  for (const [message, level] of messages) t.equal(levelOfMessage(message), level, message);
});

t.test('a message that only speaks of levels says none', async (t) => {
  const messages = [
    '',
    '   ',
    'error while reading',
    'no error here',
    'Debug mode enabled',
    'an ERROR in capitals, in a sentence',
    'Errors: 5',
    'informal: hello',
    'error-handler started',
    'terror: alert level raised',
    'loglevel is error',
    'mylevel=error',
    'level=5',
    '5 errors, 3 warnings',
    'user fatal1ty logged in',
    '10.11.10.1 "GET /error HTTP/1.1" status: 200',
    'Component State Change: Component \\042alt0\\042 is in the unavailable state (HWID=3180)',
  ];
  for (const message of messages) t.equal(levelOfMessage(message), null, message);
});
