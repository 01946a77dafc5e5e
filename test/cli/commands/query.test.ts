/** `seglog query` against the real daemon: events for people and for programs, counts, explanations, and what comes in. */
import { PassThrough } from 'node:stream';
import { stripVTControlCharacters } from 'node:util';
import t from 'tap';
import { query } from '../../../src/cli/query-events.ts';
import { runCli } from '../../helpers/cli.ts';
import { Daemon } from '../../helpers/daemon.ts';

const EVENTS = [
  { timestamp: '2026-11-21T08:00:00Z', level: 'info', source: 'web', message: 'ready' },
  {
    timestamp: '2026-11-21T09:30:00Z',
    level: 'ERROR',
    source: 'payment',
    message: 'connection refused\n  at pay()',
    metadata: { userId: 42, note: 'a b' },
    big: 'BIG',
  },
  { timestamp: '2026-11-21T09:45:00Z', source: 'payment', message: 'no level\u001b[2J' },
];

t.teardown(() => daemon.stop());
const daemon = await Daemon.start(`${t.testdir()}/data`);
const env = { SEGLOG_SERVER: daemon.url };
const cli = (args: readonly string[], input = '', signal?: AbortSignal, onOutput?: (text: string) => void) =>
  runCli(args, { input, env, signal, onOutput });

const lines = EVENTS.map((event) => JSON.stringify(event).replace('"BIG"', '12345678901234567890'));
t.equal((await cli(['ingest', '--quiet'], `${lines.join('\n')}\n`)).code, 0);

t.test('events as people read them, the newest first', async (t) => {
  const { code, stdout, stderr } = await cli(['query']);
  t.equal(code, 0, stderr);
  t.equal(
    stdout.toString(),
    [
      '2026-11-21T09:45:00Z payment no level?[2J',
      '2026-11-21T09:30:00Z ERROR payment connection refused metadata.userId=42 metadata.note="a b" big=12345678901234567000',
      '      at pay()',
      '2026-11-21T08:00:00Z info  web ready',
      '',
    ].join('\n'),
  );
});

t.test('events as programs read them: no digit is lost', async (t) => {
  const { stdout } = await cli(['query', '--json', '--level', 'error']);
  t.match(stdout.toString(), /^\{"timestamp".*"big":12345678901234567890,"partition":\d+,"offset":\d+\}\n$/);
});

t.test('filters', async (t) => {
  const count = async (...args: string[]) =>
    (await cli(['query', '--json', ...args])).stdout.toString().trimEnd().split('\n').filter(Boolean).length;
  t.equal(await count('refused'), 1);
  t.equal(await count('connection', 'refused'), 1);
  t.equal(await count('metadata.userId:42', '--source', 'pay*'), 1);
  t.equal(await count('--since', '2026-11-21T09:00', '--until', '2026-11-21T09:40'), 1);
  t.equal(await count('--limit', '2'), 2);
  t.equal(await count('nothing'), 0);
});

t.test('more events than one answer has', async (t) => {
  const many = Array.from({ length: 2500 }, (_, i) =>
    JSON.stringify({ source: 'many', message: `n ${i}`, ts: 1_700_000_000 + i }),
  );
  await cli(['ingest', '--quiet', '--topic', 'many'], `${many.join('\n')}\n`);
  const { stdout } = await cli(['query', '--topic', 'many', '--order', 'asc', '--limit', '2300', '--json']);
  const found = stdout
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).message);
  t.strictSame(
    found,
    Array.from({ length: 2300 }, (_, i) => `n ${i}`),
  );
});

t.test('counts, with bars', async (t) => {
  const range = ['--since', '2026-11-21T08:00', '--until', '2026-11-21T10:00', '--interval', '1h'];
  const { stdout } = await cli(['query', '--stats', ...range]);
  const text = stdout.toString();
  t.match(text, /^3 events from 2026-11-21T08:00:00.000Z to 2026-11-21T09:45:00.000Z\n/);
  t.match(text, /\n2026-11-21 08:00 {2}1 █+\n2026-11-21 09:00 {2}2 █+\n/);
  t.match(text, /\nERROR +1 +33.3%\n/);
  t.match(text, /\npayment +2 +2026-11-21T09:30:00.000Z +2026-11-21T09:45:00.000Z\n/);
  const json = JSON.parse((await cli(['query', '--stats', '--json', ...range])).stdout.toString());
  t.equal(json.total, 3);
});

t.test('an explanation', async (t) => {
  const { stdout } = await cli(['query', 'refused', '--explain']);
  t.match(stdout.toString(), /^query {2}"refused"\n\n.*\npartitions +16 /s);
  t.match(stdout.toString(), /\n1 events found among /);
});

t.test('colours on a terminal, and none where they are not wanted', async (t) => {
  const shown = async (more: Record<string, string>) => {
    const stdout = Object.assign(new PassThrough(), { isTTY: true });
    const pieces: string[] = [];
    stdout.on('data', (piece: Buffer) => pieces.push(piece.toString()));
    const io = {
      stdin: stdout,
      stdout,
      stderr: new PassThrough(),
      env: { ...env, ...more },
      abandon() {},
      onOutputLost() {},
    };
    await query('', {}, { ...io, interruption: () => new AbortController().signal });
    return pieces.join('');
  };
  const coloured = await shown({});
  const plain = await shown({ NO_COLOR: '1' });
  t.match(coloured, '\u001b[31mERROR\u001b[39m');
  t.equal(stripVTControlCharacters(coloured), plain);
});

t.test('what comes in is followed until Ctrl-C', async (t) => {
  const interrupt = new AbortController();
  const seen = Promise.withResolvers<void>();
  let text = '';
  // The stream begins with what comes after it is open: events are sent until the first one is seen.
  let sent = 0;
  const run = cli(['query', '--tail', '--json', 'level:>=WARN'], '', interrupt.signal, (piece) => {
    text += piece;
    seen.resolve();
  });
  let isSeen = false;
  void seen.promise.then(() => {
    isSeen = true;
  });
  while (!isSeen) {
    const events = `{"source":"a","level":"info","message":"quiet"}\n{"source":"a","level":"error","message":"loud ${sent++}"}\n`;
    await cli(['ingest', '--quiet'], events);
  }
  interrupt.abort();
  t.equal((await run).code, 0);
  t.match(JSON.parse(text.split('\n')[0]!), { message: /^loud/, level: 'error' });
});

t.test('an expression that begins with a minus is not taken for options', async (t) => {
  for (const args of [
    ['-foo'],
    ['-source:test*'],
    ['-level:ERROR', '--since', '1h'],
    ['ready', '-timeout'],
    ['-x'],
  ]) {
    const { code, stderr, stdout } = await cli(['query', ...args]);
    const text = args.find((each) => each.startsWith('-'));
    t.match({ code, stdout: stdout.length }, { code: 2, stdout: 0 }, args.join(' '));
    t.match(
      stderr,
      `seglog: "${text}" is no option: an expression that begins with "-" stands behind "--": seglog query -- ${text}\n`,
    );
  }
  const found = async (...args: string[]) =>
    (await cli(['query', '--json', ...args])).stdout.toString().split('\n').length - 1;
  t.ok((await found('--', '-ready')) >= 2);
  t.equal(await found('-s', 'payment', '--', '-refused'), 1);
  t.equal(await found('-n1'), 1);
  t.equal(await found('-n', '2', 'payment', '--', '-x'), 2);
  t.equal(await found('--source', '-web'), 0, 'a value is a value');
});

t.test('an end before the beginning is no empty answer', async (t) => {
  const { code, stderr } = await runCli(['query', '--since', '1h', '--until', '2h'], {
    env: { SEGLOG_SERVER: daemon.url },
  });
  t.equal(code, 2);
  t.match(stderr, /--since \(\S+Z\) lies behind --until \(\S+Z\): nothing is between them/);
});

t.test('what makes no sense is told, with the place', async (t) => {
  const bad = await cli(['query', 'a (b']);
  t.equal(bad.code, 2);
  t.match(bad.stderr, /this "\(" is not closed\n {2}a \(b\n {4}\^\n/);
  for (const [args, message] of [
    [['--since', 'soon'], /"soon" is no time/],
    [['--tail', '--stats'], /cannot be used with/],
    [['--interval', '1h'], /--interval goes with --stats/],
    [['--limit', '0'], /whole number above zero/],
    [['--topic', 'none'], /no topic "none"/],
  ] as const) {
    const { code, stderr } = await cli(['query', ...args]);
    t.not(code, 0);
    t.match(stderr, message);
  }
});
