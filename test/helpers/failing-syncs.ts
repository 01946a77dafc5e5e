/** The real file system, but syncing a file fails from when `state.fail` is set. */
import { type FileSystem, nodeFileSystem } from '../../src/engine/index.ts';

export function failingSyncs(state: { fail: boolean }): FileSystem {
  const open: FileSystem['open'] = async (path, mode) => {
    const handle = await nodeFileSystem.open(path, mode);
    return {
      path,
      read: (...args) => handle.read(...args),
      write: (...args) => handle.write(...args),
      truncate: (size) => handle.truncate(size),
      size: () => handle.size(),
      close: () => handle.close(),
      async sync() {
        if (state.fail) throw Object.assign(new Error('EIO: i/o error, fdatasync'), { code: 'EIO' });
        await handle.sync();
      },
    };
  };
  return Object.assign(Object.create(nodeFileSystem), { open });
}
