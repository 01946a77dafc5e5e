/** What `seglog load` was told, and what it makes of it where it was told nothing. */
import { UsageError } from '../errors.ts';
import { humanDuration } from '../text.ts';
import type { LevelName, ServiceLevel } from './service-level.ts';

export type LoadMode = 'steady' | 'burst' | 'ramp' | 'mixed';

/** As commander gives them. Times are milliseconds. */
export interface LoadFlags {
  server?: string;
  connections: number;
  batchSize?: number;
  acks: string;
  createTopic?: boolean;
  partitions?: number;
  file?: string;
  template?: string;
  valueBytes: number;
  seed: number;
  keys?: number;
  skew: number;
  warmup: number;
  timeout: number;
  slo?: ServiceLevel;
  verify?: boolean;
  json?: boolean;
  html?: string;
}

export interface SteadyFlags extends LoadFlags {
  rate?: number;
  duration: number;
}

export interface BurstFlags extends SteadyFlags {
  baseRate: number;
  period: number;
  burstDuration?: number;
}

export interface RampFlags extends LoadFlags {
  from: number;
  step?: number;
  to: number;
  stepDuration: number;
}

export interface MixedFlags extends SteadyFlags {
  weights: Weights;
  query: string;
  fetchBytes: number;
}

export interface Weights {
  produce: number;
  consume: number;
  query: number;
}

/** Of requests beside those that are measured. */
export const timeoutOf = ({ timeout }: LoadFlags) => ({ timeoutMs: timeout, timeoutOption: '--timeout' });

/** The topic of a load that names none: it is made when it is not there. */
export const DEFAULT_TOPIC = 'load';
export const DEFAULT_PARTITIONS = 4;

const DEFAULT_KEYS = 64;

/** Lines of a file are themselves; what is made has a source, and that is its key. */
export function keysFor({ keys, file }: LoadFlags): number {
  return keys ?? (file === undefined ? DEFAULT_KEYS : 0);
}

/** A ramp needs something that breaks. */
const RAMP_LEVEL: readonly [LevelName, number][] = [
  ['p99', 100],
  ['errors', 0.001],
  ['rate', 0.95],
];

export function levelFor(mode: LoadMode, { slo }: LoadFlags): ServiceLevel {
  return new Map([...(mode === 'ramp' ? RAMP_LEVEL : []), ...(slo ?? [])]);
}

/** The rates of a ramp, in records a second. */
export function rampRates({ from, step, to }: RampFlags): number[] {
  if (to < from) throw new UsageError(`--to ${to} is less than --from ${from}`);
  const rates = [];
  // Without a step each rate is half as much again.
  for (let rate = from; rate <= to; rate = step === undefined ? Math.ceil(rate * 1.5) : rate + step)
    rates.push(rate);
  return rates;
}

/** How long the bursts are: a fifth of the period where nobody said. */
export function burstMsFor({ period, burstDuration, duration }: BurstFlags): number {
  const burstMs = burstDuration ?? period / 5;
  if (burstMs > period)
    throw new UsageError('--burst-duration is longer than --period: a burst is a part of it');
  if (duration <= period - burstMs)
    throw new UsageError(
      `no burst falls into --duration (${humanDuration(duration)}): each --period (${humanDuration(period)}) ends with its burst`,
    );
  return burstMs;
}
