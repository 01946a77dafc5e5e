/** Whether the log takes appends and reads, and if not, why. */
import type { EngineHealth } from './common/types.ts';
import type { PartitionLog } from './partition/partition-log.ts';

export interface EngineCondition {
  failed: string | null;
  storageFull: boolean;
  closing: boolean;
}

export function healthOf(
  partitions: readonly PartitionLog[],
  { failed, storageFull, closing }: EngineCondition,
): EngineHealth {
  const fencedPartitions = partitions
    .filter(({ fenced }) => fenced !== null)
    .map(({ topic, partition, fenced }) => ({ topic: topic.name, partition, reason: fenced! }));
  const damagedPartitions = partitions
    .filter(({ damaged }) => damaged.length > 0)
    .map(({ topic, partition, damaged }) => ({ topic: topic.name, partition, ranges: damaged.slice() }));
  const reasons = fencedPartitions.map(
    ({ topic, partition, reason }) => `partition ${topic}-${partition}: ${reason}`,
  );
  if (failed !== null) reasons.unshift(failed);
  if (storageFull) reasons.push('the disk is full: appends are refused until space is freed');
  if (closing) reasons.push('the log is closing');
  return { ready: reasons.length === 0, reasons, storageFull, failed, fencedPartitions, damagedPartitions };
}
