import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { Engine } from '../../../src/engine/index.ts';
import { runCli } from '../../helpers/cli.ts';

const data = `${t.testdir()}/data`;
const engine = await Engine.open({ directory: data });
await engine.createTopic('a');
for (let i = 0; i < 3; i++) await engine.append('a', [{ key: 'k', value: `value ${i}` }]);
await engine.close();
const segment = `${data}/topics/a/0/00000000000000000000.log`;

t.test('a segment, by batches and by records', async (t) => {
  const { code, stdout, stderr } = await runCli(['dump', segment]);
  t.match({ code, stderr }, { code: 0, stderr: '' });
  t.equal(stdout.toString().match(/^batch at \d+: /gm)?.length, 3);
  const lines = (await runCli(['dump', '--records', '--json', segment])).stdout.toString().trim().split('\n');
  const records = lines.map((line) => JSON.parse(line)).filter((each) => each.kind === 'record');
  t.match(records, [
    { offset: 0, key: 'k', value: 'value 0' },
    { offset: 1, value: 'value 1' },
    { offset: 2, value: 'value 2' },
  ]);
});

t.test('damage is shown, what follows it too, and the exit code tells', async (t) => {
  const bytes = readFileSync(segment);
  const copy = `${t.testdir()}/00000000000000000000.log`;
  bytes[bytes.indexOf('value 1')]! ^= 1;
  writeFileSync(copy, bytes);
  const { code, stdout } = await runCli(['dump', '--records', copy]);
  t.equal(code, 1);
  t.match(stdout.toString(), /checksum/);
  t.match(stdout.toString(), /value 2/);
});

t.test('what cannot be read is named', async (t) => {
  t.match(await runCli(['dump', `${data}/nothing`]), {
    code: 1,
    stderr: `seglog: there is no ${data}/nothing\n`,
  });
  t.match(await runCli(['dump', data]), { code: 1, stderr: /is a directory/ });
});
