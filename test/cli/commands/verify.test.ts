import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { Engine } from '../../../src/engine/index.ts';
import { runCli } from '../../helpers/cli.ts';
import { Daemon } from '../../helpers/daemon.ts';
import { until } from '../../helpers/until.ts';

async function dataDirectory(parent: string): Promise<string> {
  const data = `${parent}/data`;
  const engine = await Engine.open({ directory: data, settings: { 'journal.files': 0 } });
  await engine.createTopic('a');
  for (let i = 0; i < 10; i++) await engine.append('a', [{ value: `value ${i}` }]);
  await engine.close();
  return data;
}

/** Flips one bit of the record with this value. */
function damage(data: string, value: string): void {
  const segment = `${data}/topics/a/0/00000000000000000000.log`;
  const bytes = readFileSync(segment);
  bytes[bytes.indexOf(value)]! ^= 1;
  writeFileSync(segment, bytes);
}

t.test('a sound directory', async (t) => {
  const data = await dataDirectory(t.testdir());
  const { code, stdout, stderr } = await runCli(['verify', data]);
  t.match({ code, stderr }, { code: 0, stderr: '' });
  t.match(
    stdout.toString(),
    /^checked 1 topic, 1 partition, 1 segment, 10 batches, 10 records, .*closed cleanly\nok\n$/,
  );
  const report = JSON.parse((await runCli(['verify', data, '--json'])).stdout.toString());
  t.match(report, { ok: true, state: 'clean', counts: { records: 10 }, findings: [] });
});

t.test('damage is shown with its place, and told by the exit code', async (t) => {
  const data = await dataDirectory(t.testdir());
  damage(data, 'value 4');
  const { code, stdout } = await runCli(['verify', data]);
  t.equal(code, 1);
  t.match(stdout.toString(), /^damage +topics\/a\/0\/0+\.log bytes \d+–\d+, offsets 4–4: /m);
  t.match(stdout.toString(), `DAMAGED: 1 finding; see \`seglog repair ${data}\`\n`);
});

t.test('while a daemon runs on it', async (t) => {
  const data = await dataDirectory(t.testdir());
  const daemon = await Daemon.start(data);
  const { code, stdout } = await runCli(['verify', data]);
  await daemon.stop();
  t.equal(code, 0);
  t.match(
    stdout.toString(),
    /10 records, .*a process has it open\nok so far: 1 active segment is in use, .*stop the daemon to check all\n$/,
  );
});

t.test('while a daemon runs on it, what is sealed is checked and the rest is named', async (t) => {
  const data = `${t.testdir()}/data`;
  const engine = await Engine.open({ directory: data, topicDefaults: { 'segment.bytes': 16_384 } });
  await engine.createTopic('a');
  for (let i = 0; i < 4; i++) await engine.append('a', [{ value: 'x'.repeat(8000) }]);
  // Sealing goes on behind the appends, and the last one is in memory until it is drained.
  await until('all but the last segment are sealed', async () => {
    const segments = await engine.listSegments('a', 0);
    return segments.slice(0, -1).every(({ sealed }) => sealed);
  });
  const { code, stdout } = await runCli(['verify', data]);
  await engine.close();
  t.equal(code, 0);
  t.match(stdout.toString(), /\nok so far: 1 active segment is in use, .* was not checked; /);
});

t.test('what is no data directory', async (t) => {
  const { code, stderr } = await runCli(['verify', t.testdir()]);
  t.equal(code, 2);
  t.match(stderr, /is no data directory/);
});
