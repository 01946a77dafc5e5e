/**
 * What the benchmarks share: rounds that alternate between a candidate and its limits in one process, ratios taken
 * within a round (the machine's other work then weighs on both sides), the temporary directory, and the report.
 *
 * A benchmark is a script that calls `benchmark` once. It writes to stdout only: text, or one JSON document with
 * `--json`. `--quick` asks for small rounds.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, cpus, release, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';

/** One way to do the work. `round` does it once and resolves with the figure it reached. */
export interface Side {
  name: string;
  round(): Promise<number>;
}

export interface Wanted {
  text: string;
  met(value: number): boolean;
}

export const atLeast = (least: number): Wanted => ({ text: `≥ ${least}`, met: (value) => value >= least });
export const below = (limit: number): Wanted => ({ text: `< ${limit}`, met: (value) => value < limit });

export interface Comparison {
  title: string;
  /** What a round resolves with; a rate, unless `lowerIsBetter`. */
  unit: string;
  lowerIsBetter?: boolean;
  candidate: Side;
  limits: readonly { side: Side; wanted?: Wanted }[];
  /** What each round returns is checked against this too. */
  wanted?: Wanted;
  rounds?: number;
  warmUp?: number;
}

export interface Spread {
  min: number;
  median: number;
  max: number;
}

export interface Row {
  name: string;
  unit: string;
  values: Spread;
  /** Of the candidate to this limit, round by round; a rate's share of its limit, a duration's multiple of it. */
  ratio?: Spread;
  wanted?: string;
  /** The median meets what is wanted. */
  reached?: boolean;
}

export interface Result {
  title: string;
  rows: Row[];
  notes: string[];
}

export class Bench {
  readonly quick: boolean;
  readonly results: Result[] = [];
  readonly #directories: string[] = [];
  readonly #print: (text: string) => void;

  constructor(quick: boolean, print: (text: string) => void) {
    this.quick = quick;
    this.#print = print;
  }

  /** `full`, or `quick` when small rounds are asked for. */
  size<T>(full: T, quick: T): T {
    return this.quick ? quick : full;
  }

  /** A directory on the disk of the system's temporary files; removed at the end. */
  directory(): string {
    const directory = mkdtempSync(join(tmpdir(), 'seglog-bench-'));
    this.#directories.push(directory);
    return directory;
  }

  removeDirectories(): void {
    // Where the benchmark was broken off, files may still be made in there.
    const options = { recursive: true, force: true, maxRetries: 10, retryDelay: 100 };
    for (const directory of this.#directories.splice(0)) rmSync(directory, options);
  }

  /** Runs all sides in turn, round after round, each round beginning with another side. */
  async compare(comparison: Comparison): Promise<Result> {
    const { candidate, limits, rounds = this.size(9, 5), warmUp = 1 } = comparison;
    const sides = [...limits.map(({ side }) => side), candidate];
    for (let i = 0; i < warmUp; i++) for (const side of sides) await measure(side);
    const values = new Map<Side, number[]>(sides.map((side) => [side, []]));
    for (let round = 0; round < rounds; round++) {
      for (let i = 0; i < sides.length; i++) {
        const side = sides[(round + i) % sides.length]!;
        values.get(side)!.push(await measure(side));
      }
    }
    return this.report(comparison.title, compareRows(comparison, values));
  }

  /** A figure that stands for itself. */
  report(title: string, rows: Row[]): Result {
    const result: Result = { title, rows, notes: [] };
    this.results.push(result);
    this.#print(formatResult(result));
    return result;
  }

  /** Adds to what is known of a result: what the figures alone do not say. */
  note(result: Result, note: string): void {
    result.notes.push(note);
    this.#print(`  ${note}\n`);
  }
}

async function measure(side: Side): Promise<number> {
  // What a round left behind is not charged to the next one.
  globalThis.gc?.();
  await turn();
  return side.round();
}

function compareRows(comparison: Comparison, values: ReadonlyMap<Side, number[]>): Row[] {
  const { candidate, limits, unit } = comparison;
  const reached = values.get(candidate)!;
  const rows: Row[] = [rowOf(candidate.name, unit, reached, comparison.wanted)];
  for (const { side, wanted } of limits) {
    const bare = values.get(side)!;
    const ratio = spread(reached.map((value, round) => value / bare[round]!));
    rows.push({
      name: side.name,
      unit,
      values: spread(bare),
      ratio,
      ...(wanted && { wanted: wanted.text, reached: wanted.met(ratio.median) }),
    });
  }
  return rows;
}

export function rowOf(name: string, unit: string, values: readonly number[], wanted?: Wanted): Row {
  const known = spread(values);
  return {
    name,
    unit,
    values: known,
    ...(wanted && { wanted: wanted.text, reached: wanted.met(known.median) }),
  };
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
  return { min: sorted[0]!, median, max: sorted.at(-1)! };
}

/** Three significant digits: more would be noise. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en');
  return value.toPrecision(3);
}

const spreadText = ({ min, median, max }: Spread) => `${figure(min)} / ${figure(median)} / ${figure(max)}`;

function formatResult({ title, rows }: Result): string {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const lines = rows.map(({ name, unit, values, ratio, wanted, reached }) => {
    const parts = [`  ${name.padEnd(width)}  ${spreadText(values)} ${unit}`];
    if (ratio !== undefined) parts.push(`ratio ${spreadText(ratio)}`);
    if (wanted !== undefined) parts.push(`wanted ${wanted}: ${reached ? 'reached' : 'NOT reached'}`);
    return parts.join('   ');
  });
  return `\n${title} (min / median / max)\n${lines.join('\n')}\n`;
}

export interface Machine {
  cpu: string;
  cores: number;
  memoryGiB: number;
  kernel: string;
  node: string;
  fileSystem: string;
}

export function machine(): Machine {
  return {
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    fileSystem: `${fileSystemOf(tmpdir())} (${tmpdir()})`,
  };
}

function fileSystemOf(path: string): string {
  try {
    return execFileSync('stat', ['-f', '-c', '%T', path], { encoding: 'utf8' }).trim();
  } catch {
    return 'unknown';
  }
}

export interface Outcome {
  name: string;
  results: Result[];
}

/** Runs one benchmark as the script it is in. */
export async function benchmark(name: string, run: (bench: Bench) => Promise<void>): Promise<void> {
  const json = process.argv.includes('--json');
  const print = (text: string) => {
    if (!json) process.stdout.write(text);
  };
  const bench = new Bench(process.argv.includes('--quick'), print);
  const interrupted = () => {
    bench.removeDirectories();
    process.exit(130);
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  print(`${name}\n`);
  try {
    await run(bench);
  } finally {
    bench.removeDirectories();
  }
  const outcome: Outcome = { name, results: bench.results };
  if (json) process.stdout.write(`${JSON.stringify(outcome)}\n`);
}
