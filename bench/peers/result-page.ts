/**
 * What was measured, as a page of Markdown: the machine, the servers with their versions and what their settings promise,
 * and a table for each question. Of a peer that is not there every table says so.
 */
import { figure, type Machine, type Result, type Row, type Spread } from '../harness.ts';
import type { Bar, Panel } from './bar-plot.ts';
import { DURABILITIES, type Durability, type Found, type Peer } from './peer.ts';

export interface FoundPeer {
  peer: Peer;
  found: Found;
}

export interface Question {
  result: Result;
  /** Who is not in the result although it could answer. */
  absent: readonly FoundPeer[];
  /** On what scale it is in the plot; undefined: not at all. */
  drawn?: 'linear' | 'logarithmic';
}

export interface PageFacts {
  /** As 2026-11-21. */
  date: string;
  machine: Machine;
  /** Of 4 KiB, in milliseconds. */
  syncMs: Spread;
  plot: string;
  peers: readonly FoundPeer[];
  questions: readonly Question[];
}

export function resultPage({ date, machine, syncMs, plot, peers, questions }: PageFacts): string {
  const machineRows = [
    ['processor', `${machine.cpu}, ${machine.cores} cores`],
    ['memory', `${machine.memoryGiB} GiB`],
    ['kernel', `Linux ${machine.kernel}`],
    ['file system', machine.fileSystem.replace(/ \(.*\)$/, '')],
    ['write and fdatasync of 4 KiB', `${spreadText(syncMs)} ms`],
    ['Node', machine.node],
  ];
  const parts = [
    `# seglog and its peers, ${date}`,
    'Figures are minimum / median / maximum of the rounds. The ratio is of seglog to that peer, round by round: above 1 it is ahead where more is better, below 1 where less is. ' +
      'What was done is told in the [README](../README.md#peers) of the benchmarks.',
    `![the same as bars](${plot})`,
    table(['machine', ''], machineRows),
    '## Servers',
    table(['', 'version', 'how it stores and finds'], peers.map(peerRow)),
    table(['what an answer means', 'server', 'setting', 'how'], promiseRows(peers)),
    ...questions.flatMap(({ result, absent }) => [
      `## ${result.title}`,
      resultTable(result, absent),
      ...result.notes,
    ]),
  ];
  return `${parts.join('\n\n')}\n`;
}

const peerRow = ({ peer, found }: FoundPeer) => [peer.name, found.missing ?? found.version, peer.layout];

function promiseRows(peers: readonly FoundPeer[]): string[][] {
  return (Object.keys(DURABILITIES) as Durability[]).flatMap((durability) =>
    peers.flatMap(({ peer }) =>
      peer.variants
        .filter((variant) => variant.durability === durability)
        .map(({ setting, means }) => [DURABILITIES[durability], peer.name, setting, means]),
    ),
  );
}

function resultTable({ rows }: Result, absent: readonly FoundPeer[]): string {
  const unit = rows[0]?.unit ?? '';
  const measured = rows.map((row) => [
    row.name,
    spreadText(row.values),
    row.ratio === undefined ? '' : spreadText(row.ratio),
    verdict(row),
  ]);
  const missing = absent.map(({ peer, found }) => [peer.name, found.missing ?? 'not measured', '', '']);
  return table(['', unit, 'ratio', 'wanted'], [...measured, ...missing]);
}

const verdict = ({ wanted, reached }: Row) =>
  wanted === undefined ? '' : `${wanted}: ${reached ? 'reached' : '**not reached**'}`;

function spreadText({ min, median, max }: Spread): string {
  return min === max ? figure(median) : `${figure(min)} / ${figure(median)} / ${figure(max)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

/** The same as bars. What stands behind a comma in a row's name says which of a peer's values it is. */
export function panelOf({ result: { title, rows }, absent, drawn }: Question): Panel {
  const bars: Bar[] = rows.map(({ name, values }) => ({ name, series: name.split(',')[0]!, values }));
  const missing = absent.map(({ peer: { name }, found }) => ({ name, series: name, text: found.missing }));
  return { title, unit: rows[0]?.unit ?? '', bars: [...bars, ...missing], log: drawn === 'logarithmic' };
}
