/** RunningSet: the peers that make one promise, all up at the same time, so that they can be measured in turn. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Bench, Comparison, Result, Side } from '../harness.ts';
import type { Durability } from './peer.ts';
import type { FoundPeer } from './result-page.ts';
import { RunningPeer } from './running-peer.ts';

const run = promisify(execFile);

export interface Contender {
  peer: FoundPeer;
  durability: Durability;
}

export class RunningSet {
  readonly running: readonly RunningPeer[];
  /** Those that are not installed. */
  readonly absent: readonly FoundPeer[];

  private constructor(running: readonly RunningPeer[], absent: readonly FoundPeer[]) {
    this.running = running;
    this.absent = absent;
  }

  static async start(bench: Bench, contenders: readonly Contender[]): Promise<RunningSet> {
    const running: RunningPeer[] = [];
    const absent: FoundPeer[] = [];
    for (const { peer: each, durability } of contenders) {
      if (each.found.missing !== undefined) absent.push(each);
      else running.push(await RunningPeer.start(each.peer, durability, bench.directory()));
    }
    return new RunningSet(running, absent);
  }

  /** Compares seglog, which is the first, with the others: in each round each does its work once. */
  compare(
    bench: Bench,
    comparison: Omit<Comparison, 'candidate' | 'limits' | 'wanted'>,
    wanted: Comparison['wanted'],
    round: (running: RunningPeer) => Promise<number>,
  ): Promise<Result> {
    const sideOf = (running: RunningPeer): Side => ({
      name: running.peer.name,
      round: async () => {
        await syncAll();
        return round(running);
      },
    });
    const [seglog, ...others] = this.running.map(sideOf);
    const limits = others.map((side) => ({ side, wanted }));
    return bench.compare({ ...comparison, candidate: seglog!, limits });
  }

  async stop(): Promise<void> {
    for (const each of this.running) await each.stop();
  }
}

/** What one has left in the page cache is not to be written out in the next one's turn. */
export async function syncAll(): Promise<void> {
  await run('sync');
}
