/** Tasks on the spot, but each begins when a test says so, and a test may let it fail. */
import { InlineTaskRunner } from '../../src/engine/background/inline-runner.ts';
import type { TaskName, TaskOptions, TaskRunner, Tasks } from '../../src/engine/background/task.ts';
import { SeglogError } from '../../src/engine/common/errors.ts';
import type { SimEngine } from './sim-engine.ts';

export interface HeldTask {
  readonly name: TaskName;
  readonly signal: AbortSignal | undefined;
  go(): void;
  fail(error: unknown): void;
}

export class HeldRunner implements TaskRunner {
  worthwhileBytes = 0;
  /** Asked for, in order. */
  readonly asked: HeldTask[] = [];
  readonly #inner: InlineTaskRunner;

  constructor({ disk, clock }: Pick<SimEngine, 'disk' | 'clock'>) {
    this.#inner = new InlineTaskRunner({ fileSystem: disk, clock, bytesPerSecond: -1 });
  }

  async run<K extends TaskName>(
    name: K,
    request: Tasks[K]['request'],
    options: TaskOptions = {},
  ): Promise<Tasks[K]['result']> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const { signal } = options;
    this.asked.push({ name, signal, go: resolve, fail: reject });
    signal?.addEventListener('abort', () => reject(new SeglogError('TASK_CANCELLED', 'given up')));
    await promise;
    return this.#inner.run(name, request, options);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
