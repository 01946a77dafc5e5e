/**
 * ServerProcess: a server that runs for the benchmark only, on loopback, with its data in a temporary directory. It is
 * killed when the benchmark ends, however that ends.
 *
 * What it uses is counted over the process and all that it has started: PostgreSQL has a process for each connection, and
 * Redis rewrites its log in one.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, lstatSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

export interface ServerCommand {
  command: string;
  args: readonly string[];
  /** The user that it runs as, where that is not the benchmark's own. */
  user?: { uid: number; gid: number };
  directory: string;
  port: number;
  /** Rejects while the server does not answer yet. */
  probe(): Promise<void>;
  /** What ends it in an orderly way. */
  stopSignal?: NodeJS.Signals;
}

const START_MS = 60_000;
const STOP_MS = 30_000;
const PROBE_MS = 50;
const TICKS_PER_SECOND = 100;
const KIB = 1024;

export class ServerProcess {
  readonly port: number;
  readonly directory: string;
  readonly #process: ChildProcess;
  readonly #stopSignal: NodeJS.Signals;
  #said = '';

  private constructor({ command, args, user, directory, port, stopSignal = 'SIGTERM' }: ServerCommand) {
    this.port = port;
    this.directory = directory;
    this.#stopSignal = stopSignal;
    this.#process = spawn(command, args, { cwd: directory, stdio: ['ignore', 'pipe', 'pipe'], ...user });
    const listen = (text: string) => {
      this.#said = (this.#said + text).slice(-2000);
    };
    this.#process.stdout!.setEncoding('utf8').on('data', listen);
    this.#process.stderr!.setEncoding('utf8').on('data', listen);
    process.once('exit', this.#killNow);
  }

  /** Resolves when it answers; rejects with its last words when it ends instead. */
  static async start(command: ServerCommand): Promise<ServerProcess> {
    const server = new ServerProcess(command);
    const ended = once(server.#process, 'exit').then(([code]) => {
      throw new Error(`${command.command} ended with ${code}: ${server.#said}`);
    });
    await Promise.race([answered(command.probe), ended]);
    ended.catch(() => {});
    return server;
  }

  /** Seconds of processor time so far. */
  cpuSeconds(): number {
    return this.#tree().reduce((sum, stat) => sum + stat.cpuTicks, 0) / TICKS_PER_SECOND;
  }

  /** What is resident; memory that several processes share is counted once where the system tells. */
  residentBytes(): number {
    return this.#tree().reduce((sum, { pid }) => sum + residentBytesOf(pid), 0);
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      const ended = once(this.#process, 'exit');
      this.#process.kill(this.#stopSignal);
      const patience = setTimeout(this.#killNow, STOP_MS);
      await ended;
      clearTimeout(patience);
    }
    process.off('exit', this.#killNow);
  }

  #tree(): ProcessStat[] {
    return withDescendants(this.#process.pid!, processStats());
  }

  readonly #killNow = () => void this.#process.kill('SIGKILL');
}

async function answered(probe: () => Promise<void>): Promise<void> {
  const patience = performance.now() + START_MS;
  for (;;) {
    try {
      return await probe();
    } catch (error) {
      if (performance.now() > patience) throw error;
      await delay(PROBE_MS);
    }
  }
}

export interface ProcessStat {
  pid: number;
  parent: number;
  /** Its own, and those of its children that have ended. */
  cpuTicks: number;
}

function processStats(): ProcessStat[] {
  const stats: ProcessStat[] = [];
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    try {
      stats.push(parseStat(readFileSync(`/proc/${name}/stat`, 'latin1')));
    } catch {
      // It has ended since the directory was read.
    }
  }
  return stats;
}

/** As `/proc/<pid>/stat` has it: the name of the program stands in parentheses, and may have any character in it. */
export function parseStat(text: string): ProcessStat {
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const cpuTicks = fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0);
  return { pid: Number.parseInt(text, 10), parent: Number(fields[1]), cpuTicks };
}

export function withDescendants(root: number, stats: readonly ProcessStat[]): ProcessStat[] {
  const found = stats.filter(({ pid }) => pid === root);
  for (const { pid } of found) found.push(...stats.filter(({ parent }) => parent === pid));
  return found;
}

function residentBytesOf(pid: number): number {
  const kib = (file: string, field: RegExp) => {
    try {
      return Number(field.exec(readFileSync(`/proc/${pid}/${file}`, 'latin1'))?.[1] ?? 0);
    } catch {
      return 0;
    }
  };
  return KIB * (kib('smaps_rollup', /^Pss:\s+(\d+)/m) || kib('status', /^VmRSS:\s+(\d+)/m));
}

/** Bytes that the files below a directory take up on disk. */
export function diskBytes(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += lstatSync(join(entry.parentPath, entry.name)).blocks * 512;
  }
  return bytes;
}

/** The first directory that has all of these programs: of the PATH, or one where they are installed without being there. */
export function findDirectory(
  programs: readonly string[],
  directories: readonly string[] = [],
): string | undefined {
  const places = [...(process.env.PATH ?? '').split(delimiter), ...directories];
  return places.find((place) => programs.every((program) => existsSync(join(place, program))));
}

/** The path of a program on the PATH. */
export function findProgram(program: string): string | undefined {
  const directory = findDirectory([program]);
  return directory && join(directory, program);
}

/** The first number with dots in it that a program prints when asked for its version. */
export function versionOf(path: string, flag = '--version'): string {
  const text = execFileSync(path, [flag], { encoding: 'utf8' });
  return /\d+(\.\d+)+/.exec(text)?.[0] ?? 'unknown';
}
