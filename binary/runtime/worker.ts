/**
 * What every worker thread of the single executable runs: piscina's side of it, and, by the names of their files, the
 * scripts that the program's pools give it.
 */
import { basename } from 'node:path';

const SCRIPTS: Readonly<Record<string, () => unknown>> = {
  'worker.js': () => require('../../src/engine/background/worker.ts'),
  'index-worker.js': () => require('../../src/query/index-worker.ts'),
  'scan-worker.js': () => require('../../src/query/scan-worker.ts'),
};

/**
 * Takes the place of the thread's own, which would look for files, also below the directory in which the program was
 * started: a package that tries its addons one after the other would load code that anybody may have put there. In the
 * main thread Node gives a single executable nothing but its own modules; so does this.
 */
function requireBundled(name: string): unknown {
  const found = SCRIPTS[basename(name)]?.() ?? process.getBuiltinModule(name);
  if (found === undefined) throw new Error(`${name} is not in this executable`);
  return found;
}

globalThis.require = requireBundled as NodeJS.Require;

require('piscina/dist/worker.js');
