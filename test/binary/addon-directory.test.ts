import { hash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { addonDirectories, placeAddon } from '../../binary/runtime/addon-directory.ts';

const CODE = Buffer.from('native code');
const ADDON = { file: 'a.node', sha256: hash('sha256', CODE, 'hex') };
const content = () => CODE;

/** Below it everything is as the test makes it, and above it as users have it, wherever the checkout lies. */
function root(t: Test): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'seglog-addons-')));
  t.teardown(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

t.test('the first who needs it unpacks it, where nobody else can write', async (t) => {
  const directory = join(root(t), 'cache/seglog');
  const path = placeAddon(directory, ADDON, content);
  t.equal(path, join(directory, 'a.node'));
  t.equal(readFileSync(path, 'utf8'), 'native code');
  t.equal(statSync(directory).mode & 0o777, 0o700);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.same(readdirSync(directory), ['a.node'], 'nothing unfinished is left');
});

t.test('what is there and right is not written again', async (t) => {
  const directory = join(root(t), 'seglog');
  placeAddon(directory, ADDON, content);
  const unread = () => t.fail('it is asked for what it holds');
  t.equal(placeAddon(directory, ADDON, unread as never), join(directory, 'a.node'));
});

t.test('a file that holds something else, or that others can write to, is replaced', async (t) => {
  const directory = join(root(t), 'seglog');
  const path = placeAddon(directory, ADDON, content);
  const spoil: Record<string, () => void> = {
    'other code': () => writeFileSync(path, 'other code!'),
    'cut off': () => writeFileSync(path, 'native'),
    writable: () => chmodSync(path, 0o666),
    'a link': () => {
      writeFileSync(join(directory, '../elsewhere'), CODE);
      rmSync(path);
      symlinkSync('../elsewhere', path);
    },
  };
  for (const [what, change] of Object.entries(spoil)) {
    change();
    placeAddon(directory, ADDON, content);
    t.equal(readFileSync(path, 'utf8'), 'native code', what);
    t.equal(statSync(path).mode & 0o777, 0o600, what);
  }
});

t.test('a directory that others can write to is refused', async (t) => {
  const open = join(root(t), 'open');
  mkdirSync(open);
  for (const mode of [0o777, 0o1777, 0o770]) {
    chmodSync(open, mode);
    t.throws(() => placeAddon(open, ADDON, content), /others can write to it: chmod 700/, mode.toString(8));
    t.same(readdirSync(open), []);
  }
});

t.test('so is one below a directory in which others can rename it', async (t) => {
  const open = join(root(t), 'open');
  const mine = join(open, 'between/mine');
  mkdirSync(mine, { recursive: true, mode: 0o700 });
  for (const mode of [0o777, 0o770, 0o720]) {
    chmodSync(open, mode);
    t.throws(() => placeAddon(mine, ADDON, content), /open above it can be written to by others/);
  }
  for (const mode of [0o1777, 0o1770, 0o755, 0o711, 0o700]) {
    chmodSync(open, mode);
    t.doesNotThrow(() => placeAddon(mine, ADDON, content), mode.toString(8));
  }
});

t.test('what a killed process left is removed, but not what another may be at work on', async (t) => {
  const directory = root(t);
  const name = (file: string) => `${file}.0f8fad5b-d9cb-469f-a165-70867728950e`;
  const old = new Date(Date.now() - 2 * 3_600_000);
  for (const file of [name('a.node'), name('older.node'), 'older.node', name('notes')]) {
    writeFileSync(join(directory, file), '');
    utimesSync(join(directory, file), old, old);
  }
  writeFileSync(join(directory, name('b.node')), '');
  placeAddon(directory, ADDON, content);
  t.same(readdirSync(directory).sort(), ['a.node', name('b.node'), name('notes'), 'older.node'].sort());
});

t.test('a link to a directory counts as that directory', async (t) => {
  const base = root(t);
  mkdirSync(join(base, 'shared'));
  chmodSync(join(base, 'shared'), 0o777);
  symlinkSync('shared', join(base, 'seglog'));
  t.throws(() => placeAddon(join(base, 'seglog'), ADDON, content), /others can write to it/);
});

const noRoot = process.getuid?.() === 0 ? false : 'only root can give a directory away';
t.test('a directory of another user is refused', { skip: noRoot }, async (t) => {
  const foreign = join(root(t), 'foreign');
  mkdirSync(foreign, { mode: 0o700 });
  chownSync(foreign, 4711, 4711);
  t.throws(() => placeAddon(foreign, ADDON, content), /it belongs to another user/);
});

t.test('so is one below a directory of another user, who could rename it', { skip: noRoot }, async (t) => {
  const foreign = join(root(t), 'foreign');
  mkdirSync(join(foreign, 'mine'), { recursive: true, mode: 0o700 });
  chownSync(foreign, 4711, 4711);
  for (const mode of [0o755, 0o1777]) {
    chmodSync(foreign, mode);
    t.throws(
      () => placeAddon(join(foreign, 'mine'), ADDON, content),
      /foreign above it belongs to another user/,
    );
  }
});

t.test('what cannot be made is told', async (t) => {
  const base = root(t);
  writeFileSync(join(base, 'file'), '');
  t.throws(() => placeAddon(join(base, 'file/seglog'), ADDON, content), { code: 'ENOTDIR' });
  t.throws(() => placeAddon(join(base, 'file'), ADDON, content), /it is no directory/);
});

t.test('the user says where, or the places are those of users', async (t) => {
  const own = join(userInfo().homedir, '.cache/seglog');
  const both = { SEGLOG_CACHE_DIR: '/a', XDG_CACHE_HOME: '/b', HOME: '/c' };
  t.same(addonDirectories(both), ['/a'], 'no other place then');
  t.same(addonDirectories({ XDG_CACHE_HOME: '/b', HOME: '/c' }).slice(0, 2), [
    '/b/seglog',
    '/c/.cache/seglog',
  ]);
  t.same(
    addonDirectories({ XDG_CACHE_HOME: 'relative', HOME: '' }),
    [own],
    'by the list of users without HOME',
  );
  t.same(addonDirectories({ XDG_RUNTIME_DIR: '/run/user/1' }), [own, '/run/user/1/seglog']);
});
