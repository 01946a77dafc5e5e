import t from 'tap';
import { parseSettingFlags } from '../../../src/cli/commands/serve.ts';
import { ended, runCli, startCli } from '../../helpers/cli.ts';
import { Daemon } from '../../helpers/daemon.ts';
import { dataDirectory } from '../../helpers/verify-after.ts';

t.test('settings as flags', async (t) => {
  t.same(parseSettingFlags(['--segment.bytes', '1m', '--flush=os', '--listen=']), {
    'segment.bytes': '1m',
    flush: 'os',
    listen: '',
  });
  t.throws(() => parseSettingFlags(['--flush']), { name: 'UsageError', message: '--flush takes a value' });
  t.throws(() => parseSettingFlags(['data']), { name: 'UsageError', message: /"data" is no setting/ });
});

t.test('each setting is printed with its value and where it came from', async (t) => {
  const dir = t.testdir({ 'seglog.yaml': 'flush.ms: 250\nsegment:\n  ms: 5000\n' });
  const args = ['serve', '--print-config', '--config', `${dir}/seglog.yaml`, '--segment.bytes', '1m'];
  const env = { SEGLOG_FLUSH: 'interval', SEGLOG_SEGMENT_BYTES: '2m' };
  const { code, stdout, stderr } = await runCli(args, { env });
  t.match({ code, stderr }, { code: 0, stderr: '' });
  const text = stdout.toString();
  t.match(text, /^segment\.bytes +1048576 +flag +--segment\.bytes$/m);
  t.match(text, /^flush +interval +environment +SEGLOG_FLUSH$/m);
  t.match(text, /^flush\.ms +250 +file +\S+seglog\.yaml$/m);
  t.match(text, /^segment\.ms +5000 +file/m);
  t.match(text, /^segment\.align +none +default$/m);
  const json = JSON.parse((await runCli([...args, '--json'], { env })).stdout.toString());
  t.match(
    json.settings.find((each: { name: string }) => each.name === 'flush'),
    { value: 'interval', source: 'environment', origin: 'SEGLOG_FLUSH' },
  );
});

t.test('what is no setting is refused with the nearest, and nothing is started', async (t) => {
  const data = `${t.testdir()}/data`;
  for (const [args, env, message] of [
    [['--segment.byte', '1m'], {}, /unknown setting "segment\.byte" .*did you mean "segment\.bytes"\?/],
    [['--flush', 'sometimes'], {}, /flush.* takes one of sync, interval, os, not "sometimes"/],
    [[], { SEGLOG_FLSH: 'os' }, /SEGLOG_FLSH names no setting; did you mean SEGLOG_FLUSH\?/],
    [['--config', `${data}.yaml`], {}, /cannot read the configuration file \S+: there is no such file; /],
    [['--listen', '7070'], {}, /: listen takes host:port, such as 127\.0\.0\.1:7070, not "7070"/],
  ] as const) {
    const { code, stderr } = await runCli(['serve', '--data', data, ...args], { env });
    t.equal(code, 2);
    t.match(stderr, message);
  }
});

t.test('SIGTERM and Ctrl-C end it with 0, and the log is closed cleanly', async (t) => {
  const data = dataDirectory(t);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const daemon = await Daemon.start(data);
    t.match(await runCli(['health', '--server', daemon.url]), { code: 0 });
    const { code, stdout } = await daemon.kill(signal);
    t.equal(code, 0, signal);
    t.equal(stdout.length, 0, 'what it has to say goes to standard error');
  }
});

t.test('a data directory that cannot be made is told in one sentence, without a stack', async (t) => {
  const dir = t.testdir({ file: '' });
  const args = ['serve', '--listen', '127.0.0.1:0', '--data'];
  for (const data of [`${dir}/file`, `${dir}/file/data`]) {
    const { code, stderr } = await runCli([...args, data]);
    t.equal(code, 1);
    t.match(
      stderr,
      /^seglog: cannot make the data directory \S+: .* is .*; put that right, or give another /m,
    );
    t.notMatch(stderr, /"stack"|\n +at /);
  }
});

t.test('a directory that is in use, and an address that is', async (t) => {
  t.teardown(() => daemon.stop());
  const data = `${t.testdir()}/data`;
  const daemon = await Daemon.start(data);
  const { host } = new URL(daemon.url);
  const [locked, taken] = await Promise.all([
    ended(startCli(['serve', '--data', data, '--listen', '127.0.0.1:0', '--log.level', 'silent'])),
    ended(startCli(['serve', '--data', `${data}2`, '--listen', host, '--log.level', 'silent'])),
  ]);
  t.equal(locked.code, 1);
  t.match(locked.stderr, /in use/);
  t.equal(taken.code, 1);
  t.equal(
    taken.stderr,
    `seglog: cannot listen on ${host}: another program, or another seglog, listens there; give another address with --listen\n`,
  );
});
