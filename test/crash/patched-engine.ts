/**
 * The engine with a deliberate mistake in its source: a second copy of its modules, of which some have a few words
 * replaced when they are loaded. A mistake whose words are not found any more is an error: it must move with the code.
 */
import { registerHooks } from 'node:module';
import type { Engine } from '../../src/engine/engine.ts';

export interface SourcePatch {
  /** A file of src/engine. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

const ENGINE = new URL('../../src/engine/', import.meta.url).href;
const planned = new Map<string, readonly SourcePatch[]>();
const applied = new Set<SourcePatch>();

registerHooks({
  resolve(specifier, context, next) {
    const found = next(specifier, context);
    const bug = context.parentURL?.startsWith(ENGINE) && new URL(context.parentURL).searchParams.get('bug');
    // Errors are told apart by their class: all copies share it.
    if (!bug || !found.url.startsWith(ENGINE) || found.url.endsWith('/errors.ts')) return found;
    return { ...found, url: withBug(found.url, bug) };
  },
  load(url, context, next) {
    const loaded = next(url, context);
    const bug = url.startsWith(ENGINE) && new URL(url).searchParams.get('bug');
    if (!bug) return loaded;
    const patches = planned.get(bug)!.filter(({ file }) => url.startsWith(`${ENGINE}${file}?`));
    return { ...loaded, source: patches.reduce(applyPatch, String(loaded.source)) };
  },
});

function applyPatch(source: string, patch: SourcePatch): string {
  const { file, find, replace } = patch;
  if (source.split(find).length !== 2)
    throw new Error(`${file} has not exactly one "${find}" to plant a bug in`);
  applied.add(patch);
  return source.replace(find, () => replace);
}

const withBug = (url: string, bug: string) => `${url.split('?')[0]}?bug=${encodeURIComponent(bug)}`;

/** A module of a copy that was loaded. */
export const loadPatchedModule = <T>(name: string, file: string): Promise<T> =>
  import(withBug(`${ENGINE}${file}`, name));

/** The Engine class of a copy with these patches; the same copy for the same name. */
export async function loadPatchedEngine(
  name: string,
  patches: readonly SourcePatch[],
): Promise<typeof Engine> {
  planned.set(name, patches);
  const module = (await import(withBug(`${ENGINE}engine.ts`, name))) as { Engine: typeof Engine };
  await import(withBug(`${ENGINE}groups/group-coordinator.ts`, name));
  for (const patch of patches)
    if (!applied.has(patch)) throw new Error(`the engine does not load ${patch.file}`);
  return module.Engine;
}
