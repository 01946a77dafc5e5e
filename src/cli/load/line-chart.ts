/**
 * LineChart: lines over an x axis as one SVG element, with axes, a grid, and a tooltip on each point. It needs no script, and
 * takes its colours from classes of the page around it (`line-1`, `line-2` …).
 */
export interface Tick {
  at: number;
  label: string;
}

export interface Axis {
  label: string;
  min: number;
  max: number;
  ticks: readonly Tick[];
  /** Values are above zero, and equal factors are equally far apart. */
  log?: boolean;
}

export interface Line {
  name: string;
  /** Null where there is no value: the line is broken there. */
  points: readonly { x: number; y: number | null; title: string }[];
}

export interface Chart {
  /** What it shows, for whoever cannot see it. */
  title: string;
  x: Axis;
  y: Axis;
  lines: readonly Line[];
}

const WIDTH = 860;
const HEIGHT = 300;
const LEFT = 64;
const RIGHT = 16;
const TOP = 12;
const BOTTOM = 44;

export function lineChart({ title, x, y, lines }: Chart): string {
  const toX = scaleOf(x, LEFT, WIDTH - RIGHT);
  const toY = scaleOf(y, HEIGHT - BOTTOM, TOP);
  const parts = [
    ...y.ticks.map(({ at, label }) => {
      const level = px(toY(at));
      return `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${level}" y2="${level}"/><text class="tick end" x="${LEFT - 8}" y="${level}" dy="0.32em">${escapeHtml(label)}</text>`;
    }),
    ...x.ticks.map(({ at, label }) => {
      const place = px(toX(at));
      return `<line class="grid" x1="${place}" x2="${place}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text class="tick" x="${place}" y="${HEIGHT - BOTTOM + 18}">${escapeHtml(label)}</text>`;
    }),
    `<text class="label" x="${(LEFT + WIDTH - RIGHT) / 2}" y="${HEIGHT - 6}">${escapeHtml(x.label)}</text>`,
    `<text class="label" transform="translate(14 ${(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)">${escapeHtml(y.label)}</text>`,
    ...lines.map((line, i) => lineSvg(line, i + 1, toX, toY)),
  ];
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">${parts.join('')}</svg>`;
}

type Scale = (value: number) => number;

function scaleOf({ min, max, log }: Axis, from: number, to: number): Scale {
  const position = log ? Math.log10 : (value: number) => value;
  const [low, high] = [position(min), position(max)];
  const span = high === low ? 1 : high - low;
  return (value) => {
    const share = (position(Math.max(min, Math.min(max, value))) - low) / span;
    return from + share * (to - from);
  };
}

function lineSvg({ points }: Line, number: number, toX: Scale, toY: Scale): string {
  let path = '';
  let dots = '';
  let drawing = false;
  for (const { x, y, title } of points) {
    if (y === null) {
      drawing = false;
      continue;
    }
    const [left, top] = [px(toX(x)), px(toY(y))];
    path += `${drawing ? 'L' : 'M'}${left} ${top}`;
    drawing = true;
    dots += `<circle cx="${left}" cy="${top}" r="5"><title>${escapeHtml(title)}</title></circle>`;
  }
  return `<g class="line-${number}"><path d="${path}"/>${dots}</g>`;
}

const px = (value: number) => String(Math.round(value * 10) / 10);

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}

const MOST_TICKS = 6;

/** From 0 to at least `max`, with ticks at round numbers. */
export function linearAxis(label: string, max: number, text: (value: number) => string): Axis {
  const step = niceStep(max / MOST_TICKS);
  const steps = Math.max(1, Math.ceil(max / step - 1e-9));
  const ticks = Array.from({ length: steps + 1 }, (_, i) => ({ at: i * step, label: text(i * step) }));
  return { label, min: 0, max: steps * step, ticks };
}

/** The round number (1, 2 or 5 times a power of ten) that is at least so large. */
function niceStep(least: number): number {
  if (!(least > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least * (1 - 1e-9)) ?? 10);
}

/** From at most `min` to at least `max`, both above zero, with ticks at 1, 2 and 5 times the powers of ten. */
export function logAxis(label: string, min: number, max: number, text: (value: number) => string): Axis {
  const ticks: Tick[] = [];
  const first = Math.floor(Math.log10(min) + 1e-9);
  const last = Math.ceil(Math.log10(Math.max(max, min * 2)) - 1e-9);
  const factors = last - first > 5 ? [1] : last - first > 3 ? [1, 5] : [1, 2, 5];
  for (let power = first; power <= last; power++) {
    for (const factor of factors) ticks.push({ at: factor * 10 ** power, label: text(factor * 10 ** power) });
  }
  const low = ticks.findLast(({ at }) => at <= min * (1 + 1e-9)) ?? ticks[0]!;
  const high = ticks.find(({ at }) => at >= max * (1 - 1e-9) && at > low.at) ?? ticks.at(-1)!;
  const shown = ticks.filter(({ at }) => at >= low.at && at <= high.at);
  return { label, min: low.at, max: high.at, ticks: shown, log: true };
}
