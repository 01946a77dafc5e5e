/** A load's report as one HTML page that needs nothing beside itself: figures, tables, and plots as inline SVG. */
import type { CurvePoint, LoadInterval, Percentiles } from '../../server/index.ts';
import { humanBytes, humanDuration } from '../text.ts';
import {
  type Axis,
  type Chart,
  escapeHtml,
  type Line,
  linearAxis,
  lineChart,
  logAxis,
} from './line-chart.ts';
import { failuresOf, type LoadReport, type LoadStep } from './load-report.ts';
import { msText, rateText, verificationText } from './load-text.ts';
import { STYLE } from './report-style.ts';

export function reportPage(report: LoadReport): string {
  const shown = shownStep(report);
  const failures = failuresOf(report);
  const sections = [
    `<p class="verdict ${failures.length === 0 ? 'good' : 'bad'}">${escapeHtml(verdictOf(report, failures))}</p>`,
    ...notesOf(report).map((note) => `<p class="note">${escapeHtml(note)}</p>`),
    tilesOf(shown),
    ...(report.mode === 'ramp' ? [rampSection(report)] : []),
    percentileSection(report, shown),
    ...timeSections(report),
    latencySection(shown),
    ...errorSection(report),
  ];
  const title = escapeHtml(`seglog load ${report.mode}: ${report.title}`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>seglog load ${report.mode}</h1>
<p class="what">${escapeHtml(whatOf(report))}</p>
${sections.join('\n')}
</main>
</body>
</html>
`;
}

/** The one that the figures on top are of: of a ramp the highest rate that held. */
function shownStep({ steps }: LoadReport): LoadStep {
  return steps.findLast(({ held }) => held) ?? steps[0]!;
}

function whatOf(report: LoadReport): string {
  const { title, topic, partitions, server, acks, connections, warmUpSeconds, startedAt } = report;
  return `${title}, to topic ${topic} (partitions: ${partitions}) at ${server}; acks=${acks}, at most ${connections} connections, warm-up ${warmUpSeconds} s; ${startedAt}`;
}

function verdictOf(
  { mode, highestRate, interrupted, steps }: LoadReport,
  failures: readonly string[],
): string {
  const cut = interrupted ? 'Interrupted: what was measured by then. ' : '';
  if (failures.length > 0) return `${cut}Failed: ${failures.join('; ')}.`;
  if (mode === 'ramp') return `${cut}The highest rate that held the service level: ${highestRate} records/s.`;
  return (
    cut + (steps[0]!.level.length === 0 ? 'Done; no service level was asked for.' : 'The service level held.')
  );
}

/** What was the limit, what was checked, what was asked for. */
function notesOf({ steps, verification }: LoadReport): string[] {
  const last = steps.at(-1)!;
  const notes = last.level.map(
    ({ name, wanted, measured, held }) => `${name} ${wanted}: ${measured}, ${held ? 'held' : 'broken'}`,
  );
  if (last.limit !== null) notes.push(`At ${last.rate} a second ${last.limit.text}.`);
  if (verification !== null) notes.push(`Check of the log: ${verificationText(verification)}`);
  return notes;
}

function tilesOf({ requests, records, latencyMs }: LoadStep): string {
  const tiles: [string, string, string][] = [
    ['wanted', `${rateText(requests.wantedPerSecond)}`, 'requests/s'],
    ['achieved', `${rateText(requests.answeredPerSecond)}`, 'requests/s'],
    ['records', rateText(records.perSecond), `a second, ${humanBytes(records.bytesPerSecond)}/s`],
    ['p50', msText(latencyMs.p50), 'from when it was due'],
    ['p99', msText(latencyMs.p99), 'from when it was due'],
    ['failed', String(requests.failed), `of ${requests.wanted} requests`],
  ];
  const cells = tiles.map(
    ([name, value, unit]) =>
      `<div><span>${name}</span><strong>${escapeHtml(value)}</strong><small>${escapeHtml(unit)}</small></div>`,
  );
  return `<div class="tiles">${cells.join('')}</div>`;
}

function figure(id: string, heading: string, text: string, chart: Chart): string {
  const keys = chart.lines.map(({ name }, i) => `<li class="line-${i + 1}">${escapeHtml(name)}</li>`);
  return `<section id="${id}"><h2>${heading}</h2><p>${text}</p><ul class="legend">${keys.join('')}</ul>${lineChart(chart)}</section>`;
}

/** Equal distances are equal numbers of nines: 90 %, 99 %, 99.9 % … */
const ninesOf = (percentile: number) => 100 / (100 - percentile);

function percentileSection({ mode }: LoadReport, { curves, rate }: LoadStep): string {
  const end = Math.max(
    10,
    ...curves.latency.map(({ percentile }) => (percentile < 100 ? ninesOf(percentile) : 1)),
  );
  const lineOf = (name: string, points: readonly CurvePoint[]): Line => ({
    name,
    points: points.map(({ percentile, ms }) => ({
      // The maximum stands at the end.
      x: percentile < 100 ? ninesOf(percentile) : end,
      y: ms,
      title: `${name}: ${percentile < 100 ? `${Number(percentile.toFixed(4))} %` : 'maximum'} ${msText(ms)}`,
    })),
  });
  const lines = [
    lineOf('from when it was due', curves.latency),
    lineOf('from when it was sent', curves.service),
  ];
  const ticks = [1, 2, 10, 100, 1_000, 10_000, 100_000, 1_000_000].filter((nines) => nines <= end * 1.001);
  const x: Axis = {
    label: 'percentile',
    min: 1,
    max: end,
    ticks: ticks.map((at) => ({ at, label: `${Number((100 - 100 / at).toFixed(4))} %` })),
    log: true,
  };
  const of = mode === 'ramp' ? `, at ${rate} records/s` : '';
  return figure(
    'percentiles',
    `Latency by percentile${of}`,
    'From when a request was sent is what a client sees that waits for each answer before it sends the next; from when it was due is what all others see. Where the lines part, requests waited for their turn.',
    { title: 'Latency by percentile', x, y: latencyAxis(lines), lines },
  );
}

interface TimedInterval extends LoadInterval {
  /** Seconds since the first step began; of its middle. */
  at: number;
  seconds: number;
}

function timeSections({ steps }: LoadReport): string[] {
  const intervals: TimedInterval[] = [];
  let before = 0;
  for (const step of steps) {
    for (const each of step.intervals) {
      const at = before + (each.startMs + each.endMs) / 2000;
      intervals.push({ ...each, at, seconds: (each.endMs - each.startMs) / 1000 });
    }
    before += step.seconds;
  }
  const x = linearAxis('seconds', Math.max(before, 0.1), String);
  x.max = Math.max(before, 0.1);
  x.ticks = x.ticks.filter(({ at }) => at <= x.max);
  return [throughputSection(intervals, x), latencyOverTimeSection(intervals, x)];
}

function throughputSection(intervals: readonly TimedInterval[], x: Axis): string {
  const lineOf = (name: string, field: 'due' | 'answered' | 'failed'): Line => ({
    name,
    points: intervals.map((each) => {
      const y = each.seconds === 0 ? 0 : each[field] / each.seconds;
      return {
        x: each.at,
        y,
        title: `${timeText(each)} ${name}: ${rateText(y)} requests/s, ${each.waiting} waiting`,
      };
    }),
  });
  const failed = intervals.some((each) => each.failed > 0) ? [lineOf('failed', 'failed')] : [];
  const lines = [lineOf('answered', 'answered'), lineOf('wanted', 'due'), ...failed];
  const most = Math.max(1, ...lines.flatMap(({ points }) => points.map(({ y }) => y ?? 0)));
  return figure(
    'throughput',
    'Throughput over time',
    'Requests a second, as they were due and as they were answered.',
    {
      title: 'Throughput over time',
      x,
      y: linearAxis('requests/s', most, rateText),
      lines,
    },
  );
}

function latencyOverTimeSection(intervals: readonly TimedInterval[], x: Axis): string {
  const lineOf = (name: string, field: keyof Percentiles): Line => ({
    name,
    points: intervals.map((each) => ({
      x: each.at,
      y: each.latency[field],
      title: `${timeText(each)} ${name}: ${msText(each.latency[field])}`,
    })),
  });
  const lines = [lineOf('p50', 'p50'), lineOf('p99', 'p99'), lineOf('max', 'max')];
  return figure('latency', 'Latency over time', 'From when requests were due, by when they were answered.', {
    title: 'Latency over time',
    x,
    y: latencyAxis(lines),
    lines,
  });
}

const timeText = ({ at }: TimedInterval) => `${at.toFixed(1)} s`;

function latencyAxis(lines: readonly Line[]): Axis {
  const values = lines.flatMap(({ points }) => points.flatMap(({ y }) => y ?? []));
  const least = Math.max(
    0.01,
    values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY),
  );
  const most = values.reduce((a, b) => Math.max(a, b), 0.1);
  return logAxis('latency', Math.min(least, most), most, msText);
}

function rampSection({ steps }: LoadReport): string {
  const lineOf = (name: string, field: keyof Percentiles): Line => ({
    name,
    points: steps.map(({ rate, latencyMs, held }) => ({
      x: rate,
      y: latencyMs[field],
      title: `${rate} records/s, ${name}: ${msText(latencyMs[field])}, ${held ? 'held' : 'broken'}`,
    })),
  });
  const lines = [lineOf('p50', 'p50'), lineOf('p99', 'p99'), lineOf('max', 'max')];
  const x = linearAxis('records/s wanted', steps.at(-1)!.rate, rateText);
  const chart = { title: 'Latency by rate', x, y: latencyAxis(lines), lines };
  const rows = steps.map(({ rate, records, latencyMs, requests, held }) => [
    String(rate),
    rateText(records.perSecond),
    msText(latencyMs.p50),
    msText(latencyMs.p99),
    String(requests.failed),
    held ? 'held' : 'broken',
  ]);
  return `${figure('ramp', 'Latency by rate', 'Each point is a step of the ramp.', chart)}
${tableOf(['records/s', 'achieved', 'p50', 'p99', 'failed', 'service level'], rows)}`;
}

function latencySection({ latencyMs, serviceMs, lagMs, kinds, connections, generator }: LoadStep): string {
  const columns = ['mean', 'p50', 'p90', 'p95', 'p99', 'p999', 'max'] as const;
  const row = (name: string, from: Percentiles) => [name, ...columns.map((column) => msText(from[column]))];
  const several = Object.keys(kinds).length > 1;
  const rows = [
    row('from when it was due', latencyMs),
    ...(several ? Object.entries(kinds).map(([kind, figures]) => row(`… ${kind}`, figures.latencyMs)) : []),
    row('from when it was sent', serviceMs),
    row('noticed late by the generator', lagMs),
  ];
  const head = ['latency', ...columns.map((column) => (column === 'p999' ? 'p99.9' : column))];
  const used = `${connections.used} of ${connections.limit} connections used, all busy for ${humanDuration(connections.saturatedSeconds * 1000)}, at most ${connections.mostWaiting} requests waiting; the generator was busy for ${Math.round(generator.busy * 100)} % of the time.`;
  return `<section id="figures"><h2>Figures</h2>${tableOf(head, rows)}<p>${escapeHtml(used)}</p></section>`;
}

function errorSection({ steps }: LoadReport): string[] {
  const sums = new Map<string, number>();
  for (const { errors } of steps)
    for (const [kind, times] of Object.entries(errors)) sums.set(kind, (sums.get(kind) ?? 0) + times);
  if (sums.size === 0) return [];
  const rows = [...sums].map(([kind, times]) => [kind, String(times)]);
  return [`<section id="errors"><h2>Errors</h2>${tableOf(['kind', 'requests'], rows)}</section>`];
}

function tableOf(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[], tag: string) =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeHtml(cell)}</${tag}>`).join('')}</tr>`;
  return `<div class="wide"><table><thead>${line(head, 'th')}</thead><tbody>${rows.map((row) => line(row, 'td')).join('')}</tbody></table></div>`;
}
