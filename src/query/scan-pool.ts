/**
 * Runs scans in worker threads. What is cancelled ends at its next batch; one that does not, because a regular expression runs
 * away, say, is ended with its thread.
 *
 * Over another file system than the real one (a simulated disk, one that counts) scans run in this thread.
 */
import { extname } from 'node:path';
import { Piscina } from 'piscina';
import type { FileSystem } from '../engine/index.ts';
import { Admission } from './admission.ts';
import { type GroupedScan, scanGroup } from './scan-group.ts';
import type { ScanAnswer, ScanFault, ScanResult } from './scan-request.ts';
import { SearchKernel } from './search-kernel.ts';

export interface ScanRunner {
  /** How many scans make sense at a time. */
  readonly threads: number;
  /**
   * Does scans one after the other, and resolves to what came of each, faults as well; rejects when one failed. Once the signal aborts,
   * they are 'cancelled' soon. `slow`: they may run away, and must leave room for others.
   */
  run(scans: readonly GroupedScan[], signal: AbortSignal, slow: boolean): Promise<ScanOutcome[]>;
  close(): Promise<void>;
}

export type ScanOutcome = { readonly result: ScanResult } | { readonly fault: ScanFault };

/** How long a scan that was cancelled may take to notice. */
const GRACE_MS = 250;
/** Objects of a thread; its kernel's memory comes on top. */
const HEAP_LIMITS = { maxOldGenerationSizeMb: 256, maxYoungGenerationSizeMb: 32, stackSizeMb: 4 };
const IDLE_MS = 60_000;

export class ScanPool implements ScanRunner {
  readonly threads: number;
  readonly #pool: Piscina;
  /** Of several threads one is left for those that are not slow. */
  readonly #slow: Admission;

  constructor(threads: number) {
    this.threads = threads;
    this.#slow = new Admission(Math.max(1, threads - 1), Number.POSITIVE_INFINITY);
    this.#pool = new Piscina({
      // From src/ as from dist/.
      filename: `${import.meta.dirname}/scan-worker${extname(import.meta.filename)}`,
      name: 'runScans',
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

  async run(scans: readonly GroupedScan[], signal: AbortSignal, slow: boolean): Promise<ScanOutcome[]> {
    if (!slow) return this.#run(scans, signal);
    try {
      await this.#slow.enter(signal);
    } catch {
      return cancelled(scans);
    }
    try {
      return await this.#run(scans, signal);
    } finally {
      this.#slow.leave();
    }
  }

  /** Scans whose thread died are run again, once: they change nothing. */
  async #run(scans: readonly GroupedScan[], signal: AbortSignal): Promise<ScanOutcome[]> {
    const end = new AbortController();
    let timer: NodeJS.Timeout | undefined;
    const giveUp = () => {
      timer = setTimeout(() => end.abort(), GRACE_MS);
    };
    signal.addEventListener('abort', giveUp, { once: true });
    try {
      return await this.#ask(scans, signal, end.signal).catch(() => this.#ask(scans, signal, end.signal));
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', giveUp);
    }
  }

  async #ask(scans: readonly GroupedScan[], signal: AbortSignal, end: AbortSignal): Promise<ScanOutcome[]> {
    if (signal.aborted) return cancelled(scans);
    try {
      return outcomesOf(await this.#pool.run(scans, { signal: end }));
    } catch (error) {
      // Its thread was ended, perhaps.
      if (signal.aborted) return cancelled(scans);
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#pool.destroy();
  }
}

const cancelled = (scans: readonly GroupedScan[]): ScanOutcome[] => scans.map(() => ({ fault: 'cancelled' }));

function outcomesOf(answers: readonly ScanAnswer[]): ScanOutcome[] {
  return answers.map((answer) => {
    if ('error' in answer) throw new Error(`a scan failed: ${answer.error}`);
    return answer;
  });
}

export class InlineScans implements ScanRunner {
  readonly threads = 1;
  readonly #fileSystem: FileSystem;
  readonly #kernel = new SearchKernel();
  #last: Promise<unknown> = Promise.resolve();

  constructor(fileSystem: FileSystem) {
    this.#fileSystem = fileSystem;
  }

  run(scans: readonly GroupedScan[], signal: AbortSignal): Promise<ScanOutcome[]> {
    // One group after the other: they share the kernel.
    const run = this.#last.then(async () =>
      signal.aborted ? cancelled(scans) : outcomesOf(await scanGroup(this.#fileSystem, this.#kernel, scans)),
    );
    this.#last = run.catch(() => {});
    return run;
  }

  async close(): Promise<void> {
    await this.#last;
  }
}
