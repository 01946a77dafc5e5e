/** File systems of which some methods are other ones than those of the file system below. */
import type { FileHandle, FileSystem } from '../../src/engine/files/file-system.ts';

/** Some methods of an object, to be put in the place of its own. */
export type Methods<T> = { [K in keyof T]?: T[K] };

/** The same object with some methods replaced. */
export function overlay<T extends object>(target: T, methods: Methods<T>): T {
  return new Proxy(target, {
    get(_, name) {
      const replaced = methods[name as keyof T];
      if (replaced !== undefined) return replaced;
      const value = target[name as keyof T];
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

/** A file system whose handles have some methods replaced. */
export function withHandles(
  files: FileSystem,
  change: (file: FileHandle) => Methods<FileHandle>,
): FileSystem {
  return overlay(files, {
    open: async (path, mode) => {
      const file = await files.open(path, mode);
      return overlay(file, change(file));
    },
  });
}
