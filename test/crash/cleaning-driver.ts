/** Passes that clean up, asked for by hand; what they answer is compared with what they leave. */
import type { JobDescription, SegmentsRewritten } from '../../src/engine/common/types.ts';
import type { EngineDriver } from './engine-driver.ts';
import type { World } from './harness.ts';
import { Violation } from './oracle.ts';

const HOUR_MS = 3_600_000;

export interface CompactOptions {
  /** The pass may be ended early: by a close, or by a deletion of its topic. */
  readonly mayEnd?: boolean;
}

export class CleaningDriver {
  readonly #world: World;
  readonly #driver: EngineDriver;

  constructor(world: World, driver: EngineDriver) {
    this.#world = world;
    this.#driver = driver;
  }

  /** What it did to each partition; nothing where the pass did not get to its end. */
  async compact(topic: string, { mayEnd = false }: CompactOptions = {}): Promise<SegmentsRewritten[]> {
    const { engine } = this.#driver;
    if (!this.#isThere(topic)) return [];
    let result: SegmentsRewritten[] = [];
    await this.#driver.excused(async () => {
      const { partitions } = await engine.describeTopic(topic);
      const ends = await Promise.all(partitions.map(({ partition }) => this.#sealedEnd(topic, partition)));
      const { id } = engine.background.compact(topic);
      const job = await engine.background.waitFor(id, HOUR_MS);
      if (job.state === 'done') {
        result = job.result as SegmentsRewritten[];
        // After a failure not all that is sealed is known to be synced.
        if (!this.#world.faulty) await this.#expectClean(topic, ends);
      } else if (!mayEnd) this.#failed(job);
    });
    return result;
  }

  async compactAll(): Promise<SegmentsRewritten[]> {
    const results: SegmentsRewritten[] = [];
    for (const [name, { settled }] of this.#world.oracle.state.topics)
      if ((settled?.config['cleanup.policy'] ?? 'delete') !== 'delete')
        results.push(...(await this.compact(name)));
    return results;
  }

  async retain(topic: string): Promise<void> {
    const { engine } = this.#driver;
    if (!this.#isThere(topic)) return;
    await this.#driver.excused(async () => {
      const { id } = engine.background.retain(topic);
      const job = await engine.background.waitFor(id, HOUR_MS);
      if (job.state !== 'done') this.#failed(job);
    });
  }

  #isThere(topic: string): boolean {
    const { settled, pending } = this.#world.oracle.topic(topic);
    return settled !== undefined && pending === undefined;
  }

  #failed({ kind, topic, state, error }: JobDescription): void {
    const { faulty, disk } = this.#world;
    const lacksSpace = disk.isLimited && error?.code === 'STORAGE_FULL';
    if (!faulty && !lacksSpace)
      throw new Violation(`${kind} of ${topic} ${state} with ${JSON.stringify(error)}`);
  }

  /** Where the sealed segments at the beginning of a partition end: a pass goes through all of them. */
  async #sealedEnd(topic: string, partition: number): Promise<number> {
    const segments = await this.#driver.engine.listSegments(topic, partition);
    const unsealed = segments.findIndex(({ sealed }) => !sealed);
    return segments.at(unsealed)!.baseOffset;
  }

  async #expectClean(topic: string, ends: readonly number[]): Promise<void> {
    const { partitions } = await this.#driver.engine.describeTopic(topic);
    for (const { partition, compaction } of partitions) {
      const { firstDirtyOffset } = compaction!;
      if (firstDirtyOffset < ends[partition]!)
        throw new Violation(
          `${topic}-${partition} was sealed up to ${ends[partition]}, and compacted up to ${firstDirtyOffset} only`,
        );
    }
  }
}
