/** What a worker thread of a ScanPool runs: scans, one at a time. */
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { blockingFileSystem } from '../engine/index.ts';
import { scan } from './scan.ts';
import type { ScanAnswer, ScanRequest } from './scan-request.ts';
import { SearchKernel } from './search-kernel.ts';

const kernel = new SearchKernel();

/** Never rejects: errors of other threads lose what they were. */
export async function runScan(request: ScanRequest): Promise<ScanAnswer> {
  try {
    const answer = await scan(blockingFileSystem, kernel, request);
    const events = 'result' in answer ? answer.result.events : undefined;
    if (events === undefined) return answer;
    const buffers = [events.timestamps, events.offsets, events.ends, events.bytes].map(
      ({ buffer }) => buffer,
    );
    return move({ [transferableSymbol]: buffers, [valueSymbol]: answer } as never) as unknown as ScanAnswer;
  } catch (error) {
    return { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
