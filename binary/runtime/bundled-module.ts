/**
 * Stands in the bundle for node:module, of which the program uses createRequire alone: what it asks for by name is in the
 * bundle, and comes to life when it is asked for.
 */
const MODULES: Readonly<Record<string, () => unknown>> = {
  'xxhash-addon': () => require('xxhash-addon'),
  'hash-wasm/dist/xxhash3.umd.min.js': () => require('hash-wasm/dist/xxhash3.umd.min.js'),
  snappy: () => require('snappy'),
  'lz4-napi': () => require('lz4-napi'),
};

export function createRequire(): (name: string) => unknown {
  return (name) => {
    const load = MODULES[name];
    if (load === undefined) throw new Error(`${name} is not in this executable`);
    return load();
  };
}
