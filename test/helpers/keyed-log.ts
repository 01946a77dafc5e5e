/** A compacted topic "a" of an engine on a simulated disk, and short ways to fill it, compact it and look at what is left. */
import type {
  CompressionType,
  JobDescription,
  ProduceRecord,
  SegmentsRewritten,
} from '../../src/engine/common/types.ts';
import { HookedRunner } from './hooked-runner.ts';
import { SimEngine } from './sim-engine.ts';

const SECOND = 1000;
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;

export type Keyed = readonly [key: string, value: string | null];

const SETTINGS = {
  'cleanup.policy': 'compact',
  'segment.bytes': 4096,
  'index.interval.bytes': 256,
  'min.cleanable.dirty.ratio': 0.5,
};
/** With it a batch fills a segment, so that all but the last one are sealed. */
const FILLER = 'x'.repeat(3000);

export class KeyedLog extends SimEngine {
  runner!: HookedRunner;

  /** Nothing is done but what the test asks for: housekeeping comes round once an hour. */
  static async with(
    config: Record<string, string | number> = {},
    settings: Record<string, string | number> = {},
  ): Promise<KeyedLog> {
    const log = new KeyedLog({ 'housekeeping.interval.ms': HOUR, ...settings });
    log.taskRunner = (each) => {
      log.runner = new HookedRunner(each);
      return log.runner;
    };
    await log.start();
    await log.engine.createTopic('a', { config: { ...SETTINGS, ...config } });
    return log;
  }

  /** Each record as a batch of its own in a segment of its own. */
  async each(records: readonly Keyed[], { topic = 'a', partition = 0 } = {}): Promise<void> {
    for (const [key, value] of records) {
      const headers = [{ key: 'filler', value: FILLER }];
      await this.append(topic, [{ key, value, headers, timestamp: this.clock.now() }], { partition });
      await this.settle();
    }
  }

  /** As one batch. */
  async batch(records: readonly Keyed[], compression?: CompressionType): Promise<void> {
    const timestamp = this.clock.now();
    const given = records.map(([key, value]): ProduceRecord => ({ key, value, timestamp }));
    await this.append('a', given, { compression });
  }

  /** Compacts and waits for the end. */
  compact(topic = 'a'): Promise<JobDescription> {
    return this.end(this.engine.background.compact(topic).id);
  }

  /** A job as it has ended; time passes while it waits to be tried again. */
  async end(id: string): Promise<JobDescription> {
    for (;;) {
      await this.settle();
      const job = this.engine.background.job(id);
      if (job.endedAt !== null) return job;
      if (job.state === 'queued') await this.clock.advance(SECOND);
    }
  }

  /** What compacting comes to, which must not fail. */
  async compacted(topic = 'a'): Promise<SegmentsRewritten> {
    const job = await this.compact(topic);
    if (job.state !== 'done') throw new Error(JSON.stringify(job));
    return (job.result as SegmentsRewritten[])[0]!;
  }

  /** "offset key value" of each record from an offset on. */
  async content(from = this.logStart, topic = 'a', partition = 0): Promise<string[]> {
    const records = await this.records(topic, from, partition);
    return records.map(({ offset, key, value }) => `${offset} ${key} ${value}`);
  }

  get logStart(): number {
    return this.engine.offsets('a', 0).logStartOffset;
  }

  /** Lets an hour pass, at the end of which housekeeping comes round, and what it starts is done. */
  async hour(hours = 1): Promise<void> {
    await this.clock.advance(hours * HOUR);
    await this.settle();
    while (this.open.length > 0) await this.settle();
  }

  /** Jobs that have not ended. */
  get open(): JobDescription[] {
    return this.engine.background.jobs().filter(({ endedAt }) => endedAt === null);
  }

  /** "kind topic-partition state" of those that have, the first one first. */
  get ended(): string[] {
    return this.engine.background
      .jobs()
      .filter(({ endedAt }) => endedAt !== null)
      .map(({ kind, topic, partition, state }) => `${kind} ${topic}-${partition ?? 'all'} ${state}`)
      .reverse();
  }

  async segments(): Promise<number[]> {
    return (await this.engine.listSegments('a', 0)).map(({ baseOffset }) => baseOffset);
  }
}
