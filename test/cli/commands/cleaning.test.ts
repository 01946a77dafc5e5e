/** `seglog compact` and `seglog retain` against the real daemon, in a process of its own. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { ended, runCli, startCli } from '../../helpers/cli.ts';
import { Daemon } from '../../helpers/daemon.ts';
import { until } from '../../helpers/http-app.ts';
import { SHELL_PROGRAM } from '../../helpers/program.ts';

const EVENTS = fileURLToPath(new URL('../../../../shared/data/events/hdfs.ndjson', import.meta.url));
/** Nothing is done in the background but what a test asks for. */
const IDLE = '1h';

async function start(t: Test, { housekeeping = IDLE, bytesPerSecond = -1 } = {}) {
  let daemon: Daemon | undefined;
  t.teardown(() => daemon?.stop());
  const settings = {
    'journal.files': 0,
    'housekeeping.interval.ms': housekeeping,
    'background.io.bytes.per.second': bytesPerSecond,
  };
  const flags = Object.entries(settings).map(([name, value]) => `--${name}=${value}`);
  const started = await Daemon.start(t.testdir(), flags);
  daemon = started;
  const env = { SEGLOG_SERVER: started.url };
  const cli = (args: string[], input: string | Uint8Array = '') => runCli(args, { input, env });
  const get = async (path: string) => JSON.parse(await (await fetch(started.url + path)).text());
  /** Keyed records that fill some segments, of which all but the last are sealed. */
  const fill = async (topic: string, segments: number, ...config: string[]) => {
    const settings = ['segment.bytes=4KiB', ...config].flatMap((each) => ['-c', each]);
    t.equal((await cli(['topics', 'create', topic, ...settings])).code, 0);
    const lines = Array.from({ length: segments }, (_, i) => `k${i % 3}\t${i}`.padEnd(3000));
    await cli(['produce', topic, '--key-separator', '\\t', '--batch-bytes', '3000', '-q'], lines.join('\n'));
    await until(async () => {
      const { segments: list } = await get(`/api/topics/${topic}/partitions/0/segments`);
      const { compaction } = (await get(`/api/topics/${topic}`)).partitions[0];
      const sealed = list.filter((each: { sealed: boolean }) => each.sealed).length;
      const dirty = compaction === null || compaction.dirtyBytes > 3000 * (segments - 1);
      return list.length === segments && sealed === segments - 1 && dirty;
    });
  };
  return { env, cli, get, fill };
}

t.test('compact tells what it freed, by partition', async (t) => {
  const { cli, fill } = await start(t);
  await fill('a', 7, 'cleanup.policy=compact');
  const before = (await cli(['topics', 'describe', 'a'])).stdout.toString();
  t.match(before, / 100% due\n/);
  const { code, stdout, stderr } = await cli(['compact', 'a']);
  t.equal(code, 0);
  t.match(
    stdout.toString(),
    /^PARTITION {2}SEGMENTS {2}RECORDS {2}BYTES +TOMBSTONES {2}ROUNDS\n +0 {2}6 → \d +6 → 3 +\d+ → \d+ +0 +1\n$/,
  );
  t.match(stderr, /^compacted a in [\d.]+ m?s: 18\.\d KiB → 9\.\d KiB, 8\.\d KiB freed\n$/);
  t.match((await cli(['topics', 'describe', 'a'])).stdout.toString(), / 0%\n/);
  const json = JSON.parse((await cli(['compact', 'a', '--json'])).stdout.toString());
  t.match(json, {
    kind: 'compact',
    state: 'done',
    result: { partitions: [{ recordsBefore: 3, recordsAfter: 3 }] },
  });
});

t.test('compact of what may not be compacted, and of nothing', async (t) => {
  const { cli } = await start(t);
  await cli(['topics', 'create', 'plain']);
  t.match(await cli(['compact', 'plain']), {
    code: 1,
    stdout: { length: 0 },
    stderr: /^seglog: topic "plain" is not compacted: .*set cleanup\.policy=compact/,
  });
  await cli(['topics', 'create', 'keyed', '-c', 'cleanup.policy=compact']);
  t.match(await cli(['compact', 'keyed']), { code: 0, stderr: /^nothing of keyed can be compacted yet/ });
});

t.test('records without a key that were there before are told', async (t) => {
  const { cli, fill } = await start(t);
  await fill('a', 2);
  const lines = ['x'.padEnd(3000), 'y'.padEnd(3000)].join('\n');
  await cli(['produce', 'a', '--batch-bytes', '3000', '-q'], lines);
  await cli(['topics', 'alter', 'a', '-c', 'cleanup.policy=compact']);
  await until(async () => {
    const { stderr } = await cli(['compact', 'a']);
    return stderr.startsWith('1 record without a key went: they came before it was compacted\n');
  });
});

t.test('retain tells what would go, and lets it go', async (t) => {
  const { cli, fill, get } = await start(t);
  await fill('a', 7, 'retention.bytes=10000');
  t.match((await cli(['topics', 'describe', 'a'])).stdout.toString(), / {2}0–0 now\n/);
  const would = await cli(['retain', 'a', '--dry-run']);
  t.match(would, { code: 0, stderr: /^would delete 3 segments of a, 9\.\d KiB; nothing was changed\n$/ });
  t.match(would.stdout.toString(), /^PARTITION {2}SEGMENTS {2}BYTES {2}LOG-START\n +0 +3 +\d+ +3\n$/);
  t.equal((await get('/api/topics/a')).partitions[0].logStartOffset, 0);
  const json = JSON.parse((await cli(['retain', 'a', '-n', '--json'])).stdout.toString());
  t.match(json, {
    state: 'done',
    result: { dryRun: true, partitions: [{ segments: 3, logStartOffset: 3 }] },
  });
  const done = await cli(['retain', 'a']);
  t.match(done, { code: 0, stderr: /^deleted 3 segments of a, 9\.\d KiB\n$/ });
  t.same(done.stdout, would.stdout);
  t.equal((await get('/api/topics/a')).partitions[0].logStartOffset, 3);
  t.match(await cli(['retain', 'a']), {
    code: 0,
    stdout: { length: 0 },
    stderr: 'nothing of a has expired\n',
  });
  t.match(await cli(['retain', 'nope']), { code: 1, stderr: /there is no topic "nope"/ });
});

t.test('Ctrl-C cancels the job and says how far it came', async (t) => {
  const { fill, get, env } = await start(t, { bytesPerSecond: 2000 });
  await fill('a', 7, 'cleanup.policy=compact');
  const command = startCli(['compact', 'a'], env);
  const end = ended(command);
  const job = async () => (await get('/api/jobs')).jobs[0];
  await until(async () => (await job())?.progress.done > 0);
  command.kill('SIGINT');
  t.match(await end, {
    code: 1,
    signal: null,
    stdout: { length: 0 },
    stderr: /^seglog: interrupted after [\d.]+ (B|KiB) of 36\.\d KiB; what was done by then stays done\n$/,
  });
  t.match(await job(), { kind: 'compact', state: 'cancelled', result: null });
});

const script = spawnSync('script', ['--version']).status === 0;
t.test('a terminal sees how far it is', { skip: script ? false : 'there is no script(1)' }, async (t) => {
  const { fill, env } = await start(t, { bytesPerSecond: 20_000 });
  await fill('a', 7, 'cleanup.policy=compact');
  const terminal = spawn('script', ['-qec', `${SHELL_PROGRAM} compact a`, '/dev/null'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  });
  const { code, stdout } = await ended(terminal);
  t.equal(code, 0);
  t.match(stdout.toString(), /░ 0% {2}0 B of 36\.\d KiB {2}/);
  t.match(stdout.toString(), / [1-9]\d% {2}[\d.]+ (B|KiB) of 36\.\d KiB {2}[\d.]+ (B|KiB)\/s {2}.* left/);
  t.match(stdout.toString(), /compacted a in .* freed/);
});

const real = existsSync(EVENTS) ? false : 'there is no ../shared/data beside this checkout';
t.test('of real events the last of each source is left', { skip: real }, async (t) => {
  const { cli, get } = await start(t, { housekeeping: '50ms' });
  const events = readFileSync(EVENTS, 'utf8').trim().split('\n');
  const keyOf = (event: string) => JSON.parse(event).metadata?.component ?? JSON.parse(event).source;
  await cli(['topics', 'create', 'e', '-c', 'segment.bytes=64KiB', '-c', 'cleanup.policy=compact']);
  const input = events.map((event) => JSON.stringify({ key: keyOf(event), value: event })).join('\n');
  t.equal((await cli(['produce', 'e', '--json', '--batch-bytes', '20k', '-q'], input)).code, 0);
  await until(async () => {
    const { segments } = await get('/api/topics/e/partitions/0/segments');
    return segments.filter((each: { sealed: boolean }) => !each.sealed).length === 1;
  });
  const { segments } = await get('/api/topics/e/partitions/0/segments');
  const active = segments.at(-1).baseOffset;
  t.equal((await cli(['compact', 'e'])).code, 0);
  const { stdout } = await cli(['consume', 'e', '-o', 'beginning', '-e', '--json']);
  const left = stdout
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const last = new Map(events.slice(0, active).map((event, offset) => [keyOf(event), offset]));
  const expected = events
    .map((_, offset) => offset)
    .filter((offset) => offset >= active || [...last.values()].includes(offset));
  t.same(
    left.map(({ offset }) => offset),
    expected,
  );
  for (const { offset, value } of left) t.equal(value, events[offset]);
});
