/**
 * What a command may touch of the process that it runs in. Commands get it as an argument, so that a
 * test puts its own streams in the place of the real ones.
 */
import { once } from 'node:events';
import type { Readable, Writable } from 'node:stream';

export type Input = Readable & { isTTY?: boolean };
export type Output = Writable & { isTTY?: boolean; columns?: number };

export interface Io {
  readonly stdin: Input;
  /** Results, and nothing else. */
  readonly stdout: Output;
  /** Progress, notes and errors. */
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted by the first Ctrl-C or SIGTERM. A command that never asks for it is simply ended by them;
   *  one that did is ended by the second. */
  interruption(): AbortSignal;
  /** Has this done before the process ends because standard output takes no more: its reader has left (`| head`), or its disk is full. */
  onOutputLost(farewell: () => Promise<void>): void;
  /** Ends the process now, whatever still goes on in it. Only for work that could not be stopped in its time. */
  abandon(exitCode: number): void;
}

/** Writes, and waits until the stream takes more; gives up waiting once `signal` aborts. */
export async function write(output: Output, data: string | Uint8Array, signal?: AbortSignal): Promise<void> {
  if (output.write(data) || signal?.aborted) return;
  try {
    await once(output, 'drain', { signal });
  } catch (error) {
    if (!signal?.aborted) throw error;
  }
}

/** Writes, and resolves true once the system has taken all of it; false when it does not, or `signal` aborts before. */
export function writeAll(output: Output, data: Uint8Array, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return Promise.resolve(false);
  return new Promise((resolve) => {
    const giveUp = () => resolve(false);
    signal.addEventListener('abort', giveUp, { once: true });
    output.write(data, (error) => {
      signal.removeEventListener('abort', giveUp);
      // What is wrong is told by who listens for errors of the stream.
      resolve(!error);
    });
  });
}

/** The Io of this process; `outputLost` resolves once what was asked for is done. */
export function processIo(): Io & { outputLost(): Promise<void> } {
  let controller: AbortController | undefined;
  let farewell = async () => {};
  return {
    // Node opens each of these when it is first asked for.
    get stdin() {
      return process.stdin;
    },
    get stdout() {
      return process.stdout;
    },
    get stderr() {
      return process.stderr;
    },
    env: process.env,
    interruption() {
      if (controller === undefined) {
        const created = new AbortController();
        const interrupt = () => {
          process.removeListener('SIGINT', interrupt);
          process.removeListener('SIGTERM', interrupt);
          created.abort();
        };
        process.on('SIGINT', interrupt);
        process.on('SIGTERM', interrupt);
        controller = created;
      }
      return controller.signal;
    },
    onOutputLost(wanted) {
      farewell = wanted;
    },
    outputLost: () => farewell(),
    abandon: (exitCode) => process.exit(exitCode),
  };
}
