/** A setting that nothing reads is a promise that nobody keeps. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { SERVER_SETTINGS } from '../../src/server/settings.ts';

const SERVER = fileURLToPath(new URL('../../src/server/', import.meta.url));

t.test('every setting of the server is read somewhere', async (t) => {
  const files = readdirSync(SERVER, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.ts'),
  );
  const code = files
    .filter((name) => name !== 'settings.ts')
    .map((name) => readFileSync(join(SERVER, name), 'utf8'))
    .join('\n');
  for (const name of Object.keys(SERVER_SETTINGS)) {
    t.ok(code.includes(`settings['${name}']`) || code.includes(`settings.${name}`), name);
  }
});
