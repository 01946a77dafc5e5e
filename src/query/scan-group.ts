/**
 * Scans of one query that are done one after the other, so that a thread is asked once for all of them, and what one has found tells
 * the next ones what is not wanted any more.
 */
import type { FileSystem } from '../engine/index.ts';
import { scan } from './scan.ts';
import type { ScanAnswer, ScanRequest } from './scan-request.ts';
import type { SearchKernel } from './search-kernel.ts';

export interface GroupedScan {
  readonly request: ScanRequest;
  /** What it finds may end where others have enough: nobody else is to be given it. */
  readonly mayBeCut: boolean;
}

/** Answers each; a failure is an answer, too. */
export async function scanGroup(
  fileSystem: FileSystem,
  kernel: SearchKernel,
  scans: readonly GroupedScan[],
): Promise<ScanAnswer[]> {
  const answers: ScanAnswer[] = [];
  /** As many as are wanted, or as there is room for, were found up to this time. */
  let bound: number | undefined;
  for (const { request, mayBeCut } of scans) {
    const asked = mayBeCut && bound !== undefined ? upTo(request, bound) : request;
    const answer = await scanned(fileSystem, kernel, asked);
    answers.push(answer);
    const { events } = request;
    if (events === undefined || !('result' in answer)) continue;
    const { timestamps, more } = answer.result.events!;
    if (more || timestamps.length === events.limit) bound = timestamps.at(-1)!;
  }
  return answers;
}

/** Never rejects: errors of other threads lose what they were. */
async function scanned(
  fileSystem: FileSystem,
  kernel: SearchKernel,
  request: ScanRequest,
): Promise<ScanAnswer> {
  try {
    return await scan(fileSystem, kernel, request);
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** The request without what comes behind a time, in the order of its events. */
export function upTo<T extends Omit<ScanRequest, 'control'>>(request: T, bound: number): T {
  const { filter, events } = request;
  const times =
    events!.order === 'asc'
      ? { until: Math.min(filter.until, bound + 1) }
      : { from: Math.max(filter.from, bound) };
  return { ...request, filter: { ...filter, ...times } };
}
