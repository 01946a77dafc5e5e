/** Which directories become data directories, and which are left alone. */
import fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Engine } from '../../../src/engine/index.ts';
import { verifyNow } from '../../helpers/verify-after.ts';

const FOREIGN = { code: 'INVALID_REQUEST', message: /not empty and no data directory.*an empty or a new/ };

for (const [name, content] of [
  ['a file', { 'notes.txt': 'mine' }],
  ['a directory', { src: { 'main.c': 'int x;' } }],
  ['a file behind names that do no harm', { '.git': {}, 'lost+found': {}, topics1: 'x' }],
  ['a link that leads nowhere', { link: t.fixture('symlink', 'nowhere') }],
] as const) {
  t.test(`a directory with ${name} is refused, and left as it was`, async (t) => {
    const directory = t.testdir(content);
    const before = fs.readdirSync(directory);
    await t.rejects(Engine.open({ directory }), FOREIGN);
    t.same(fs.readdirSync(directory), before);
  });
}

t.test('the answer names what is in the way, and where to go instead', async (t) => {
  const directory = t.testdir({ 'notes.txt': 'mine' });
  await t.rejects(Engine.open({ directory }), {
    message: `${directory} is not empty and no data directory of seglog (there is "notes.txt", and no meta.json): name an empty or a new directory, such as ${join(directory, 'seglog')}`,
  });
});

for (const [name, content] of [
  ['nothing in it', {}],
  ['dot files and what the file system put there', { '.gitkeep': '', '.snapshots': {}, 'lost+found': {} }],
  ['what a start left that was killed early', { 'seglog.lock': '', 'meta.json~': '{', journal: {} }],
  ['other data directories in it', { demo: { 'meta.json': '{}' } }],
] as const) {
  t.test(`a directory with ${name} becomes a data directory`, async (t) => {
    const directory = t.testdir(content);
    await (await Engine.open({ directory })).close();
    await verifyNow(directory);
    // It is one now, whatever else is put there.
    fs.writeFileSync(join(directory, 'notes.txt'), 'mine');
    await (await Engine.open({ directory })).close();
    t.equal(fs.readFileSync(join(directory, 'notes.txt'), 'utf8'), 'mine');
  });
}
