/** Bytes as a file that is only read. */
import type { FileHandle } from '../../src/engine/files/file-system.ts';

export function memoryFile(bytes: Buffer, path = ''): FileHandle {
  return {
    path,
    read: async (buffer, offset, length, position) =>
      bytes.copy(buffer, offset, position, Math.min(bytes.length, position + length)),
    write: async () => 0,
    sync: async () => {},
    truncate: async () => {},
    size: async () => bytes.length,
    close: async () => {},
  };
}
