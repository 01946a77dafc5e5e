/**
 * Question: how long does opening a data directory take, and how much memory, with 10,000 segments after a clean stop, and
 * with 10 GB after kill -9?
 *
 * Limits: listing the partitions' directories; reading what a recovery cannot do without: the journal, and the segments'
 * bytes behind the last checkpoint. Each round opens in a fresh process; the killed one is opened, loaded and killed anew
 * for each round. The page cache is warm, as it is after a stop or a kill.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { checkpointPath } from '../src/engine/files/log-file-names.ts';
import { decodeSidecar } from '../src/engine/format/sidecar.ts';
import { Engine, type FileSystem, nodeFileSystem } from '../src/engine/index.ts';
import type { Checkpoint } from '../src/engine/partition/checkpoint.ts';
import { Child } from './child.ts';
import { type Bench, below, benchmark, type Row, rowOf } from './harness.ts';
import { KIB, MIB, values } from './workload.ts';

/** What the child tells, see open-child.js. */
interface Opened {
  ms: number;
  rssMib: number;
  peakMib: number;
}

const ROUNDS = 5;
const CLEAN_PARTITIONS = 100;
const KILLED_PARTITIONS = 16;

/** Syncs are left out while the directory is built: it is the same in the end, and built in seconds. */
const unsynced: FileSystem = {
  ...nodeFileSystem,
  open: async (path, mode) =>
    Object.assign(await nodeFileSystem.open(path, mode), { sync: async () => {}, writeAndSync: undefined }),
  syncDirectory: async () => {},
};

await benchmark('open', async (bench) => {
  await openClean(bench);
  await openKilled(bench);
});

async function openClean(bench: Bench): Promise<void> {
  const segments = bench.size(10_000, 1_000);
  const directory = bench.directory();
  await fillSegments(directory, segments / CLEAN_PARTITIONS);
  const topic = join(directory, 'topics', 'bench');
  const listings: number[] = [];
  const opens: Opened[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const listing = timed(() => {
      for (const partition of fs.readdirSync(topic)) {
        if (partition !== 'topic.json') fs.readdirSync(join(topic, partition));
      }
    });
    const child = new Child('open-child.js', { directory });
    const opened = await child.next<Opened>();
    await child.ended();
    if (round < 0) continue;
    listings.push(listing);
    opens.push(opened);
  }
  const title = `open, ${segments.toLocaleString('en')} segments in ${CLEAN_PARTITIONS} partitions after a clean stop`;
  bench.report(title, openRows(opens, 1000, 'listing the directories', listings));
}

async function openKilled(bench: Bench): Promise<void> {
  const gigabytes = bench.size(10, 1);
  const directory = bench.directory();
  const engine = await Engine.open({ directory });
  await engine.createTopic('bench', { partitions: KILLED_PARTITIONS });
  await engine.close();
  await loadAndKill(directory, gigabytes * 1000);
  const readings: number[] = [];
  const opens: Opened[] = [];
  let tailBytes = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const pieces = unsyncedPieces(directory);
    tailBytes = pieces.reduce((sum, { from, to }) => sum + to - from, 0);
    readings.push(timed(() => readPieces(pieces)));
    opens.push(await loadAndKill(directory, 256));
  }
  const title = `open, ${gigabytes} GB in ${KILLED_PARTITIONS} partitions after kill -9`;
  const rows = openRows(opens, 2000, 'reading the unsynced tail', readings);
  bench.note(bench.report(title, rows), `tail of the last round: ${Math.round(tailBytes / MIB)} MiB`);
}

function openRows(
  opens: readonly Opened[],
  wantedMs: number,
  limit: string,
  limits: readonly number[],
): Row[] {
  const times = opens.map(({ ms }) => ms);
  return [
    rowOf('Engine.open', 'ms', times, below(wantedMs)),
    rowOf(limit, 'ms', limits),
    rowOf(
      'multiple of the limit',
      '×',
      times.map((ms, round) => ms / limits[round]!),
    ),
    rowOf(
      'resident when open',
      'MiB',
      opens.map(({ rssMib }) => rssMib),
      below(150),
    ),
    rowOf(
      'resident at most',
      'MiB',
      opens.map(({ peakMib }) => peakMib),
    ),
  ];
}

function timed(work: () => void): number {
  const start = performance.now();
  work();
  return performance.now() - start;
}

async function loadAndKill(directory: string, loadMib: number): Promise<Opened> {
  const child = new Child('open-child.js', { directory, loadMib });
  const opened = await child.next<Opened>();
  await child.next();
  await child.end('SIGKILL');
  return opened;
}

async function fillSegments(directory: string, perPartition: number): Promise<void> {
  const engine = await Engine.open({ directory, fileSystem: unsynced });
  const config = { 'segment.bytes': 8 * KIB };
  await engine.createTopic('bench', { partitions: CLEAN_PARTITIONS, config });
  const records = values(1, 6 * KIB).map((value) => ({ value }));
  for (let segment = 0; segment < perPartition; segment++) {
    await Promise.all(
      Array.from({ length: CLEAN_PARTITIONS }, (_, partition) =>
        engine.append('bench', records, { partition, acks: 1 }),
      ),
    );
  }
  await engine.close();
}

interface Piece {
  path: string;
  from: number;
  to: number;
}

/** What a recovery must read, whatever it does: the journal, and what lies behind each partition's checkpoint. */
function unsyncedPieces(directory: string): Piece[] {
  const pieces = fs
    .readdirSync(join(directory, 'journal'))
    .map((name) => wholeFile(directory, 'journal', name));
  for (let partition = 0; partition < KILLED_PARTITIONS; partition++) {
    const path = join(directory, 'topics', 'bench', String(partition));
    const active = fs.existsSync(checkpointPath(path))
      ? decodeSidecar<Checkpoint>('checkpoint', fs.readFileSync(checkpointPath(path)))?.active
      : undefined;
    for (const name of fs.readdirSync(path).filter((name) => name.endsWith('.log'))) {
      const base = Number.parseInt(name, 10);
      const piece = wholeFile(path, name);
      if (active?.baseOffset === base) piece.from = active.bytes;
      if (active === undefined || base >= active.baseOffset) pieces.push(piece);
    }
  }
  return pieces;
}

function wholeFile(...parts: string[]): Piece {
  const path = join(...parts);
  return { path, from: 0, to: fs.statSync(path).size };
}

function readPieces(pieces: readonly Piece[]): void {
  const buffer = Buffer.alloc(MIB);
  for (const { path, from, to } of pieces) {
    const file = fs.openSync(path, 'r');
    for (let at = from; at < to; ) {
      const read = fs.readSync(file, buffer, 0, Math.min(MIB, to - at), at);
      if (read === 0) break;
      at += read;
    }
    fs.closeSync(file);
  }
}
