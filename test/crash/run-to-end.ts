/** Runs simulated work until it settles, letting simulated time pass whenever nothing else moves. */
import { Violation } from './oracle.ts';
import { type SimClock, settled } from './sim-clock.ts';
import type { SimFileSystem } from './sim-file-system.ts';

/** Turns of the event loop without a file call after which only a timer can bring anything forward. */
const IDLE_TURNS = 20;
const LONGEST_MS = 3_600_000;

/** Rejects with a Violation when the work hangs: an hour of simulated time has passed, or no timer is left. */
export async function runToEnd<T>(work: Promise<T>, files: SimFileSystem, clock: SimClock): Promise<T> {
  let done = false;
  const end = () => {
    done = true;
  };
  work.then(end, end);
  const deadline = clock.monotonic() + LONGEST_MS;
  for (let idle = 0, calls = -1; ; ) {
    await settled();
    if (done) return work;
    idle = calls === files.calls ? idle + 1 : 0;
    calls = files.calls;
    if (idle < IDLE_TURNS) continue;
    idle = 0;
    const wait = clock.nextTimerMs;
    if (wait === undefined || clock.monotonic() > deadline)
      throw new Violation('hangs: nothing is left to wait for');
    await clock.advance(wait);
  }
}
