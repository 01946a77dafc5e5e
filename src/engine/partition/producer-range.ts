/**
 * Where the batches lie of which a partition remembers something (partition-producers.ts). The checkpoint and the clean marker
 * say it, so that those batches are found again where the snapshot is missing, and no others are looked at.
 */

/** The batches lie in [from, to). */
export interface ProducerRange {
  from: number;
  to: number;
}

/** Whether a value that was read from a file is one. */
export function isProducerRange(value: unknown): value is ProducerRange {
  if (typeof value !== 'object' || value === null) return false;
  const { from, to } = value as ProducerRange;
  return Number.isSafeInteger(from) && Number.isSafeInteger(to) && 0 <= from && from < to;
}
