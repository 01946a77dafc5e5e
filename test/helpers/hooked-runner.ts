/** Tasks on the spot over a simulated disk; a test may do something before each. */
import { InlineTaskRunner } from '../../src/engine/background/inline-runner.ts';
import type { TaskName, TaskOptions, TaskRunner, Tasks } from '../../src/engine/background/task.ts';
import type { SimEngine } from './sim-engine.ts';

export class HookedRunner implements TaskRunner {
  worthwhileBytes = 0;
  before: (name: TaskName, options: TaskOptions) => Promise<void> | void = () => {};
  /** Key maps that were filled. */
  readonly maps = new Set<SharedArrayBuffer>();
  /** How often tasks were asked for, by name. */
  readonly asked = { map: 0, rewrite: 0, seal: 0 };
  readonly #inner: InlineTaskRunner;

  constructor({ disk, clock }: Pick<SimEngine, 'disk' | 'clock'>) {
    this.#inner = new InlineTaskRunner({ fileSystem: disk, clock, bytesPerSecond: -1 });
  }

  async run<K extends TaskName>(
    name: K,
    request: Tasks[K]['request'],
    options: TaskOptions = {},
  ): Promise<Tasks[K]['result']> {
    this.asked[name]++;
    await this.before(name, options);
    if (name === 'map') this.maps.add((request as Tasks['map']['request']).map);
    return this.#inner.run(name, request, options);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
