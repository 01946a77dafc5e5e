/** Tasks on the spot, but each begins when a test says so, and a test may let it fail. */
import type { TaskName } from '../../src/engine/background/task.ts';
import { SeglogError } from '../../src/engine/common/errors.ts';
import { HookedRunner } from './hooked-runner.ts';
import type { SimEngine } from './sim-engine.ts';

export interface HeldTask {
  readonly name: TaskName;
  readonly signal: AbortSignal | undefined;
  go(): void;
  fail(error: unknown): void;
}

export class HeldRunner extends HookedRunner {
  /** Asked for, in order. */
  readonly held: HeldTask[] = [];

  constructor(log: Pick<SimEngine, 'disk' | 'clock'>) {
    super(log);
    this.before = (name, { signal }) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.held.push({ name, signal, go: resolve, fail: reject });
      signal?.addEventListener('abort', () => reject(new SeglogError('TASK_CANCELLED', 'given up')));
      return promise;
    };
  }
}
