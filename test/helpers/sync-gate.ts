/** A file system whose syncs wait for a test's word, so that it sees what is and is not there before they are done. */
import type { FileSystem } from '../../src/engine/files/file-system.ts';
import { withHandles } from './overlay.ts';

export class SyncGate {
  #held: { readonly path: RegExp; readonly opened: PromiseWithResolvers<void> } | undefined;
  /** Syncs that wait now. */
  waiting = 0;

  /** From now on syncs of files whose path fits wait. */
  hold(path = /./): void {
    this.#held = { path, opened: Promise.withResolvers<void>() };
  }

  release(): void {
    this.#held?.opened.resolve();
    this.#held = undefined;
  }

  wrap(files: FileSystem): FileSystem {
    return withHandles(files, (file) => ({
      sync: async () => {
        if (this.#held?.path.test(file.path)) {
          this.waiting++;
          await this.#held.opened.promise;
          this.waiting--;
        }
        await file.sync();
      },
    }));
  }
}
