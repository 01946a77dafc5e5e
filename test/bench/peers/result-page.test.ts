/** The page and the plot of the comparison: nothing that was wanted or is missing is left out. */
import t from 'tap';
import ts from 'typescript';
import { rowOf } from '../../../bench/harness.ts';
import { barPlot } from '../../../bench/peers/bar-plot.ts';
import type { Durability, Peer } from '../../../bench/peers/peer.ts';
import { panelOf, type Question, resultPage } from '../../../bench/peers/result-page.ts';

const peerOf = (name: string): Peer => ({
  name,
  layout: `${name}'s own | way`,
  variants: [{ durability: 'synced' as Durability, setting: 'always', means: 'a sync each' }],
  find: () => ({ version: '1' }),
  start: () => Promise.reject(),
  connect: () => Promise.reject(),
});

const here = { peer: peerOf('seglog'), found: { version: '0.1.0' } };
const gone = { peer: peerOf('Rival'), found: { version: '', missing: 'rival-server is not installed' } };
const row = {
  ...rowOf('Other', 'ms', [1, 2, 4]),
  ratio: { min: 0.5, median: 2, max: 3 },
  wanted: '< 1',
  reached: false,
};
const question: Question = {
  result: {
    title: 'how <long> & why',
    rows: [rowOf('seglog', 'ms', [3, 5, 9]), row],
    notes: ['It was late.'],
  },
  absent: [gone],
  drawn: 'logarithmic',
};
const machine = {
  cpu: 'a processor',
  cores: 2,
  memoryGiB: 24,
  kernel: '6.1',
  node: 'v24',
  fileSystem: 'ext2/ext3 (/somewhere/else)',
};

t.test('the page has machine, versions, promises and figures, and says who is missing', async (t) => {
  const syncMs = { min: 0.1, median: 0.2, max: 3 };
  const page = resultPage({
    date: '2026-11-21',
    machine,
    syncMs,
    plot: 'p.svg',
    peers: [here, gone],
    questions: [question],
  });
  for (const line of [
    '# seglog and its peers, 2026-11-21',
    '![the same as bars](p.svg)',
    '| processor | a processor, 2 cores |',
    '| file system | ext2/ext3 |',
    '| write and fdatasync of 4 KiB | 0.100 / 0.200 / 3.00 ms |',
    "| seglog | 0.1.0 | seglog's own \\| way |",
    "| Rival | rival-server is not installed | Rival's own \\| way |",
    '| synced before the answer | Rival | always | a sync each |',
    '| seglog | 3.00 / 5.00 / 9.00 |  |  |',
    '| Other | 1.00 / 2.00 / 4.00 | 0.500 / 2.00 / 3.00 | < 1: **not reached** |',
    '| Rival | rival-server is not installed |  |  |',
    'It was late.',
  ])
    t.ok(page.split('\n').includes(line), line);
  t.notMatch(page, /somewhere/);
});

t.test('the plot is well-formed, with a bar for each figure and a word for who is missing', async (t) => {
  const empty: Question = {
    result: { title: 'nothing', rows: [], notes: [] },
    absent: [gone],
    drawn: 'linear',
  };
  const svg = barPlot('a < b', [
    panelOf(question),
    panelOf({ ...question, drawn: 'linear' }),
    panelOf(empty),
  ]);
  t.same(problemsOf(svg), []);
  t.match(svg, /<title>a &#60; b<\/title>/);
  t.equal(svg.match(/<rect x=/g)?.length, 4);
  t.equal(svg.match(/rival-server is not installed/g)?.length, 3);
  t.match(svg, /ms \(logarithmic\)/);
  t.notMatch(svg, /NaN|Infinity|undefined/);
});

t.test('values of one peer have one colour', async (t) => {
  const rows = [
    rowOf('seglog, p50', 'ms', [1]),
    rowOf('seglog, p99', 'ms', [2]),
    rowOf('Other, p50', 'ms', [1]),
  ];
  const { bars } = panelOf({ result: { title: '', rows, notes: [] }, absent: [] });
  t.same(
    bars.map(({ series }) => series),
    ['seglog', 'seglog', 'Other'],
  );
});

/** An SVG document is well-formed TSX as well, but for a style sheet with braces. */
function problemsOf(svg: string): string[] {
  const text = `const plot = ${svg.replace(/<style>.*?<\/style>/s, '')}`;
  const { diagnostics } = ts.transpileModule(text, {
    reportDiagnostics: true,
    compilerOptions: { jsx: ts.JsxEmit.Preserve },
    fileName: 'plot.tsx',
  });
  return (diagnostics ?? []).map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'));
}
