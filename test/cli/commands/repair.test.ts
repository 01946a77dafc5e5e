import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { Engine } from '../../../src/engine/index.ts';
import { runCli } from '../../helpers/cli.ts';
import { Daemon } from '../../helpers/daemon.ts';

/** Ten records in batches of their own; the one with "value 4" is damaged, and no journal has it a second time. */
async function damagedDirectory(parent: string): Promise<string> {
  const data = `${parent}/data`;
  const engine = await Engine.open({ directory: data, settings: { 'journal.files': 0 } });
  await engine.createTopic('a');
  for (let i = 0; i < 10; i++) await engine.append('a', [{ value: `value ${i}` }]);
  await engine.close();
  const segment = `${data}/topics/a/0/00000000000000000000.log`;
  const bytes = readFileSync(segment);
  bytes[bytes.indexOf('value 4')]! ^= 1;
  writeFileSync(segment, bytes);
  return data;
}

t.test('without consent nothing is lost: it is listed, with the command that gives it up', async (t) => {
  const data = await damagedDirectory(t.testdir());
  const segment = `${data}/topics/a/0/00000000000000000000.log`;
  const before = readFileSync(segment);
  const { code, stdout } = await runCli(['repair', data]);
  t.equal(code, 1);
  t.match(stdout.toString(), /^lost +a partition 0 offsets 4–4 \(\d+ bytes\): /m);
  t.match(stdout.toString(), `seglog repair ${data} --accept-loss\n`);
  t.same(readFileSync(segment), before);
});

t.test('with consent the gap is recorded, the bytes are kept, and the rest is read', async (t) => {
  let daemon: Daemon | undefined;
  t.teardown(() => daemon?.stop());
  const data = await damagedDirectory(t.testdir());
  const { code, stdout } = await runCli(['repair', data, '--accept-loss']);
  t.equal(code, 0, stdout.toString());
  t.match(stdout.toString(), /^gave up a partition 0 offsets 4–4 .*, kept as \S+$/m);
  t.match(stdout.toString(), `\nwhat was cut is kept in ${data}/repair/`);
  t.match(stdout.toString(), /\nok: repaired\n$/);
  t.ok(existsSync(`${data}/repair`));
  t.match(await runCli(['verify', data]), { code: 0 });

  daemon = await Daemon.start(data);
  const env = { SEGLOG_SERVER: daemon.url };
  const read = await runCli(['consume', 'a', '-o', 'beginning', '-e', '-f', '%o '], { env });
  t.equal(read.stdout.toString(), '0 1 2 3 5 6 7 8 9 ');
  const described = await runCli(['topics', 'describe', 'a'], { env });
  t.match(described.stdout.toString(), /partition 0 lost offsets 4–4 to a repair on /);
});

t.test('as JSON', async (t) => {
  const data = await damagedDirectory(t.testdir());
  const { code, stdout } = await runCli(['repair', data, '--json']);
  t.equal(code, 1);
  t.match(JSON.parse(stdout.toString()), {
    ok: false,
    acceptLoss: false,
    losses: [{ firstOffset: 4, endOffset: 5 }],
  });
});

t.test('a directory that is sound, and one that a daemon has open', async (t) => {
  const data = `${t.testdir()}/data`;
  const daemon = await Daemon.start(data);
  t.match(await runCli(['repair', data]), { code: 1, stderr: /in use/ });
  await daemon.stop();
  const { code, stdout } = await runCli(['repair', data]);
  t.equal(code, 0);
  t.equal(stdout.toString(), 'ok: there was nothing to repair\n');
});
