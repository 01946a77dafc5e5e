/** Under which results are kept (result-cache.ts): all that they depend on, and nothing that they do not. */
import { expressionText } from './expression.ts';
import type { ScanUnit } from './plan.ts';
import type { QueryFilter } from './query-run.ts';
import type { CountsWanted, ScanRequest } from './scan-request.ts';
import type { KnownSegment } from './survey.ts';

/** Of what a scan of settled blocks gives. */
export function scanKey(
  { segment, ranges }: ScanUnit,
  { filter, events, counts }: Omit<ScanRequest, 'control'>,
): string {
  const { expression, ...bounds } = filter;
  // All of them: other queries leave out other blocks between the first and the last.
  const places = ranges.flatMap(({ position, end }) => [position, end]);
  return keyOf([segment.id, places, bounds, events, counts], expression);
}

/** Of what a segment's index has counted. */
export function countsKey(
  { segment, indexed }: KnownSegment,
  { expression, from, until }: QueryFilter,
  wanted: CountsWanted | undefined,
): string {
  const { minTime, maxTime, endOffset } = indexed.outline;
  // Bounds that bound nothing are left out: other queries ask the same of this segment.
  const bounds = [minTime >= from ? '' : from, maxTime < until ? '' : until];
  // The index of a growing segment knows more with time.
  return keyOf([segment.id, endOffset, bounds, wanted], expression);
}

const keyOf = (asked: readonly unknown[], expression: QueryFilter['expression']): string =>
  JSON.stringify(asked, infinities) + expressionText(expression);

/** JSON has none. */
const infinities = (_name: string, value: unknown) =>
  value === Number.POSITIVE_INFINITY ? '∞' : value === Number.NEGATIVE_INFINITY ? '-∞' : value;
