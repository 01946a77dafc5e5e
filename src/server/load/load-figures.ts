/**
 * LoadFigures: what a load came to, as it is reported, and what kept it from more: pure functions of what was recorded.
 */
import type { CurvePoint, Percentiles } from './latency-histogram.ts';
import type { LoadInterval, LoadRecorder } from './load-recorder.ts';

/** Who was the limit. `connections` also where the server may have been: more of them would tell. */
export interface LoadLimit {
  by: 'generator' | 'connections' | 'server';
  text: string;
}

export interface LoadFigures {
  seconds: number;
  requests: {
    wanted: number;
    answered: number;
    failed: number;
    /** Of those that failed. */
    neverSent: number;
    wantedPerSecond: number;
    answeredPerSecond: number;
  };
  records: { count: number; bytes: number; perSecond: number; bytesPerSecond: number };
  /** How often each kind of error came. */
  errors: Record<string, number>;
  /** From when a request was due. */
  latencyMs: Percentiles;
  /** From when it was sent: what a closed loop would show. */
  serviceMs: Percentiles;
  /** How late the generator noticed that a request was due. */
  lagMs: Percentiles;
  kinds: Record<
    string,
    { answered: number; failed: number; records: number; bytes: number; latencyMs: Percentiles }
  >;
  connections: { limit: number; used: number; saturatedSeconds: number; mostWaiting: number };
  generator: { busy: number };
  /** Null where the rate was held, and by means to spare. */
  limit: LoadLimit | null;
  intervals: LoadInterval[];
  curves: { latency: CurvePoint[]; service: CurvePoint[] };
}

export interface LoadFacts {
  /** Of the schedule, without its warm-up; undefined where it was cut short. */
  durationMs: number | undefined;
  lanes: number;
  /** The part of the time in which the generator's thread did something, from 0 to 1. */
  busy: number;
}

export function figuresOf(recorder: LoadRecorder, { durationMs = 0, lanes, busy }: LoadFacts): LoadFigures {
  // The last request is due before the end: without the rest of the time the rate would be too good.
  const seconds = rounded(Math.max(recorder.elapsedMs, durationMs) / 1000);
  const wantedSeconds = durationMs === 0 ? seconds : durationMs / 1000;
  const perSecond = (count: number) => (seconds === 0 ? 0 : rounded(count / seconds));
  const latency = recorder.latency;
  const records = recorder.sum('records');
  const bytes = recorder.sum('bytes');
  const figures = {
    seconds,
    requests: {
      wanted: recorder.dueCount,
      answered: recorder.sum('answered'),
      failed: recorder.sum('failed'),
      neverSent: recorder.neverSentCount,
      wantedPerSecond: wantedSeconds === 0 ? 0 : rounded(recorder.dueCount / wantedSeconds),
      answeredPerSecond: perSecond(recorder.sum('answered')),
    },
    records: { count: records, bytes, perSecond: perSecond(records), bytesPerSecond: perSecond(bytes) },
    errors: errorsOf(recorder),
    latencyMs: latency.percentiles(),
    serviceMs: recorder.service.percentiles(),
    lagMs: recorder.lag.percentiles(),
    kinds: Object.fromEntries(
      [...recorder.kinds].map(([kind, { latency: own, ...sums }]) => [
        kind,
        { ...sums, latencyMs: own.percentiles() },
      ]),
    ),
    connections: {
      limit: lanes,
      used: recorder.lanesUsed,
      saturatedSeconds: rounded(recorder.saturatedMs / 1000),
      mostWaiting: recorder.mostWaiting,
    },
    generator: { busy: rounded(busy) },
    intervals: recorder.intervals,
    curves: { latency: latency.curve(), service: recorder.service.curve() },
  };
  return { ...figures, limit: limitOf(figures) };
}

function errorsOf({ errors, neverSentCount }: LoadRecorder): Record<string, number> {
  const all: [string, number][] = [...errors];
  if (neverSentCount > 0) all.push(['never sent', neverSentCount]);
  return Object.fromEntries(all.sort(([, a], [, b]) => b - a));
}

/** The generator's own delay that is not worth a word: a timer wakes once a millisecond. */
const HARMLESS_LAG_MS = 5;
/** Of its time: beyond that answers wait for their turn in it. */
const BUSY = 0.95;
/** Of the rate that is wanted. */
const HELD = 0.98;

type Judged = Pick<
  LoadFigures,
  'seconds' | 'requests' | 'errors' | 'latencyMs' | 'serviceMs' | 'lagMs' | 'connections' | 'generator'
>;

/** The server's own: it was not there, or could not. What is refused so comes back, and is sent, faster than what is done. */
const REFUSAL = /^(status )?5\d\d\b|^connection refused$/;

/** Looks at the generator first: nothing it says of the server counts where it was late itself, but for refusals. */
export function limitOf(figures: Judged): LoadLimit | null {
  const { latencyMs, lagMs, generator, connections, seconds, requests, serviceMs } = figures;
  if (requests.wanted === 0) return null;
  const lag = lagMs.p99 ?? 0;
  const refused = Object.entries(figures.errors).reduce(
    (sum, [kind, times]) => sum + (REFUSAL.test(kind) ? times : 0),
    0,
  );
  const late = lag > HARMLESS_LAG_MS && lag > (latencyMs.p99 ?? 0) / 2;
  if (refused <= (1 - HELD) * requests.wanted && (generator.busy > BUSY || late)) {
    const reason =
      generator.busy > BUSY
        ? `its thread was busy for ${percent(generator.busy)} of the time`
        : `it noticed requests ${shown(lag)} ms late (p99), busy for ${percent(generator.busy)} of the time: it was kept from running`;
    const text =
      `the load generator was the limit, not the server: ${reason}; what it measured is worse than what the server did, and ` +
      'a lower rate, larger batches, or another machine to send from tell more';
    return { by: 'generator', text };
  }
  if (connections.saturatedSeconds > seconds / 2) {
    const busy = percent(connections.saturatedSeconds / seconds);
    const { mean } = serviceMs;
    const carried =
      mean === null
        ? 'and nothing came back over them'
        : `at ${shown(mean)} ms a request (mean) they carry ${shown((connections.limit * 1000) / mean)} requests a second at the most`;
    const text =
      `${connections.limit === 1 ? 'the only connection was' : `all ${connections.limit} connections were`} ` +
      `busy for ${busy} of the time, ${carried}: ` +
      'with more connections either the rate rises, or the server is the limit';
    return { by: 'connections', text };
  }
  if (requests.answeredPerSecond < HELD * requests.wantedPerSecond) {
    const [answered, wanted] = [shown(requests.answeredPerSecond), shown(requests.wantedPerSecond)];
    const text = `the server answered only ${answered} of ${wanted} requests a second well`;
    return { by: 'server', text };
  }
  return null;
}

const rounded = (value: number) => Math.round(value * 1000) / 1000;
const percent = (share: number) => `${Math.round(share * 100)} %`;
const shown = (value: number) =>
  value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
