/**
 * Runs scans in worker threads. What is cancelled ends at its next batch; one that does not, because a regular expression runs
 * away, say, is ended with its thread.
 *
 * Over another file system than the real one (a simulated disk, one that counts) scans run in this thread.
 */
import { extname } from 'node:path';
import { Piscina } from 'piscina';
import type { FileSystem } from '../engine/index.ts';
import { scan } from './scan.ts';
import type { ScanAnswer, ScanFault, ScanRequest, ScanResult } from './scan-request.ts';
import { SearchKernel } from './search-kernel.ts';

export interface ScanRunner {
  /** How many scans make sense at a time. */
  readonly threads: number;
  /** Resolves to a fault, too; rejects when a scan failed. Once the signal aborts, it is 'cancelled' soon. */
  run(request: ScanRequest, signal: AbortSignal): Promise<{ result: ScanResult } | { fault: ScanFault }>;
  close(): Promise<void>;
}

/** How long a scan that was cancelled may take to notice. */
const GRACE_MS = 250;
/** Objects of a thread; its kernel's memory comes on top. */
const HEAP_LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 };
const IDLE_MS = 60_000;

export class ScanPool implements ScanRunner {
  readonly threads: number;
  readonly #pool: Piscina;

  constructor(threads: number) {
    this.threads = threads;
    this.#pool = new Piscina({
      // From src/ as from dist/.
      filename: `${import.meta.dirname}/scan-worker${extname(import.meta.filename)}`,
      name: 'runScan',
      minThreads: 0,
      maxThreads: threads,
      idleTimeout: IDLE_MS,
      resourceLimits: HEAP_LIMITS,
      recordTiming: false,
      execArgv: [],
    });
    // Each scan tells by itself what became of it.
    this.#pool.on('error', () => {});
  }

  /** A scan whose thread died is run again, once: it changes nothing. */
  async run(
    request: ScanRequest,
    signal: AbortSignal,
  ): Promise<{ result: ScanResult } | { fault: ScanFault }> {
    const end = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const giveUp = () => {
      timer = setTimeout(() => end.abort(), GRACE_MS);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      return await this.#ask(request, signal, end.signal).catch(() => this.#ask(request, signal, end.signal));
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    }
  }

  async #ask(
    request: ScanRequest,
    signal: AbortSignal,
    end: AbortSignal,
  ): Promise<{ result: ScanResult } | { fault: ScanFault }> {
    if (signal.aborted) return { fault: 'cancelled' };
    try {
      const answer: ScanAnswer = await this.#pool.run(request, { signal: end });
      if ('result' in answer || 'fault' in answer) return answer;
      throw new Error(`a scan failed: ${answer.error}`);
    } catch (error) {
      // Its thread was ended, perhaps.
      if (signal.aborted) return { fault: 'cancelled' };
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}

export class InlineScans implements ScanRunner {
  readonly threads = 1;
  readonly #fileSystem: FileSystem;
  readonly #kernel = new SearchKernel();
  #last: Promise<unknown> = Promise.resolve();

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  run(request: ScanRequest, signal: AbortSignal): Promise<{ result: ScanResult } | { fault: ScanFault }> {
    // One after the other: they share the kernel.
    const run = this.#last.then(() =>
      signal.aborted ? { fault: 'cancelled' as const } : scan(this.#fileSystem, this.#kernel, request),
    );
    this.#last = run.catch(() => {});
    return run;
  }

  async close(): Promise<void> {
    await this.#last;
  }
}
