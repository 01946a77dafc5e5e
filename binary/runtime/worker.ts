/**
 * What every worker thread of the single executable runs: piscina's side of it, and, by the names of their files, the
 * scripts that the program's pools give it.
 */
const SCRIPTS: Readonly<Record<string, () => unknown>> = {
  'worker.js': () => require('../../src/engine/background/worker.ts'),
  'index-worker.js': () => require('../../src/query/index-worker.ts'),
  'scan-worker.js': () => require('../../src/query/scan-worker.ts'),
};

// Piscina loads a script with the `require` of its own file, which here is that of the thread.
const requireBuiltin = globalThis.require;
globalThis.require = ((name: string) =>
  SCRIPTS[name.slice(name.lastIndexOf('/') + 1)]?.() ?? requireBuiltin(name)) as NodeJS.Require;

require('piscina/dist/worker.js');
