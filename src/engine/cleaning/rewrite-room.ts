/**
 * Whether there is space to rewrite segments: what is written takes the place of what was read only at the end, so there must be
 * room for both. One for each pass.
 *
 * While appends are taken, a pass must leave them the reserve. Once they are refused, the reserve is what there is to get out
 * of it, and a pass that has begun on it goes on: what the first segments free lets appends in again, and is not all there is.
 */
import type { SpaceMonitor } from '../commit/space-monitor.ts';
import { SeglogError } from '../common/errors.ts';
import type { PartitionLog } from '../partition/partition-log.ts';

export class RewriteRoom {
  readonly #space: SpaceMonitor;
  readonly #reserveBytes: number;
  #mayUseReserve = false;

  constructor(space: SpaceMonitor, reserveBytes: number) {
    this.#space = space;
    this.#reserveBytes = reserveBytes;
  }

  /** Throws STORAGE_FULL when so many bytes of segments cannot be rewritten now. */
  async check(partition: PartitionLog, bytes: number): Promise<void> {
    await this.#space.refresh();
    const { freeBytes, full } = this.#space;
    this.#mayUseReserve ||= full;
    if (freeBytes - bytes >= (this.#mayUseReserve ? 0 : this.#reserveBytes)) return;
    throw new SeglogError(
      'STORAGE_FULL',
      `rewriting ${bytes} bytes of ${partition.name} needs as much free space, and ${freeBytes} bytes are free ` +
        `(log.dir.reserve.bytes=${this.#reserveBytes}): nothing was changed; free some, or make segment.bytes smaller`,
      { topic: partition.topic.name, partition: partition.partition, bytes, freeBytes },
    );
  }
}
