/** Runs the command line in tests: in this process with streams of its own, or as the real program. */
import { type ChildProcess, spawn } from 'node:child_process';
import { PassThrough } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Io } from '../../src/cli/io.ts';
import { run } from '../../src/cli/run.ts';

export const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

export interface CliResult {
  code: number;
  stdout: Buffer;
  stderr: string;
}

export interface CliOptions {
  input?: string | Uint8Array;
  env?: Record<string, string>;
  /** Counts as Ctrl-C when it aborts. */
  signal?: AbortSignal;
  /** Called for each piece of standard output. */
  onOutput?: (text: string) => void;
}

/** In this process: quick, and nothing of the real streams is touched. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const out = collect(options.onOutput);
  const err = collect();
  const stdin = new PassThrough();
  stdin.end(options.input ?? '');
  const io: Io = {
    stdin,
    stdout: out.stream,
    stderr: err.stream,
    env: options.env ?? {},
    interruption: () => options.signal ?? new AbortController().signal,
    onOutputLost() {},
    abandon() {},
  };
  const code = await run(args, io);
  return { code, stdout: out.bytes(), stderr: err.bytes().toString() };
}

function collect(onData?: (text: string) => void): { stream: PassThrough; bytes(): Buffer } {
  const stream = new PassThrough();
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    onData?.(chunk.toString());
  });
  return { stream, bytes: () => Buffer.concat(chunks) };
}

/** The real program in a process of its own. */
export function startCli(args: readonly string[], env: Record<string, string> = {}): ChildProcess {
  return spawn(process.execPath, [MAIN, ...args], {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...withoutSettings(process.env), NODE_OPTIONS: '', ...env },
  });
}

/** Variables that are meant for the tests are no settings of the program. */
function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(environment).filter(([name]) => !name.startsWith('SEGLOG_')));
}

/** What a process printed, once it has ended. `signal` is null unless it was killed by one. */
export async function ended(child: ChildProcess): Promise<CliResult & { signal: NodeJS.Signals | null }> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) =>
      resolve({
        code: code ?? -1,
        signal,
        stdout: Buffer.concat(stdout),
        stderr: Buffer.concat(stderr).toString(),
      }),
    );
  });
}
