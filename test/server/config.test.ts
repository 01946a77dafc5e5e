import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { createLogger } from '../../src/server/create-logger.ts';
import { allSettings, describeConfig, environmentName, loadConfig } from '../../src/server/index.ts';
import { parseListenAddress } from '../../src/server/settings.ts';

t.test('flags stand over the environment, that over the file, that over defaults', async (t) => {
  const file = join(t.testdir(), 'seglog.yaml');
  writeFileSync(
    file,
    'http:\n  max.connections: 11\n  max.body.bytes: 2m\nsegment.bytes: 1m\nflush: os\nlisten: :9\n',
  );
  const config = loadConfig({
    flags: { listen: '127.0.0.1:1', data: undefined },
    env: {
      SEGLOG_LISTEN: '127.0.0.1:2',
      SEGLOG_HTTP_MAX_CONNECTIONS: '22',
      SEGLOG_SEGMENT_BYTES: '2m',
      HOME: '/root',
    },
    file,
  });
  t.match(config.settings, {
    listen: '127.0.0.1:1',
    'http.max.connections': 22,
    'http.max.body.bytes': 2097152,
    data: './data',
  });
  t.strictSame(config.topicDefaults, { 'segment.bytes': 2097152, flush: 'os' });
  t.strictSame(config.engineSettings, {});
  const entries = new Map(describeConfig(config).map((entry) => [entry.name, entry]));
  t.match(entries.get('listen'), { source: 'flag', origin: '--listen' });
  t.match(entries.get('http.max.connections'), {
    source: 'environment',
    origin: 'SEGLOG_HTTP_MAX_CONNECTIONS',
  });
  t.match(entries.get('flush'), { source: 'file', origin: file, group: 'topic' });
  t.match(entries.get('data'), { source: 'default', origin: '', value: './data' });
  t.equal(entries.size, allSettings().length);
});

t.test('sizes and times have units in flags, environment and file', async (t) => {
  const file = join(t.testdir(), 'seglog.yaml');
  writeFileSync(file, 'segment.ms: 7d\nhttp:\n  max.body.bytes: 1MiB\n');
  const config = loadConfig({
    flags: { 'flush.ms': '500ms', 'checkpoint.bytes': '64KiB' },
    env: { SEGLOG_SHUTDOWN_TIMEOUT_MS: '1m', SEGLOG_LOG_DIR_RESERVE_BYTES: '2GiB' },
    file,
  });
  t.strictSame(config.topicDefaults, { 'segment.ms': 604_800_000, 'flush.ms': 500 });
  t.strictSame(config.engineSettings, { 'checkpoint.bytes': 65_536, 'log.dir.reserve.bytes': 2_147_483_648 });
  t.match(config.settings, { 'shutdown.timeout.ms': 60_000, 'http.max.body.bytes': 1_048_576 });
  t.throws(() => loadConfig({ env: { SEGLOG_FLUSH_MS: '1 week' } }), {
    message: /or it with a unit such as 500ms, 30s, 15m, 1h or 7d, not "1 week" \(SEGLOG_FLUSH_MS\)$/,
  });
});

t.test('SEGLOG_CONFIG names the file where no argument does; JSON is read too', async (t) => {
  const file = join(t.testdir(), 'seglog.json');
  writeFileSync(file, JSON.stringify({ 'log.level': 'debug', num: { partitions: 3 } }));
  const config = loadConfig({ env: { SEGLOG_CONFIG: file } });
  t.equal(config.settings['log.level'], 'debug');
  t.strictSame(config.engineSettings, { 'num.partitions': 3 });
});

t.test('what is wrong is refused with where it stands and what would be right', async (t) => {
  const directory = t.testdir();
  let files = 0;
  const file = (text: string) => {
    const path = join(directory, `${files++}-bad.yaml`);
    writeFileSync(path, text);
    return { file: path };
  };
  const cases: [Parameters<typeof loadConfig>[0], RegExp][] = [
    [
      { flags: { 'segmnt.bytes': 1 } },
      /unknown setting "segmnt.bytes" \(--segmnt.bytes\); did you mean "segment.bytes"/,
    ],
    [
      { env: { SEGLOG_SEGMENT_BYTE: '1' } },
      /SEGLOG_SEGMENT_BYTE names no setting; did you mean SEGLOG_SEGMENT_BYTES\?/,
    ],
    [
      { env: { SEGLOG_FLUSH: 'never' } },
      /setting "flush" takes one of sync, interval, os, not "never" \(SEGLOG_FLUSH\)/,
    ],
    [{ flags: { 'http.max.connections': '-1' } }, /takes a whole number from 1 to 1000000/],
    [{ flags: { listen: 'nonsense' } }, /listen takes host:port, such as \S+, not "nonsense" \(--listen\)/],
    [{ flags: { listen: '127.0.0.1:70000' } }, /a port from 0 to 65535, not 70000/],
    [{ flags: { data: '' } }, /data takes a path, not ""/],
    [file('lissten: 1'), /unknown setting "lissten" .*did you mean "listen"/],
    [file('- 1\n- 2'), /bad.yaml is no map of settings to values/],
    [file('"text"'), /bad.yaml is no map of settings to values/],
    [file('a: [1'), /bad.yaml is not valid: [A-Z].* at line 1, column \d+:\n/],
    [file('\u001b[31m: [1'), /is not valid: [^\u001b]*$/],
    [file('flush: os\n---\nflush: sync'), /bad.yaml is not valid: it holds more than one YAML document$/],
    [file('flush: os\nflush.ms: 5\nflush: sync'), /bad.yaml is not valid: Map keys must be unique at line 3/],
    [
      file('segment:\n  bytes: 1m\nsegment.bytes: 2m'),
      /setting "segment.bytes" is given twice \(\S+bad.yaml\)/,
    ],
    [file('a: &a\n  b: *a'), /unknown setting "a\.b\.b\.b\.\S+" \(\S+bad.yaml\)/],
    [file(`${'[&a '.repeat(3)}x${']'.repeat(3)}`), /no map/],
    [file('? {a: 1}\n: 2'), /unknown setting/],
    [{ file: join(directory, 'missing.yaml') }, /cannot read the configuration file/],
  ];
  for (const [sources, message] of cases) {
    t.throws(() => loadConfig(sources), { code: 'INVALID_CONFIG', message }, String(message));
  }
});

t.test('variables that are no settings of the daemon do not trouble it', async (t) => {
  const env = {
    SEGLOG_SERVER: 'http://x',
    SEGLOG_PORT: 'tcp://10.0.0.1:7070',
    SEGLOG_SERVICE_HOST: '10.0.0.1',
  };
  t.strictSame(
    loadConfig({ env }).entries.filter(({ source }) => source !== 'default'),
    [],
  );
});

t.test('each setting has one name, one variable and a description', async (t) => {
  const settings = allSettings();
  t.equal(new Set(settings.map(({ name }) => name)).size, settings.length);
  t.equal(new Set(settings.map(({ name }) => environmentName(name))).size, settings.length);
  for (const { name, setting } of settings) t.match(setting.description, /^[A-Z].*\.$/, name);
});

t.test('an address to listen on is a host and a port', async (t) => {
  t.strictSame(parseListenAddress('127.0.0.1:7070'), { host: '127.0.0.1', port: 7070 });
  t.strictSame(parseListenAddress('[::1]:1'), { host: '::1', port: 1 });
  t.strictSame(parseListenAddress(':0'), { host: '::', port: 0 });
});

t.test('the log is structured, and as loud as it is told to be', async (t) => {
  const lines: string[] = [];
  const logger = createLogger(loadConfig({ flags: { 'log.level': 'warn' } }), {
    write: (line) => void lines.push(line),
  });
  logger.info({}, 'quiet');
  logger.warn({ a: 1 }, 'loud');
  t.match(
    lines.map((line) => JSON.parse(line)),
    [{ name: 'seglog', level: 40, a: 1, msg: 'loud' }],
  );
});
