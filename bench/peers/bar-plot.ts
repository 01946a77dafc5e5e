/**
 * BarPlot: panels of horizontal bars as one SVG document that needs nothing beside itself. A bar ends at the median, a thin
 * line goes from the smallest to the largest value, and the figure stands behind it. Each name has one colour in all panels.
 */
import { type Axis, escapeHtml, linearAxis, logAxis } from '../../src/cli/load/line-chart.ts';
import { figure, type Spread } from '../harness.ts';

export interface Bar {
  name: string;
  /** What colours it: the same as the name, or what it begins with. */
  series: string;
  /** Undefined: there is none, and `text` says why. */
  values?: Spread;
  text?: string;
}

export interface Panel {
  title: string;
  /** What the axis says. */
  unit: string;
  bars: readonly Bar[];
  /** Equal factors are equally far apart: where the largest value would hide the others. */
  log?: boolean;
}

const COLUMNS = 2;
const WIDTH = 560;
const LABEL = 196;
const FIGURE = 64;
const TITLE = 34;
const BAR = 16;
const STEP = 22;
const AXIS = 42;
const HEAD = 44;
const GAP = 20;
const COLOURS = ['#1d4ed8', '#b91c1c', '#15803d', '#b45309', '#7c3aed'];
const STYLE =
  'text{font:12px system-ui,sans-serif;fill:#1a1f29}.title{font-size:14px;font-weight:600}.head{font-size:18px;font-weight:600}' +
  '.tick,.unit{fill:#667085;text-anchor:middle}.name{text-anchor:end}.grid{stroke:#e1e5eb}.spread{stroke:#1a1f29}' +
  '.none{fill:#667085;font-style:italic}';

export function barPlot(heading: string, panels: readonly Panel[]): string {
  const series = [...new Set(panels.flatMap(({ bars }) => bars.map((bar) => bar.series)))];
  const colourOf = (name: string) => COLOURS[series.indexOf(name) % COLOURS.length]!;
  let top = HEAD;
  const parts: string[] = [];
  for (let i = 0; i < panels.length; i += COLUMNS) {
    const row = panels.slice(i, i + COLUMNS);
    row.forEach((panel, column) => {
      parts.push(
        `<g transform="translate(${column * (WIDTH + GAP)} ${top})">${panelSvg(panel, colourOf)}</g>`,
      );
    });
    top += Math.max(...row.map(heightOf)) + GAP;
  }
  const width = COLUMNS * (WIDTH + GAP);
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${top}" width="${width}" height="${top}" role="img">` +
    `<title>${escapeHtml(heading)}</title><style>${STYLE}</style><rect width="100%" height="100%" fill="#ffffff"/>` +
    `<text class="head" x="12" y="28">${escapeHtml(heading)}</text>${parts.join('')}</svg>\n`
  );
}

const heightOf = ({ bars }: Panel) => TITLE + bars.length * STEP + AXIS;

function panelSvg(panel: Panel, colourOf: (series: string) => string): string {
  const axis = axisOf(panel);
  const toX = scaleOf(axis);
  const bottom = TITLE + panel.bars.length * STEP;
  const ticks = axis.ticks.map(({ at, label }) => {
    const x = px(toX(at));
    return `<line class="grid" x1="${x}" x2="${x}" y1="${TITLE - 4}" y2="${bottom}"/><text class="tick" x="${x}" y="${bottom + 16}">${escapeHtml(label)}</text>`;
  });
  const bars = panel.bars.map((bar, i) => barSvg(bar, TITLE + i * STEP, toX, colourOf(bar.series)));
  return (
    `<text class="title" x="12" y="18">${escapeHtml(panel.title)}</text>${ticks.join('')}${bars.join('')}` +
    `<text class="unit" x="${(LABEL + WIDTH - FIGURE) / 2}" y="${bottom + 34}">${escapeHtml(axis.label)}</text>`
  );
}

function barSvg(
  { name, values, text }: Bar,
  top: number,
  toX: (value: number) => number,
  colour: string,
): string {
  const middle = top + BAR / 2;
  const label = `<text class="name" x="${LABEL - 8}" y="${middle + 4}">${escapeHtml(name)}</text>`;
  if (values === undefined)
    return `${label}<text class="none" x="${LABEL + 6}" y="${middle + 4}">${escapeHtml(text ?? '')}</text>`;
  const [low, end, high] = [values.min, values.median, values.max].map(toX) as [number, number, number];
  return (
    `${label}<rect x="${LABEL}" y="${top}" width="${px(Math.max(1, end - LABEL))}" height="${BAR}" fill="${colour}"/>` +
    `<line class="spread" x1="${px(low)}" x2="${px(high)}" y1="${middle}" y2="${middle}"/>` +
    `<text x="${px(Math.max(end, high) + 6)}" y="${middle + 4}">${escapeHtml(figure(values.median))}</text>`
  );
}

function axisOf({ unit, bars, log }: Panel): Axis {
  const values = bars.flatMap((bar) => (bar.values === undefined ? [] : [bar.values]));
  const largest = Math.max(...values.map(({ max }) => max), 0);
  const smallest = Math.min(...values.map(({ min }) => min), largest);
  // A bar on a logarithmic scale has no zero to begin at: its length says nothing, where it ends does.
  if (log && smallest > 0) return logAxis(`${unit} (logarithmic)`, smallest / 2, largest, tickText);
  return linearAxis(unit, largest, tickText);
}

function scaleOf({ min, max, log }: Axis): (value: number) => number {
  const position = log ? Math.log10 : (value: number) => value;
  const span = position(max) - position(min) || 1;
  return (value) => LABEL + ((position(value) - position(min)) / span) * (WIDTH - LABEL - FIGURE);
}

function tickText(value: number): string {
  if (value >= 1_000_000) return `${Number((value / 1_000_000).toPrecision(3))} M`;
  if (value >= 10_000) return `${Number((value / 1000).toPrecision(3))} k`;
  return String(Number(value.toPrecision(3)));
}

const px = (value: number) => String(Math.round(value * 10) / 10);
