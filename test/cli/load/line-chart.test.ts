import t from 'tap';
import { escapeHtml, linearAxis, lineChart, logAxis } from '../../../src/cli/load/line-chart.ts';

t.test('linear axes begin at zero, end at or above the largest value, and have round ticks', async (t) => {
  for (const [max, ticks] of [
    [1, [0, 0.2, 0.4, 0.6, 0.8, 1]],
    [50, [0, 10, 20, 30, 40, 50]],
    [51, [0, 10, 20, 30, 40, 50, 60]],
    [10_000, [0, 2_000, 4_000, 6_000, 8_000, 10_000]],
    [0, [0, 1]],
  ] as const) {
    const axis = linearAxis('x', max, String);
    t.same(
      axis.ticks.map(({ at }) => Number(at.toPrecision(6))),
      ticks,
      `${max}`,
    );
    t.equal(axis.max, axis.ticks.at(-1)!.at);
  }
});

t.test('logarithmic axes hold all values between round ticks', async (t) => {
  for (const [min, max] of [
    [1, 1],
    [0.4, 0.41],
    [1, 10],
    [3, 119],
    [0.02, 30_000],
    [0.5, 2_000_000],
  ] as const) {
    const axis = logAxis('x', min, max, String);
    t.ok(axis.min <= min && axis.max >= max && axis.max > axis.min, `${min} to ${max}`);
    t.ok(axis.ticks.length >= 2 && axis.ticks.length <= 12, `${axis.ticks.length} ticks`);
    t.equal(axis.ticks[0]!.at, axis.min);
    t.equal(axis.ticks.at(-1)!.at, axis.max);
  }
});

t.test('points stand where their values are, and a missing value breaks the line', async (t) => {
  const points = [
    { x: 0, y: 0, title: 'a' },
    { x: 5, y: 10, title: 'b' },
    { x: 7, y: null, title: 'c' },
    { x: 10, y: 5, title: '<d>' },
  ];
  const svg = lineChart({
    title: 'A "chart"',
    x: linearAxis('x', 10, String),
    y: linearAxis('y', 10, String),
    lines: [{ name: 'l', points }],
  });
  t.match(svg, /^<svg viewBox="0 0 860 300" role="img" aria-label="A &#34;chart&#34;">/);
  t.match(svg, '<path d="M64 256L454 12M844 134"/>');
  t.match(svg, '<title>&#60;d&#62;</title>');
  t.notMatch(svg, /NaN|undefined|Infinity/);
});

t.test('text cannot end an element or an attribute', async (t) => {
  t.equal(escapeHtml(`<b a="1" c='2'>&`), '&#60;b a=&#34;1&#34; c=&#39;2&#39;&#62;&#38;');
});
