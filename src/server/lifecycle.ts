/**
 * What the server is doing: starting (the engine recovers), running, or stopping. Routes get the engine, its consumer groups
 * and the search here, so none of them can use these before they are open or after they began to close.
 */
import type { Engine, GroupCoordinator } from '../engine/index.ts';
import type { LogSearch } from '../query/index.ts';
import { HttpProblem } from './error-mapping.ts';

export type Phase = 'starting' | 'running' | 'stopping';

const REASONS: Readonly<Record<Exclude<Phase, 'running'>, string>> = {
  starting: 'The log is being opened and recovered; try again shortly.',
  stopping: 'The server is stopping; try another one, or this one once it is back.',
};

export class Lifecycle {
  #phase: Phase = 'starting';
  #engine: Engine | undefined;
  #groups: GroupCoordinator | undefined;
  #search: LogSearch | undefined;
  readonly #onStop = new Set<() => void>();

  get phase(): Phase {
    return this.#phase;
  }

  /** @throws HttpProblem not_ready while the engine is not open. */
  get engine(): Engine {
    if (this.#engine === undefined) throw notReady('starting');
    return this.#engine;
  }

  /** @throws HttpProblem not_ready while the engine is not open. */
  get groups(): GroupCoordinator {
    if (this.#groups === undefined) throw notReady('starting');
    return this.#groups;
  }

  /** The search over the engine's log events. @throws HttpProblem not_ready while it is not open. */
  get search(): LogSearch {
    if (this.#search === undefined) throw notReady('starting');
    return this.#search;
  }

  /** @throws HttpProblem not_ready unless requests are served. */
  assertRunning(): void {
    if (this.#phase !== 'running') throw notReady(this.#phase);
  }

  /** Without a search its routes are not ready. */
  opened(engine: Engine, groups: GroupCoordinator, search?: LogSearch): void {
    this.#engine = engine;
    this.#groups = groups;
    this.#search = search;
    if (this.#phase === 'starting') this.#phase = 'running';
  }

  /** From now on requests are refused; long polls are answered with what there is, and tails end. */
  stop(): void {
    this.#phase = 'stopping';
    for (const callback of this.#onStop) callback();
    this.#onStop.clear();
  }

  /** Calls back once when the stop begins (at once if it has); returns a function that takes it back. */
  onStop(callback: () => void): () => void {
    if (this.#phase === 'stopping') {
      callback();
      return () => {};
    }
    this.#onStop.add(callback);
    return () => this.#onStop.delete(callback);
  }
}

function notReady(phase: Exclude<Phase, 'running'>): HttpProblem {
  return new HttpProblem(
    'not_ready',
    REASONS[phase],
    { phase },
    phase === 'stopping' ? { connection: 'close' } : {},
  );
}
