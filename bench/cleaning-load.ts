/** Work in the background that goes on until it is stopped, beside a benchmark's own load. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Engine } from '../src/engine/index.ts';
import { events, MIB } from './workload.ts';

const EVENT_BYTES = 512;
const BATCH = 500;

export class CleaningLoad {
  readonly #engine: Engine;
  readonly #bytes: number;
  readonly #running: Promise<void>[] = [];
  #stopped = true;
  #compactions = 0;
  #recompressions = 0;

  constructor(engine: Engine, bytes: number) {
    this.#engine = engine;
    this.#bytes = bytes;
  }

  get done(): string {
    return `${this.#compactions} compactions and ${this.#recompressions} recompressions of ${this.#bytes / MIB} MiB`;
  }

  async prepare(): Promise<void> {
    const config = { 'segment.bytes': 16 * MIB, 'min.cleanable.dirty.ratio': 1 };
    await this.#engine.createTopic('keyed', { config: { ...config, 'cleanup.policy': 'compact' } });
    await this.#engine.createTopic('cold', { config });
    await this.#fill('cold', this.#bytes);
  }

  async start(): Promise<void> {
    await this.#fill('keyed', this.#bytes);
    this.#stopped = false;
    this.#running.push(this.#compact(), this.#recompress());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const { id, endedAt } of this.#engine.background.jobs())
      if (endedAt === null) this.#engine.background.cancel(id);
    await Promise.all(this.#running.splice(0));
  }

  /** Each key about ten times. */
  async #fill(topic: string, bytes: number): Promise<void> {
    const count = Math.ceil(bytes / EVENT_BYTES);
    for (let i = 0; i < count; i += BATCH) {
      const batch = events(BATCH, EVENT_BYTES, i);
      await this.#engine.append(
        topic,
        batch.map((value, j) => ({ key: `key-${((i + j) * 7919) % Math.ceil(count / 10)}`, value })),
        { acks: 1 },
      );
    }
  }

  async #compact(): Promise<void> {
    while (!this.#stopped) {
      const { id } = this.#engine.background.compact('keyed');
      const { state } = await this.#engine.background.waitFor(id, 600_000);
      if (state === 'done') this.#compactions++;
      // The first pass had the work; those behind it only look.
      await pause(100);
    }
  }

  /** Housekeeping sees to it: what is as old as now is due as soon as it has another codec. */
  async #recompress(): Promise<void> {
    const codecs = ['zstd', 'lz4'];
    for (let i = 0; !this.#stopped; i++) {
      const config = { 'recompress.after.ms': 0, 'recompress.type': codecs[i % 2]! };
      await this.#engine.alterTopic('cold', { config });
      const started = await this.#nextRecompression();
      if (started === undefined) continue;
      const { state } = await this.#engine.background.waitFor(started, 600_000);
      if (state === 'done') this.#recompressions++;
    }
    await this.#engine.alterTopic('cold', { config: { 'recompress.after.ms': null } });
  }

  async #nextRecompression(): Promise<string | undefined> {
    while (!this.#stopped) {
      const job = this.#engine.background
        .jobs()
        .find(({ kind, endedAt }) => kind === 'recompress' && endedAt === null);
      if (job !== undefined) return job.id;
      await pause(50);
    }
    return undefined;
  }
}
