/**
 * Deliberate mistakes at the seam between the log and the disk, by name. Each is a log that forgets one of the things
 * that durability rests on; a harness that does not notice it proves nothing.
 */
import { errnoOf } from '../../src/engine/common/errors.ts';
import type { FileHandle, FileSystem } from '../../src/engine/files/file-system.ts';
import { overlay, withHandles } from '../helpers/overlay.ts';
import type { PlantedBug } from './harness.ts';
import { settled } from './sim-clock.ts';

const done = async () => {};

/** Answers the syncs of files of which the path fits without doing them. */
export function withoutSyncOf(name: string, path: RegExp): PlantedBug {
  return {
    name,
    wrap: (files) => withHandles(files, (file) => (path.test(file.path) ? { sync: done } : {})),
  };
}

export function withoutDirectorySyncOf(name: string, path: RegExp): PlantedBug {
  return {
    name,
    wrap: (files) =>
      overlay(files, {
        syncDirectory: async (directory) =>
          path.test(directory) ? undefined : files.syncDirectory(directory),
      }),
  };
}

/** The sync is done a little after it was answered: a short time of danger instead of a long one. */
export const answerBeforeSync: PlantedBug = {
  name: 'a sync is answered before it is done',
  wrap: (files) =>
    withHandles(files, (file) => ({
      sync: async () =>
        void settled()
          .then(() => file.sync())
          .catch(() => {}),
    })),
};

export const renameBeforeSync: PlantedBug = {
  name: 'a file gets its name before it is synced',
  wrap: (files) => {
    const late = new Set<string>();
    const written = withHandles(files, (file) => ({
      sync: async () => (file.path.endsWith('~') ? void late.add(file.path) : file.sync()),
    }));
    return overlay(written, {
      rename: async (from, to) => {
        await files.rename(from, to);
        if (!late.delete(from)) return;
        const file = await files.open(to, 'write');
        await file.sync();
        await file.close();
      },
    });
  },
};

export const retryFailedSync: PlantedBug = {
  name: 'a failed sync is tried again',
  wrap: (files) => withHandles(files, (file) => ({ sync: () => file.sync().catch(() => file.sync()) })),
};

export const retryFailedDirectorySync: PlantedBug = {
  name: 'a failed sync of a directory is tried again',
  wrap: (files) =>
    overlay(files, {
      syncDirectory: (path) => files.syncDirectory(path).catch(() => files.syncDirectory(path)),
    }),
};

export const trustShortWrites: PlantedBug = {
  name: 'a short write counts as whole',
  wrap: (files) =>
    withHandles(files, (file) => ({
      write: async (buffers, position) => {
        await file.write(buffers, position);
        return buffers.reduce((sum, buffer) => sum + buffer.length, 0);
      },
    })),
};

export const ignoreFullDisk: PlantedBug = {
  name: 'a write that found no space counts as done',
  wrap: (files) =>
    withHandles(files, (file) => ({
      write: (buffers, position) =>
        file.write(buffers, position).catch((error) => {
          if (errnoOf(error) !== 'ENOSPC') throw error;
          return buffers.reduce((sum, buffer) => sum + buffer.length, 0);
        }),
    })),
};

/** Cuts a sector more than it was asked to: into what was acknowledged. */
export const truncateTooMuch: PlantedBug = {
  name: 'a tail is cut below the floor',
  wrap: (files) =>
    withHandles(files, (file) => ({ truncate: (size) => file.truncate(Math.max(0, size - 512)) })),
};

/** A file of that name outlives its removal, as if the engine forgot about it. */
export function withoutRemovalOf(name: string, path: RegExp): PlantedBug {
  return {
    name,
    wrap: (files) =>
      overlay(files, { remove: async (target) => (path.test(target) ? undefined : files.remove(target)) }),
  };
}

/** As systems do it: who goes on with a file that was closed meets the one that was opened next. No mistake by itself. */
export function reusingDescriptors(files: FileSystem): FileSystem {
  const free: { handle: FileHandle }[] = [];
  return overlay(files, {
    open: async (path, mode) => {
      const handle = await files.open(path, mode);
      const slot = free.pop() ?? { handle };
      slot.handle = handle;
      return overlay(handle, {
        read: (...call) => slot.handle.read(...call),
        write: (...call) => slot.handle.write(...call),
        sync: () => slot.handle.sync(),
        truncate: (size) => slot.handle.truncate(size),
        size: () => slot.handle.size(),
        close: async () => {
          await handle.close();
          free.push(slot);
        },
      });
    },
  });
}
