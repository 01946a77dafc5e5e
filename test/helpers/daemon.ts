/** The real daemon in a process of its own, as `seglog serve` starts it. */
import type { ChildProcess } from 'node:child_process';
import { type CliResult, ended, startCli } from './cli.ts';
import { verifyNow } from './verify-after.ts';

export type DaemonEnd = CliResult & { signal: NodeJS.Signals | null };

export class Daemon {
  readonly url: string;
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #end: Promise<DaemonEnd>;
  readonly #directory: string;

  constructor(child: ChildProcess, end: Promise<DaemonEnd>, url: string, directory: string) {
    this.#child = child;
    this.#end = end;
    this.pid = child.pid!;
    this.url = url;
    this.#directory = directory;
  }

  /** Resolves once the log is open; rejects with what the daemon said when it ends before. */
  static async start(directory: string, args: readonly string[] = [], env = {}): Promise<Daemon> {
    const child = startCli(['serve', '--data', directory, '--listen', '127.0.0.1:0', ...args], env);
    const end = ended(child);
    let log = '';
    const url = await new Promise<string>((resolve, reject) => {
      child.stderr!.on('data', (chunk: Buffer) => {
        log += chunk.toString();
        const line = log.split('\n').find((each) => each.includes('"the log is open"'));
        if (line !== undefined) resolve(JSON.parse(line).url);
      });
      void end.then((result) => reject(new Error(`the daemon ended with ${result.code}: ${result.stderr}`)));
    });
    return new Daemon(child, end, url, directory);
  }

  /** SIGTERM, and how it ended. Its data directory is in order then, or this rejects. */
  async stop(): Promise<DaemonEnd> {
    const end = await this.kill('SIGTERM');
    await verifyNow(this.#directory);
    return end;
  }

  kill(signal: NodeJS.Signals): Promise<DaemonEnd> {
    this.#child.kill(signal);
    return this.#end;
  }
}
