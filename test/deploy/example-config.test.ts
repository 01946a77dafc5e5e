/** deploy/seglog.yaml is read by what reads every configuration, as it is and with all that it says. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { exampleConfig } from '../../deploy/example-config.ts';
import { loadConfig } from '../../src/server/config.ts';
import { allSettings } from '../../src/server/index.ts';

const FILE = fileURLToPath(new URL('../../deploy/seglog.yaml', import.meta.url));
const text = readFileSync(FILE, 'utf8');

t.test('it is what npm run build:config makes of the settings', async (t) => {
  t.equal(text, exampleConfig());
});

t.test('as it is, it sets nothing', async (t) => {
  const { entries } = loadConfig({ file: FILE });
  t.same(
    entries.filter((each) => each.source !== 'default'),
    [],
  );
});

t.test('it has every setting, and its default', async (t) => {
  const dir = t.testdir({ 'all.yaml': text.replace(/^#(?=[a-z.]+: )/gm, '') });
  const { entries } = loadConfig({ file: `${dir}/all.yaml` });
  t.same(
    entries.filter((each) => each.source !== 'file').map((each) => each.name),
    [],
  );
  for (const { name, value, default: initial } of entries) t.equal(value, initial, name);
  t.equal(entries.length, allSettings().length);
});

t.test('each has its description above it', async (t) => {
  for (const { name, setting } of allSettings()) {
    const line = new RegExp(`^# (.*)\\n#${name.replaceAll('.', '\\.')}: `, 'm').exec(text);
    t.ok(line?.[1]?.startsWith(setting.description), name);
  }
});
