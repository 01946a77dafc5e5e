/** `seglog produce` while the daemon is killed under it, again and again: each line is stored, and once. */
import t from 'tap';
import { runCli } from '../helpers/cli.ts';
import { Daemon } from '../helpers/daemon.ts';
import { until } from '../helpers/until.ts';

const LINES = 40_000;
const KILLS = 3;
const lines = Array.from({ length: LINES }, (_, i) => `key-${i % 50}\tline ${i}`);

t.test('each line is stored once, whatever becomes of the daemon', async (t) => {
  // Stopped, and its data verified, before the directory goes.
  t.teardown(() => daemon.stop());
  const directory = `${t.testdir({ file: `${lines.join('\n')}\n` })}/data`;
  let daemon = await Daemon.start(directory);
  const { host } = new URL(daemon.url);
  const env = { SEGLOG_SERVER: daemon.url };
  const records = async (topic: string) => {
    const answer = await fetch(`${daemon.url}/api/topics`);
    const { topics } = (await answer.json()) as { topics: { name: string; records: number }[] };
    return topics.find(({ name }) => name === topic)?.records ?? 0;
  };
  const killUnderWay = async (topic: string, ended: () => boolean) => {
    for (let kills = 1; kills <= KILLS; kills++) {
      await until(
        'it has come on',
        async () => ended() || (await records(topic)) > (kills * LINES) / (KILLS + 2),
      );
      await daemon.kill('SIGKILL');
      daemon = await Daemon.start(directory, ['--listen', host]);
    }
  };
  for (const [topic, ...args] of [
    ['plain', '--partitions', '1'],
    ['keyed', '--partitions', '4', '-K', '\\t'],
  ] as const) {
    let ended = false;
    const file = `${directory}/../file`;
    const producing = runCli(['produce', topic, file, '--create-topic', '--batch-bytes', '4k', ...args], {
      env,
    });
    void producing.then(() => {
      ended = true;
    });
    await killUnderWay(topic, () => ended);
    const { code, stderr } = await producing;
    t.equal(code, 0, stderr);
    t.match(stderr, /trying again/);
    const format = topic === 'keyed' ? '%k\\t%s\\n' : '%s\\n';
    const { stdout } = await runCli(['consume', topic, '-o', 'beginning', '-e', '-f', format], { env });
    const stored = stdout.toString().split('\n').slice(0, -1);
    t.same(topic === 'keyed' ? stored.sort() : stored, topic === 'keyed' ? lines.toSorted() : lines, topic);
  }
});
