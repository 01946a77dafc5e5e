/** A peer at work: its server, and the generator that loads it, each in a process of its own. */
import { Child } from '../child.ts';
import { freePort } from '../free-port.ts';
import type { Latencies } from '../steady-load.ts';
import type { AskResult, ClosedResult, FillResult, GeneratorArgs, Task } from './generator.ts';
import type { Durability, Peer } from './peer.ts';
import type { ServerProcess } from './server-process.ts';

export interface ClosedRound extends ClosedResult {
  /** Of the server, for each record; in microseconds. */
  serverMicros: number;
}

export class RunningPeer {
  readonly peer: Peer;
  readonly server: ServerProcess;
  readonly #generator: Child;

  private constructor(peer: Peer, server: ServerProcess, generator: Child) {
    this.peer = peer;
    this.server = server;
    this.#generator = generator;
  }

  static async start(peer: Peer, durability: Durability, directory: string): Promise<RunningPeer> {
    const server = await peer.start(durability, { port: await freePort(), directory });
    const args: GeneratorArgs = { peer: peer.name, durability, port: server.port };
    const generator = new Child('peers/generator.ts', args);
    await generator.next();
    return new RunningPeer(peer, server, generator);
  }

  async closed(seconds: number, batch: number, lanes: number): Promise<ClosedRound> {
    const before = this.server.cpuSeconds();
    const result = await this.#ask<ClosedResult>({ kind: 'closed', seconds, batch, lanes });
    const spent = this.server.cpuSeconds() - before;
    return { ...result, serverMicros: (spent * 1e6) / result.records };
  }

  open(seconds: number, perSecond: number, batch: number, lanes: number): Promise<Latencies> {
    return this.#ask({ kind: 'open', seconds, perSecond, batch, lanes });
  }

  fill(task: Omit<Task & { kind: 'fill' }, 'kind'>): Promise<FillResult> {
    return this.#ask({ kind: 'fill', ...task });
  }

  ask(task: Omit<Task & { kind: 'ask' }, 'kind'>): Promise<AskResult> {
    return this.#ask({ kind: 'ask', ...task });
  }

  replay(): Promise<number> {
    return this.#ask({ kind: 'replay' });
  }

  empty(): Promise<unknown> {
    return this.#ask({ kind: 'empty' });
  }

  settle(): Promise<unknown> {
    return this.#ask({ kind: 'settle' });
  }

  async stop(): Promise<void> {
    await this.#ask({ kind: 'close' });
    await this.#generator.end();
    await this.server.stop();
  }

  #ask<T>(task: Task): Promise<T> {
    return this.#generator.ask<T>(task);
  }
}
