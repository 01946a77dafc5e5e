/** `seglog ingest` while the daemon is killed under it, and is killed itself, again and again: each line is stored, and once. */
import { appendFileSync, renameSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { ended, runCli, startCli } from '../helpers/cli.ts';
import { Daemon } from '../helpers/daemon.ts';
import { until } from '../helpers/until.ts';

const KILLS = 3;

/** A daemon that comes back at the same address. */
async function startDaemon(directory: string) {
  let daemon = await Daemon.start(directory);
  const { url } = daemon;
  return {
    url,
    stop: () => daemon.stop(),
    async killAndRestart() {
      await daemon.kill('SIGKILL');
      daemon = await Daemon.start(directory, ['--listen', new URL(url).host]);
    },
    async stored() {
      const answer = await fetch(`${url}/api/topics`);
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${answer.status}: ${text}`);
      const { topics } = JSON.parse(text) as { topics: { records: number }[] };
      return topics[0]?.records ?? 0;
    },
  };
}

/** The numbers of the lines that are stored, in order. */
async function numbers(url: string): Promise<number[]> {
  const { stdout } = await runCli(['consume', 'logs', '-o', 'beginning', '-e'], {
    env: { SEGLOG_SERVER: url },
  });
  const lines = stdout.toString().split('\n').slice(0, -1);
  return lines.map((line) => Number(/line (\d+)/.exec(line)![1])).sort((a, b) => a - b);
}

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i);

t.test('a file goes in once, whatever becomes of the daemon', async (t) => {
  // Stopped, and its data verified, before the directory goes.
  t.teardown(() => daemon.stop());
  const directory = t.testdir();
  const count = 15_000;
  writeFileSync(
    `${directory}/x.ndjson`,
    upTo(count)
      .map((n) => `{"source":"s-${n % 50}","message":"line ${n}"}\n`)
      .join(''),
  );
  const daemon = await startDaemon(`${directory}/data`);
  let isDone = false;
  const ingesting = runCli(['ingest', `${directory}/x.ndjson`, '--batch-bytes', '8k'], {
    env: { SEGLOG_SERVER: daemon.url },
  }).finally(() => {
    isDone = true;
  });
  for (let kills = 1; kills <= KILLS; kills++) {
    await until(
      'it has come on',
      async () => isDone || (await daemon.stored()) > (kills * count) / (KILLS + 2),
    );
    await daemon.killAndRestart();
  }
  const { code, stderr } = await ingesting;
  t.equal(code, 0, stderr);
  t.match(stderr, /trying again/);
  t.same(await numbers(daemon.url), upTo(count));
});

t.test(
  'a followed file goes in once, whatever becomes of the daemon, of the file and of who follows',
  async (t) => {
    t.teardown(() => daemon.stop());
    const directory = t.testdir();
    const file = `${directory}/app.log`;
    const daemon = await startDaemon(`${directory}/data`);
    let written = 0;
    const write = (lines: number) => {
      appendFileSync(
        file,
        upTo(lines)
          .map(() => `line ${written++}\n`)
          .join(''),
      );
    };
    const follow = () => {
      const args = [
        'ingest',
        '--follow',
        '--format',
        'text',
        '--batch-bytes',
        '2k',
        '--state',
        `${directory}/states`,
      ];
      const child = startCli([...args, file], { SEGLOG_SERVER: daemon.url });
      // Also where the test ends before its time.
      t.teardown(() => child.kill('SIGKILL'));
      return { child, end: ended(child) };
    };
    write(1000);
    for (let round = 0; round < KILLS; round++) {
      const { child, end } = follow();
      const target = written - 800;
      await until('some of it is stored', async () => (await daemon.stored()) >= target);
      if (round === 1) await daemon.killAndRestart();
      write(500);
      child.kill('SIGKILL');
      await end;
      write(500);
      renameSync(file, `${directory}/app.log.${KILLS - round}`);
      write(500);
    }
    const { child, end } = follow();
    await until('all of it is stored', async () => (await daemon.stored()) >= written);
    child.kill('SIGINT');
    t.match(await end, { code: 0, stderr: /interrupted; .*app\.log is stored up to line/ });
    t.same(await numbers(daemon.url), upTo(written));
  },
);
