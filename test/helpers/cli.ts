/**
 * Runs the command line in tests: in this process with streams of its own, or as the real program. Where the single
 * executable is tested (program.ts), both are that.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { PassThrough } from 'node:stream';
import type { Io } from '../../src/cli/io.ts';
import { run } from '../../src/cli/run.ts';
import { BINARY, PROGRAM } from './program.ts';

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
  if (BINARY !== undefined) return runBinary(args, options);
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

async function runBinary(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const child = startCli(args, options.env);
  const interrupt = () => child.kill('SIGINT');
  if (options.signal?.aborted) interrupt();
  options.signal?.addEventListener('abort', interrupt);
  child.stdout!.on('data', (chunk: Buffer) => options.onOutput?.(chunk.toString()));
  // It may end before it has read all.
  child.stdin!.on('error', () => {});
  child.stdin!.end(options.input ?? '');
  const { code, stdout, stderr } = await ended(child);
  options.signal?.removeEventListener('abort', interrupt);
  return { code, stdout, stderr };
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
  const [command, ...first] = PROGRAM;
  return spawn(command, [...first, ...args], {
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
