/**
 * Whether an offset at which the log of a partition breaks off had been acknowledged.
 *
 * It had when it lies below the recovery point, below the durable floor of a valid batch further on in the files, or
 * below a batch of the journal: a group goes to the journal only when all before it is durable. Otherwise nobody was
 * promised anything from there on.
 */
import type { DescriptorCache } from '../files/descriptor-cache.ts';
import { batchDurableFloor } from '../format/record-batch.ts';
import { SEGMENT_HEADER_BYTES } from '../format/segment-header.ts';
import type { LogSegment } from '../segment/log-segment.ts';
import { checkIdentity } from '../segment/segment-identity.ts';
import { SegmentScanner } from '../segment/segment-scanner.ts';
import type { JournaledBatches } from './journaled-batches.ts';

export interface EvidenceSource {
  files: DescriptorCache;
  topicId: string;
  partition: number;
  segments: readonly LogSegment[];
  recoveryPoint: number;
  journaled: JournaledBatches;
}

export class RecoveryEvidence {
  readonly #source: EvidenceSource;
  /** The largest durable floor of the batches further on, once they were looked at. */
  #storedFloor: number | undefined;

  constructor(source: EvidenceSource) {
    this.#source = source;
  }

  /** Below this everything was acknowledged, as far as was looked. */
  get floor(): number {
    return Math.max(this.#source.journaled.lastBaseOffset, this.#storedFloor ?? 0);
  }

  /**
   * Whether `offset`, which neither the file nor the journal has, was acknowledged. The rest of the log, from `position`
   * of a segment on, is read once: the floor of a batch is never above its own offset, so one that lies above a later
   * break belongs to a batch behind that.
   */
  async wasAcknowledged(offset: number, segment: number, position: number): Promise<boolean> {
    if (offset < this.#source.recoveryPoint || offset < this.floor) return true;
    this.#storedFloor ??= await this.#readFloor(offset, segment, position);
    return offset < this.#storedFloor;
  }

  async #readFloor(offset: number, first: number, position: number): Promise<number> {
    const { segments, files, topicId, partition } = this.#source;
    let most = 0;
    for (let i = first; i < segments.length; i++) {
      const { path, stats, exists, baseOffset } = segments[i]!;
      if (!exists) continue;
      const lease = await files.lease(path);
      try {
        const fault = await checkIdentity(lease.file, { topicId, partition, baseOffset });
        if (fault?.kind === 'misplaced') continue;
        const start = i === first ? position : SEGMENT_HEADER_BYTES;
        most = Math.max(most, await highestFloor(new SegmentScanner(lease.file, start, stats.bytes), offset));
      } finally {
        lease.release();
      }
    }
    return most;
  }
}

async function highestFloor(scanner: SegmentScanner, offset: number): Promise<number> {
  let most = 0;
  for (;;) {
    const batch = await scanner.peek();
    if (batch === null) return most;
    if (batch.fault === null) {
      most = Math.max(most, batchDurableFloor(batch.buffer, batch.at));
      scanner.skip(batch);
      continue;
    }
    const next = await scanner.findNext(offset);
    if (next < 0) return most;
    scanner.position = next;
  }
}
