/**
 * The program as two scripts without imports but Node's own, one for the main thread and one for its workers, and the
 * native addons that they load.
 */
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Plugin } from 'esbuild';
import type { BuildFacts } from '../src/cli/build-facts.ts';
import type { Addon } from './runtime/addon-directory.ts';

const require = createRequire(import.meta.url);
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export interface Bundle {
  readonly main: string;
  readonly worker: string;
  readonly addons: readonly (Addon & { path: string })[];
  /** What all of these were made of. */
  readonly sources: readonly string[];
}

export async function makeBundle(facts: BuildFacts): Promise<Bundle> {
  const addons = new Map<string, Addon & { path: string }>();
  const common: BuildOptions = {
    bundle: true,
    write: false,
    metafile: true,
    absWorkingDir: here('..'),
    platform: 'node',
    target: `node${process.versions.node}`,
    format: 'cjs',
    minifyWhitespace: true,
    minifySyntax: true,
    legalComments: 'none',
    logLevel: 'error',
    // With it piscina lowers the priority of threads, where it is asked to.
    external: ['@napi-rs/nice'],
    // The package names this file to nobody but itself.
    alias: { 'piscina/dist/worker.js': join(dirname(require.resolve('piscina')), 'worker.js') },
    define: {
      // There is no file: what asks for its own finds what a plugin put in that place.
      'import.meta.url': '"file:///seglog/main.js"',
      'import.meta.dirname': '"/seglog"',
      'import.meta.filename': '"/seglog/main.js"',
      SEGLOG_BUILD: JSON.stringify(facts),
    },
  };
  const entries = { main: here('runtime/main.ts'), worker: here('runtime/worker.ts') };
  const sources = new Set<string>();
  const bundle = async (name: keyof typeof entries, plugins: Plugin[]) => {
    const made = await build({ ...common, entryPoints: [entries[name]], plugins });
    for (const path of Object.keys(made.metafile!.inputs))
      sources.add(resolve(here('..'), path.replace(/^\w+:/, '')));
    return made.outputFiles![0]!.text;
  };
  const plugins = [nativeAddons(addons), bundledRequire()];
  const main = await bundle('main', [...plugins, bundledThreads()]);
  const worker = await bundle('worker', plugins);
  return { main, worker, addons: [...addons.values()], sources: [...sources] };
}

/** A `.node` file becomes an asset, and its import a call that unpacks and loads it. */
function nativeAddons(found: Map<string, Addon & { path: string }>): Plugin {
  const loader = JSON.stringify(here('runtime/native-addon.ts'));
  return {
    name: 'native-addons',
    setup(build) {
      build.onLoad({ filter: /\.node$/, namespace: 'file' }, ({ path }) => {
        const sha256 = hash('sha256', readFileSync(path), 'hex');
        const file = `${basename(path, '.node')}-${sha256.slice(0, 16)}.node`;
        found.set(file, { file, sha256, path });
        return { contents: `module.exports = require(${loader}).loadAddon(${JSON.stringify(file)})` };
      });
      // It looks for an addon at run time: here it is looked for now.
      build.onResolve({ filter: /^node-gyp-build$/ }, ({ importer }) => ({
        path: require('node-gyp-build').path(dirname(importer)),
        namespace: 'prebuilt',
      }));
      build.onLoad({ filter: /.*/, namespace: 'prebuilt' }, ({ path }) => ({
        contents: `module.exports = () => require(${JSON.stringify(path)})`,
        resolveDir: dirname(path),
      }));
      // Those of other platforms are asked for in vain.
      build.onResolve({ filter: /-(linux|darwin|win32|android|freebsd|openharmony|wasm32)-/ }, ({ path }) => {
        try {
          require.resolve(path);
          return undefined;
        } catch {
          return { path, external: true };
        }
      });
    },
  };
}

function bundledRequire(): Plugin {
  return {
    name: 'bundled-require',
    setup(build) {
      build.onResolve({ filter: /^node:module$/ }, ({ importer }) =>
        importer.startsWith(here('../src/')) ? { path: here('runtime/bundled-module.ts') } : undefined,
      );
    },
  };
}

function bundledThreads(): Plugin {
  return {
    name: 'bundled-threads',
    setup(build) {
      build.onResolve({ filter: /^node:worker_threads$/ }, ({ importer }) =>
        importer.includes('/node_modules/piscina/')
          ? { path: here('runtime/bundled-threads.ts') }
          : undefined,
      );
    },
  };
}
