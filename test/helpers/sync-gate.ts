/** A file system whose syncs wait for a test's word, so that it sees what is and is not there before they are done. */
import type { FileSystem } from '../../src/engine/files/file-system.ts';
import { withHandles } from './overlay.ts';

export class SyncGate {
  #held: { path: RegExp; when: 'before' | 'after'; opened: PromiseWithResolvers<void> } | undefined;
  /** Syncs that wait now. */
  waiting = 0;

  /** From now on syncs of files whose path fits wait: before they do anything, or with what is done. */
  hold(path = /./, when: 'before' | 'after' = 'before'): void {
    this.#held = { path, when, opened: Promise.withResolvers<void>() };
  }

  release(): void {
    this.#held?.opened.resolve();
    this.#held = undefined;
  }

  wrap(files: FileSystem): FileSystem {
    return withHandles(files, (file) => ({
      sync: async () => {
        const held = this.#held?.path.test(file.path) ? this.#held : undefined;
        if (held?.when === 'before') await this.#wait(held.opened.promise);
        await file.sync();
        if (held?.when === 'after') await this.#wait(held.opened.promise);
      },
    }));
  }

  async #wait(opened: Promise<void>): Promise<void> {
    this.waiting++;
    await opened;
    this.waiting--;
  }
}
