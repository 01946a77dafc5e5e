/**
 * The rules of the source tree that no compiler checks: who may import whom, and how long a file may grow.
 * ARCHITECTURE.md gives the reasons.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import ts from 'typescript';

const SRC = fileURLToPath(new URL('../src/', import.meta.url));

/** Lowest first: a layer imports those before it, through their doors. */
const LAYERS = ['engine', 'query', 'server', 'cli'];
/** The engine's folders, lowest first; its own files come last, and of these only the inspection's tools make use. */
const ENGINE_FOLDERS = [
  'common',
  'files',
  'format',
  'segment',
  'rewrite',
  'background',
  'partition',
  'directory',
  'commit',
  'recovery',
  'cleaning',
  '.',
  'groups',
  'inspection',
];
const ENGINE_PACKAGES = [
  'xxhash-addon',
  'hash-wasm',
  '@msgpack/msgpack',
  'lru-cache',
  'piscina',
  'snappy',
  'lz4-napi',
];
const MAX_LINES = 400;

interface Import {
  specifier: string;
  /** Erased before the program runs. */
  typeOnly: boolean;
}

interface Source {
  /** Relative to src/. */
  path: string;
  layer: string;
  lines: number;
  imports: Import[];
  /** Names such as `process.env` and `console.log` that the code uses. */
  globals: Set<string>;
}

const sources = readdirSync(SRC, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map(readSource);

function readSource(path: string): Source {
  const text = readFileSync(join(SRC, path), 'utf8');
  const source: Source = {
    path,
    layer: path.split('/')[0]!,
    lines: text.split('\n').length - 1,
    imports: [],
    globals: new Set(),
  };
  visit(ts.createSourceFile(path, text, ts.ScriptTarget.Latest), source);
  return source;
}

function visit(node: ts.Node, source: Source): void {
  if ((ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) && node.moduleSpecifier) {
    source.imports.push({
      specifier: (node.moduleSpecifier as ts.StringLiteral).text,
      typeOnly: isTypeOnly(node),
    });
  } else if (ts.isCallExpression(node) && isLoading(node.expression) && node.arguments[0]) {
    const [argument] = node.arguments;
    if (ts.isStringLiteral(argument)) source.imports.push({ specifier: argument.text, typeOnly: false });
  } else if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    source.globals.add(`${node.expression.text}.${node.name.text}`);
  }
  ts.forEachChild(node, (child) => visit(child, source));
}

function isTypeOnly(node: ts.ImportDeclaration | ts.ExportDeclaration): boolean {
  if (ts.isExportDeclaration(node)) return node.isTypeOnly;
  const clause = node.importClause;
  if (clause === undefined) return false;
  if (clause.phaseModifier === ts.SyntaxKind.TypeKeyword) return true;
  const names = clause.namedBindings;
  if (clause.name !== undefined || names === undefined || !ts.isNamedImports(names)) return false;
  return names.elements.length > 0 && names.elements.every((each) => each.isTypeOnly);
}

function isLoading(called: ts.Expression): boolean {
  return (
    called.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(called) && called.text === 'require')
  );
}

/** The path below src/ that a relative import leads to; undefined for packages. */
function targetOf(source: Source, { specifier }: Import): string | undefined {
  if (!specifier.startsWith('.')) return undefined;
  return relative(SRC, join(SRC, dirname(source.path), specifier));
}

const packageOf = (specifier: string): string => /^(@[^/]+\/)?[^/]+/.exec(specifier)![0];

t.test('every file lies in a layer', async (t) => {
  t.ok(sources.length > 0);
  for (const { path, layer } of sources) t.ok(LAYERS.includes(layer), path);
});

t.test('imports lead to the same layer, or through the door of a lower one', async (t) => {
  for (const source of sources) {
    for (const each of source.imports) {
      const target = targetOf(source, each);
      if (target === undefined) continue;
      // The program reads its own name and version there.
      if (target === '../package.json') continue;
      const layer = target.split('/')[0]!;
      const allowed =
        layer === source.layer ||
        (LAYERS.indexOf(layer) < LAYERS.indexOf(source.layer) && target === `${layer}/index.ts`);
      if (!allowed) t.fail(`${source.path} must not import ${target}`);
    }
  }
  t.pass('no import leads elsewhere');
});

t.test("the engine's folders import those before them", async (t) => {
  const rank = (path: string) => ENGINE_FOLDERS.indexOf(dirname(relative('engine', path)));
  for (const source of sources.filter(
    ({ layer, path }) => layer === 'engine' && path !== 'engine/index.ts',
  )) {
    t.ok(rank(source.path) >= 0, `${source.path} lies in a folder that has a place`);
    for (const each of source.imports) {
      const target = targetOf(source, each);
      if (target !== undefined && rank(target) > rank(source.path))
        t.fail(`${source.path} must not import ${target}`);
    }
  }
});

t.test('the engine needs nothing but Node and its own few packages', async (t) => {
  for (const source of sources.filter(({ layer }) => layer === 'engine')) {
    for (const { specifier } of source.imports) {
      const allowed =
        specifier.startsWith('.') ||
        specifier.startsWith('node:') ||
        ENGINE_PACKAGES.includes(packageOf(specifier));
      if (!allowed) t.fail(`${source.path} must not import ${specifier}`);
    }
  }
  t.pass('no other package is imported');
});

t.test('every package that is imported is a dependency', async (t) => {
  const { dependencies } = JSON.parse(readFileSync(join(SRC, '../package.json'), 'utf8'));
  for (const source of sources) {
    for (const { specifier } of source.imports) {
      if (specifier.startsWith('.') || specifier.startsWith('node:')) continue;
      const name = packageOf(specifier);
      if (!Object.hasOwn(dependencies, name)) t.fail(`${source.path} imports ${name}`);
    }
  }
  t.pass('all of them');
});

t.test('the environment is read, and things are printed, by the command line only', async (t) => {
  for (const { path, layer, globals } of sources) {
    if (layer === 'cli') continue;
    for (const name of globals) {
      const forbidden = name.startsWith('console.') || name === 'process.env' || name === 'process.exit';
      if (forbidden) t.fail(`${path} uses ${name}`);
      if (layer === 'engine' && /^process\.(stdout|stderr|stdin|argv|on|once)$/.test(name))
        t.fail(`${path} uses ${name}`);
    }
  }
  t.pass('nobody else does');
});

t.test('no file imports itself by way of others', async (t) => {
  const graph = new Map(
    sources.map((source) => [
      source.path,
      source.imports.filter((each) => !each.typeOnly).flatMap((each) => targetOf(source, each) ?? []),
    ]),
  );
  const state = new Map<string, 'open' | 'done'>();
  const follow = (path: string, way: readonly string[]): void => {
    if (state.get(path) === 'open') t.fail(`a cycle: ${[...way.slice(way.indexOf(path)), path].join(' → ')}`);
    if (state.has(path)) return;
    state.set(path, 'open');
    for (const target of graph.get(path) ?? []) follow(target, [...way, path]);
    state.set(path, 'done');
  };
  for (const path of graph.keys()) follow(path, []);
  t.pass('every file was followed');
});

t.test(`no file is longer than ${MAX_LINES} lines`, async (t) => {
  for (const { path, lines } of sources)
    if (lines > MAX_LINES) t.fail(`${path} has ${lines}: is it still one noun?`);
  t.pass('none');
});
