/** A steady load for the benchmarks, open loop: as `seglog load steady` sends it, with work of any kind. */
import type { LatencyHistogram } from '../src/server/load/latency-histogram.ts';
import { intervalFor, LoadRecorder } from '../src/server/load/load-recorder.ts';
import { loadClock, OpenLoop } from '../src/server/load/open-loop.ts';
import { Schedule } from '../src/server/load/schedule.ts';

/** In milliseconds. */
export interface Latencies {
  p50: number;
  p99: number;
  p999: number;
  max: number;
}

export function latenciesOf(histogram: LatencyHistogram): Latencies {
  const { p50, p99, p999, max } = histogram.percentiles();
  return { p50: p50!, p99: p99!, p999: p999!, max: max! };
}

const DONE = { kind: 'work', records: 1, bytes: 0 };

/**
 * Begins work at a fixed rate, at most `lanes` pieces at a time; each latency counts from when its work was due. `work`
 * begins a piece on a lane and calls `done` when it is finished.
 */
export async function steadyLoad(
  perSecond: number,
  seconds: number,
  lanes: number,
  work: (lane: number, done: () => void) => void,
): Promise<Latencies> {
  const ms = seconds * 1000;
  const recorder = new LoadRecorder(intervalFor(ms));
  const begin = (_index: number, lane: number, ended: (outcome: typeof DONE) => void) =>
    work(lane, () => ended(DONE));
  const schedule = new Schedule([{ perSecond, ms }]);
  await new OpenLoop({ schedule, lanes, recorder, clock: loadClock, begin }).run();
  return latenciesOf(recorder.latency);
}
