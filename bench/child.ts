/** A script in a process of its own that reports to this one, for what must start fresh, run beside or be killed. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

export class Child {
  readonly #process: ChildProcess;

  /** `script` lies in this directory; `args` reach it as one JSON argument, see `childArgs`. */
  constructor(script: string, args: unknown = {}) {
    const path = fileURLToPath(new URL(script, import.meta.url));
    this.#process = fork(path, [JSON.stringify(args)], { execArgv: [], serialization: 'advanced' });
    process.once('exit', this.#killNow);
  }

  /** The next message it sends; rejects when it ends instead. */
  async next<T>(): Promise<T> {
    const ending = new AbortController();
    const ended = once(this.#process, 'exit', { signal: ending.signal }).then(([code, signal]) => {
      throw new Error(`the child ended with ${code ?? signal}`);
    });
    ended.catch(() => {});
    try {
      const message = await Promise.race([once(this.#process, 'message'), ended]);
      return message[0] as T;
    } finally {
      ending.abort();
    }
  }

  /** Sends a message and resolves with the answer. */
  ask<T>(message: unknown): Promise<T> {
    const answer = this.next<T>();
    this.#process.send(message as object);
    return answer;
  }

  /** Resolves once it is gone by itself. */
  async ended(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null)
      await once(this.#process, 'exit');
    process.off('exit', this.#killNow);
  }

  /** Ends it with a signal; resolves once it is gone. */
  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    this.#process.kill(signal);
    await this.ended();
  }

  readonly #killNow = () => void this.#process.kill('SIGKILL');
}

/** In the child: what the parent gave it. */
export function childArgs<T>(): T {
  return JSON.parse(process.argv[2]!) as T;
}

/** In the child: tells the parent. */
export function tell(message: unknown): void {
  process.send!(message as object);
}
