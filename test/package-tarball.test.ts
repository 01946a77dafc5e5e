/**
 * The package as its users get it: packed from a clean copy of the sources, installed into an empty project, and used
 * there from JavaScript, from TypeScript and as a command.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const packageJson = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
/** Outside of the checkout: no package of ours lies above it. */
const work = mkdtempSync(join(tmpdir(), 'seglog-package-'));
t.teardown(() => rmSync(work, { recursive: true, force: true }));
const project = join(work, 'project');
const copy = join(work, 'copy');
/** What `npm run build:binary` made lies there, too. */
const executable = join(copy, 'dist/seglog-linux-x64');
/** What npm is told about this checkout is nothing to a project. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS$|TAP)/.test(name)),
);

const [packed] = pack();
installIn(project);

/** From a copy without what was built here before, but with something of sources that are gone: its own scripts build it. */
function pack(): { filename: string; files: { path: string; mode: number }[] }[] {
  for (const each of [
    ...packageJson.files,
    'package.json',
    'src',
    'binary',
    ...globSync('tsconfig*', { cwd: ROOT }),
  ]) {
    if (!/^(!|dist)/.test(each)) cpSync(ROOT + each, join(copy, each), { recursive: true });
  }
  for (const name of readdirSync(`${ROOT}src`)) {
    mkdirSync(join(copy, 'dist', name), { recursive: true });
    writeFileSync(join(copy, 'dist', name, 'gone.js'), '');
  }
  writeFileSync(executable, '');
  symlinkSync(`${ROOT}node_modules`, join(copy, 'node_modules'));
  const output = execFileSync('npm', ['pack', '--json', '--pack-destination', work], {
    cwd: copy,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env,
  });
  // Before it stands what its scripts print.
  return JSON.parse(output.slice(output.indexOf('[\n')));
}

function installIn(directory: string): void {
  cpSync(fileURLToPath(new URL('fixtures/project', import.meta.url)), directory, { recursive: true });
  const types = `@types/node@${packageJson.devDependencies['@types/node']}`;
  const args = ['install', '--prefer-offline', '--no-audit', '--no-fund', `../${packed!.filename}`, types];
  execFileSync('npm', args, { cwd: directory, stdio: 'pipe', env });
}

const node = (...args: string[]) =>
  spawnSync(process.execPath, args, { cwd: project, encoding: 'utf8', env });

t.test(
  'it has what is built of each source, the types of the engine, the documents, and nothing else',
  async (t) => {
    const sources = globSync('**/*.ts', { cwd: `${ROOT}src` })
      .filter((path) => path !== 'cli/demo.ts')
      .map((path) => path.replace(/\.ts$/, ''));
    const wanted = [
      ...[
        'package.json',
        'LICENSE',
        'README.md',
        'ARCHITECTURE.md',
        'CHANGELOG.md',
        'bench/README.md',
        'dist/commit',
      ],
      ...globSync('docs/*.md', { cwd: ROOT }),
      ...sources.map((path) => `dist/${path}.js`),
      ...sources.filter((path) => path.startsWith('engine/')).map((path) => `dist/${path}.d.ts`),
    ];
    t.same(packed!.files.map(({ path }) => path).sort(), wanted.sort());
  },
);

t.test('an executable that was built before is still there', async (t) => {
  t.ok(existsSync(executable));
});

t.test('it brings no package that it does not name, and runs no script when it is installed', async (t) => {
  const installed = JSON.parse(readFileSync(join(project, 'node_modules/seglog/package.json'), 'utf8'));
  t.same(installed.dependencies, packageJson.dependencies);
  for (const name of ['preinstall', 'install', 'postinstall']) t.notOk(installed.scripts[name], name);
});

t.test('its command is there, and runs', async (t) => {
  const { stdout, status } = spawnSync(join(project, 'node_modules/.bin/seglog'), ['--version'], {
    cwd: project,
    encoding: 'utf8',
    env,
  });
  t.equal(status, 0);
  t.match(stdout, new RegExp(`^seglog ${packageJson.version} \\(commit \\S+, Node v`));
});

t.test('it can be imported, and required, by its name', async (t) => {
  for (const file of ['use.mjs', 'use.cjs']) {
    const { stdout, stderr } = node(file, join(work, file));
    t.equal(stdout, '{"total":12}\n', stderr);
  }
});

t.test('the rest of it is nobody else’s', async (t) => {
  const { stderr } = node('--input-type=module', '--eval', `import 'seglog/dist/engine/engine.js'`);
  t.match(stderr, /ERR_PACKAGE_PATH_NOT_EXPORTED/);
  const { stdout } = node('--print', `require('seglog/package.json').version`);
  t.equal(stdout, `${packageJson.version}\n`);
});

t.test('TypeScript knows what it has, and what it has not', async (t) => {
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  const compiled = node(tsc, '--project', '.');
  t.equal(compiled.stdout, '');
  t.equal(compiled.status, 0);
  t.equal(node('use-typed.js', join(work, 'typed')).stdout, '{"total":12}\n');
  const source = readFileSync(join(project, 'use-typed.ts'), 'utf8');
  writeFileSync(join(project, 'use-typed.ts'), source.replace('partitions: 4', `partitions: 'four'`));
  t.match(node(tsc, '--project', '.').stdout, /use-typed\.ts\(\d+,\d+\): error TS2322/);
});

t.test('the example of README.md compiles, however strictly indexes are checked, and runs', async (t) => {
  const readme = readFileSync(`${ROOT}README.md`, 'utf8');
  const example = /^```js\n(import [^\n]* from 'seglog';\n.*?)^```$/ms.exec(readme)![1]!;
  writeFileSync(join(project, 'example.ts'), example);
  const config = JSON.parse(readFileSync(join(project, 'tsconfig.json'), 'utf8'));
  for (const noUncheckedIndexedAccess of [true, false]) {
    config.files = ['example.ts'];
    config.compilerOptions.noUncheckedIndexedAccess = noUncheckedIndexedAccess;
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config));
    const { stdout, status } = node(join(ROOT, 'node_modules/typescript/bin/tsc'), '--project', '.');
    t.equal(stdout, '');
    t.equal(status, 0);
  }
  t.match(node('example.js').stdout, /customer-7|63 75 73 74/);
});
