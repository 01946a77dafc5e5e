import type { FileSystem } from '../files/file-system.ts';

/** What a task works with. */
export interface TaskContext {
  readonly fileSystem: FileSystem;
  /**
   * Counts bytes that were read or written, and waits as the I/O rate demands. Throws TASK_CANCELLED when nobody wants the
   * result any more. To be called at least once a MiB.
   */
  pace(bytes: number): Promise<void>;
}
