/** What is built holds together. Needs a build, as `npm test` makes it; package-tarball.test.ts looks at what is published of it. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const packageJson = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
const skip = existsSync(`${ROOT}dist/cli/main.js`) ? false : 'it is not built: npm run build';

t.test('the built program runs by itself', { skip }, async (t) => {
  const main = ROOT + packageJson.bin.seglog;
  t.ok(statSync(main).mode & 0o100, 'it can be executed');
  const version = execFileSync(process.execPath, [main, '--version'], { encoding: 'utf8' });
  t.match(version, /^seglog (\S+) \(commit ([0-9a-f]{12}(-dirty)?|unknown), Node v\d/);
  t.equal(version.split(' ')[1], packageJson.version);
});

t.test('the built engine can be embedded under its name', { skip }, async (t) => {
  const script = `import { Engine } from 'seglog'; console.log(typeof Engine.open);`;
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  t.equal(output, 'function\n');
});

t.test('the built engine runs its work in threads', { skip }, async (t) => {
  const script = `
    import { Engine } from 'seglog';
    const ended = Promise.withResolvers();
    const observer = { taskEnded: ended.resolve };
    const engine = await Engine.open({ directory: process.argv[1], observer });
    await engine.createTopic('a', { config: { 'segment.bytes': 100_000 } });
    for (let i = 0; i < 5; i++) await engine.append('a', [{ value: 'x'.repeat(40_000) }]);
    console.log(JSON.stringify(await ended.promise));
    await engine.close();`;
  const output = execFileSync(
    process.execPath,
    ['--input-type=module', '--eval', script, join(t.testdir(), 'data')],
    { cwd: ROOT, encoding: 'utf8' },
  );
  t.match(JSON.parse(output), { task: 'seal', outcome: 'done' });
});
