/** Statistics over log events as people read them: a histogram of bars, and tables. */
import type { Output } from './io.ts';
import { harmless, LEVEL_STYLES, type Paint } from './paint.ts';
import { table } from './text.ts';

export interface Statistics {
  total: number;
  firstSeen: string | null;
  lastSeen: string | null;
  byLevel: Record<string, number>;
  topSources: { source: string; count: number; firstSeen: string | null; lastSeen: string | null }[];
  intervalMs: number;
  histogram: { time: string; count: number; byLevel: Record<string, number> }[];
}

const NARROWEST_BAR = 10;
const WIDEST_BAR = 60;
const DEFAULT_COLUMNS = 80;
/** The gravest first: they are what bars are looked at for. */
const LEVEL_ORDER = ['FATAL', 'ERROR', 'WARN', 'INFO', 'DEBUG', 'TRACE'];

export function statisticsText(statistics: Statistics, output: Output, paint: Paint): string {
  const { total, firstSeen, lastSeen } = statistics;
  const span = firstSeen === null ? '' : ` from ${firstSeen} to ${lastSeen}`;
  const parts = [
    `${total} ${total === 1 ? 'event' : 'events'}${span}\n`,
    histogramText(statistics, output, paint),
    levelTable(statistics),
    sourceTable(statistics),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function histogramText({ histogram, intervalMs }: Statistics, output: Output, paint: Paint): string {
  if (histogram.length === 0) return '';
  const most = histogram.reduce((max, { count }) => Math.max(max, count), 0);
  const timeLength = intervalMs % 60_000 === 0 ? 16 : intervalMs % 1000 === 0 ? 19 : 23;
  const countLength = String(most).length;
  const room = (output.columns ?? DEFAULT_COLUMNS) - timeLength - countLength - 3;
  const width = Math.max(NARROWEST_BAR, Math.min(WIDEST_BAR, room));
  return histogram
    .map(({ time, count, byLevel }) => {
      const label = time.slice(0, timeLength).replace('T', ' ');
      const bar = barOf(byLevel, count, Math.ceil((count / most) * width) || 0, paint);
      return `${label}  ${String(count).padStart(countLength)} ${bar}`.trimEnd();
    })
    .join('\n')
    .concat('\n');
}

/** Parted by levels, where each that occurs has its share. */
function barOf(byLevel: Record<string, number>, count: number, width: number, paint: Paint): string {
  const levels = Object.entries(byLevel).sort(([a], [b]) => rank(a) - rank(b));
  let seen = 0;
  let drawn = 0;
  let bar = '';
  for (const [level, number] of levels) {
    seen += number;
    const end = Math.round((seen / count) * width);
    if (end > drawn) bar += paint(LEVEL_STYLES[level] ?? 'white', '█'.repeat(end - drawn));
    drawn = Math.max(drawn, end);
  }
  return bar;
}

const rank = (level: string) =>
  (LEVEL_ORDER.indexOf(level) + LEVEL_ORDER.length + 1) % (LEVEL_ORDER.length + 1);

function levelTable({ byLevel, total }: Statistics): string {
  const rows = Object.entries(byLevel).map(([level, count]) => [
    level === '' ? '(none)' : harmless(level),
    String(count),
    `${((count / total) * 100).toFixed(1)}%`,
  ]);
  return rows.length === 0 ? '' : table(['LEVEL', 'EVENTS', 'SHARE'], rows);
}

function sourceTable({ topSources }: Statistics): string {
  const rows = topSources.map(({ source, count, firstSeen, lastSeen }) => [
    source === '' ? '(none)' : harmless(source),
    String(count),
    firstSeen ?? '-',
    lastSeen ?? '-',
  ]);
  return rows.length === 0 ? '' : table(['SOURCE', 'EVENTS', 'FIRST', 'LAST'], rows);
}
