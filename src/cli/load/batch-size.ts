/** How many records go into a request, and whether one falls due at all. */
import { fittingBatchSize, type Stretch, wholeDueIn } from '../../server/index.ts';
import { UsageError } from '../errors.ts';
import { count } from '../text.ts';
import type { LoadFlags } from './load-options.ts';

/**
 * Records in a request, for stretches of records a second that begin with `rate`. Throws UsageError where not even one
 * such request falls into them: it would be sent all the same, and be more than the rate.
 */
export function batchSizeFor(
  { batchSize }: LoadFlags,
  rate: number,
  stretches: readonly Stretch[],
  time: string,
): number {
  const most = wholeDueIn(stretches);
  assertOneDue(most, 'record', time);
  if (batchSize !== undefined && batchSize > most)
    throw new UsageError(
      `--batch-size ${batchSize} is more than the ${count(most, 'record')} of the whole ${time}: give at most ${most}, a longer time or a higher rate`,
    );
  return batchSize ?? Math.min(fittingBatchSize(rate), most);
}

/** Throws UsageError for a time that is too short for its rate. `time`: the option, and what it says. */
export function assertOneDue(due: number, unit: 'record' | 'request', time: string): void {
  if (due < 1)
    throw new UsageError(`not one ${unit} falls into ${time}: give a longer time or a higher rate`);
}
