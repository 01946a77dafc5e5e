/** docs/operations.md lists every setting with its default and what it takes, and none that does not exist. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import { allSettings } from '../src/server/index.ts';

const page = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8');
const rows = new Map(
  [...page.matchAll(/^\| `([a-z.]+)` \| (.*?) \| (.*?) \| (.*) \|$/gm)].map(([, name, ...cells]) => [
    name!,
    cells,
  ]),
);

function takes(setting: ReturnType<typeof allSettings>[number]['setting']): string {
  if (setting.type === 'choice') return setting.choices.join(', ');
  if (setting.type === 'ratio') return '0 to 1';
  if (setting.type !== 'integer') return 'text';
  return `${setting.min} to ${setting.max === Number.MAX_SAFE_INTEGER ? '2^53-1' : setting.max}`;
}

t.test('every setting stands in the page as it is in the code', async (t) => {
  for (const { name, setting } of allSettings()) {
    t.same(rows.get(name), [String(setting.default) || '–', takes(setting), setting.description], name);
  }
});

t.test('the page names no setting that does not exist', async (t) => {
  const names = new Set(allSettings().map(({ name }) => name));
  for (const name of rows.keys()) t.ok(names.has(name), name);
});
