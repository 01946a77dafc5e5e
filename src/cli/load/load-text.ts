/** A load's report in words, for people. */
import type { LoadFigures, Percentiles } from '../../server/index.ts';
import { harmless } from '../paint.ts';
import { count, humanBytes, humanDuration, table } from '../text.ts';
import type { LoadReport, LoadStep } from './load-report.ts';
import type { Verification } from './verification.ts';

/** "1.23 ms", "45.6 ms", "12.3 s"; "-" for none. */
export function msText(ms: number | null): string {
  if (ms === null) return '-';
  return ms >= 10_000 ? `${(ms / 1000).toFixed(1)} s` : `${significant(ms)} ms`;
}

export function rateText(perSecond: number): string {
  return perSecond >= 100 ? String(Math.round(perSecond)) : significant(perSecond);
}

/** Three digits, but whole numbers as they are. */
function significant(value: number): string {
  return value >= 100 ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
}

export function reportText(report: LoadReport): string {
  const { steps } = report;
  const parts = [headText(report)];
  if (report.mode === 'ramp') parts.push(rampText(report));
  const shown = report.mode === 'ramp' ? steps.findLast(({ held }) => held) : steps[0];
  if (shown !== undefined) parts.push(figuresText(report, shown));
  if (report.verification !== null) parts.push(`verify  ${verificationText(report.verification)}\n`);
  return parts.join('\n');
}

function headText({
  title,
  topic,
  partitions,
  server,
  acks,
  interrupted,
  warmUpSeconds,
}: LoadReport): string {
  const warmUp = warmUpSeconds === 0 ? '' : `, after ${significant(warmUpSeconds)} s of warm-up`;
  const cut = interrupted ? '; interrupted, and this is what was measured by then' : '';
  return `${title} to ${topic} (${count(partitions, 'partition')}) at ${server}, acks=${acks}${warmUp}${cut}\n`;
}

const PERCENTILES: readonly (readonly [keyof Percentiles, string])[] = [
  ['p50', 'p50'],
  ['p90', 'p90'],
  ['p95', 'p95'],
  ['p99', 'p99'],
  ['p999', 'p99.9'],
  ['max', 'max'],
];

function figuresText({ unit, errorDetails }: LoadReport, step: LoadStep): string {
  const { requests, records, errors, seconds, connections, generator, limit } = step;
  const lines: [string, string][] = [];
  const perRequest = requests.answered === 0 ? 1 : records.count / requests.answered;
  const both = (requestRate: number, recordRate: number) =>
    unit === 'records'
      ? `${rateText(recordRate)} records/s, ${rateText(requestRate)} requests/s`
      : `${rateText(requestRate)} requests/s`;
  lines.push(['wanted', both(requests.wantedPerSecond, requests.wantedPerSecond * perRequest)]);
  lines.push(['achieved', both(requests.answeredPerSecond, records.perSecond)]);
  lines.push([
    'in all',
    `${count(records.count, 'record')}, ${humanBytes(records.bytes)} (${humanBytes(records.bytesPerSecond)}/s) in ${count(requests.answered, 'request')}, ${humanDuration(seconds * 1000)}`,
  ]);
  lines.push([
    'failed',
    requests.failed === 0
      ? 'none'
      : `${requests.failed} of ${count(requests.wanted, 'request')}: ${errorsText(errors)}`,
  ]);
  for (const kind of Object.keys(errors)) {
    const detail = errorDetails[kind];
    if (detail !== undefined) lines.push(['', `${kind}: ${harmless(detail)}`]);
  }
  lines.push(['connections', connectionsText(connections)]);
  lines.push([
    'generator',
    `busy for ${Math.round(generator.busy * 100)} % of the time, late by ${msText(step.lagMs.p99)} (p99)`,
  ]);
  for (const { name, wanted, measured, held } of step.level)
    lines.push(['level', `${name} ${wanted}: ${measured}, ${held ? 'held' : 'BROKEN'}`]);
  if (limit !== null) lines.push(['limit', limit.text]);
  const width = Math.max(...lines.map(([name]) => name.length));
  const text = lines.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
  return `${text}\n${latencyTable(step)}`;
}

function errorsText(errors: Readonly<Record<string, number>>): string {
  return Object.entries(errors)
    .map(([kind, times]) => `${times} × ${kind}`)
    .join(', ');
}

function connectionsText({ limit, used, saturatedSeconds, mostWaiting }: LoadFigures['connections']): string {
  const waits =
    mostWaiting === 0 || saturatedSeconds === 0
      ? ''
      : `, all busy for ${humanDuration(saturatedSeconds * 1000)} with up to ${count(mostWaiting, 'request')} waiting`;
  return `${used} of ${limit} used${waits}`;
}

function latencyTable({ latencyMs, serviceMs, kinds }: LoadStep): string {
  const row = (name: string, from: Percentiles) => [name, ...PERCENTILES.map(([key]) => msText(from[key]))];
  const several = Object.entries(kinds).length > 1;
  const rows = [
    row('from when it was due', latencyMs),
    ...(several ? Object.entries(kinds).map(([kind, figures]) => row(`  ${kind}`, figures.latencyMs)) : []),
    row('from when it was sent', serviceMs),
  ];
  return table(['LATENCY', ...PERCENTILES.map(([, name]) => name)], rows);
}

function rampText({ steps, highestRate }: LoadReport): string {
  const rows = steps.map(({ rate, requests, records, latencyMs, held, level, limit }) => [
    String(rate),
    rateText(records.perSecond),
    msText(latencyMs.p50),
    msText(latencyMs.p99),
    String(requests.failed),
    held
      ? 'held'
      : `broken: ${brokenText(level)}${limit?.by === 'generator' ? '; the generator was the limit' : ''}`,
  ]);
  const head = ['RECORDS/S', 'ACHIEVED', 'P50', 'P99', 'FAILED', 'LEVEL'];
  const last = steps.at(-1);
  const words =
    highestRate === null
      ? 'no rate held the service level'
      : `highest rate that held: ${highestRate} records/s`;
  const more = last?.held ? ' (no higher one was tried)' : '';
  const blame =
    last !== undefined && !last.held && last.limit !== null
      ? `${last.rate} records/s: ${last.limit.text}\n`
      : '';
  return `${table(head, rows)}\n${words}${more}\n${blame}`;
}

function brokenText(level: LoadStep['level']): string {
  return level
    .filter(({ held }) => !held)
    .map(({ name, measured, wanted }) => `${name} ${measured}, not ${wanted}`)
    .join(', ');
}

/** What the check of the log came to; more than one line where something is wrong. */
export function verificationText(verification: Verification): string {
  const { ok, acknowledged, found, missing, duplicated, outOfOrder, unacknowledged, examples } = verification;
  if (verification.skipped) return `FAILED: ${verification.reason}`;
  const extra = unacknowledged === 0 ? '' : `; ${unacknowledged} more are there that nobody acknowledged`;
  const all = count(acknowledged, 'acknowledged record');
  if (ok) return `all ${all} are there, once, in order${extra} (those of the warm-up included)`;
  const faults = `${missing} missing, ${duplicated} twice, ${outOfOrder} out of order`;
  return [`FAILED: of ${all} ${found} are there, ${faults}${extra}`, ...examples].join('\n        ');
}
