/**
 * The service level that a load is to find: limits of latency, of errors, of the rate. What is not limited may be as it is.
 */
import { InvalidArgumentError } from 'commander';
import type { LoadFigures } from '../../server/index.ts';
import { parseDuration } from '../options.ts';

const LATENCIES = { p50: 'p50', p90: 'p90', p95: 'p95', p99: 'p99', 'p99.9': 'p999', max: 'max' } as const;
type LatencyName = keyof typeof LATENCIES;

export type LevelName = LatencyName | 'errors' | 'rate';

/** By what is limited: milliseconds at the most, the share of failed requests at the most, of the wanted rate at least. */
export type ServiceLevel = ReadonlyMap<LevelName, number>;

export interface JudgedLimit {
  name: LevelName;
  /** "≤ 50 ms" */
  wanted: string;
  measured: string;
  held: boolean;
}

/** "p99=50ms", "errors=0.1%", "rate=95%", for an option that may be given again. */
export function collectLevel(text: string, previous: ServiceLevel = new Map()): ServiceLevel {
  const [, name = '', value = ''] = /^([\w.]+)=(.+)$/.exec(text) ?? [];
  if (name === 'errors' || name === 'rate') return new Map([...previous, [name, parseShare(value)]]);
  if (Object.hasOwn(LATENCIES, name))
    return new Map([...previous, [name as LatencyName, parseDuration(value)]]);
  const names = `${Object.keys(LATENCIES).join('|')}=TIME, errors=PERCENT or rate=PERCENT`;
  throw new InvalidArgumentError(`It takes ${names}, such as p99=50ms.`);
}

function parseShare(text: string): number {
  const match = /^(\d+(?:\.\d+)?)%$/.exec(text);
  const share = Number(match?.[1]) / 100;
  if (!(share >= 0 && share <= 1)) throw new InvalidArgumentError('It takes a percentage such as 0.1%.');
  return share;
}

export function judgeLevel(level: ServiceLevel, figures: LoadFigures): JudgedLimit[] {
  return [...level].map(([name, limit]) => {
    if (name === 'errors') {
      const share = figures.requests.failed / Math.max(1, figures.requests.wanted);
      return {
        name,
        wanted: `≤ ${percent(limit)}`,
        measured: percent(share),
        held: share <= limit,
      };
    }
    if (name === 'rate') {
      const { answeredPerSecond, wantedPerSecond } = figures.requests;
      const share = wantedPerSecond === 0 ? 1 : answeredPerSecond / wantedPerSecond;
      return { name, wanted: `≥ ${percent(limit)}`, measured: percent(share), held: share >= limit };
    }
    const ms = figures.latencyMs[LATENCIES[name]];
    const measured = ms === null ? 'nothing' : `${Number(ms.toPrecision(3))} ms`;
    return { name, wanted: `≤ ${limit} ms`, measured, held: ms !== null && ms <= limit };
  });
}

const percent = (share: number) => `${Number((share * 100).toPrecision(3))} %`;
