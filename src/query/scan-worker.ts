/** What a worker thread of a ScanPool runs: groups of scans, one at a time. */
import { move, transferableSymbol, valueSymbol } from 'piscina';
import { blockingFileSystem } from '../engine/index.ts';
import { type GroupedScan, scanGroup } from './scan-group.ts';
import type { ScanAnswer } from './scan-request.ts';
import { SearchKernel } from './search-kernel.ts';

const kernel = new SearchKernel();

/** Never rejects. */
export async function runScans(scans: readonly GroupedScan[]): Promise<ScanAnswer[]> {
  const answers = await scanGroup(blockingFileSystem, kernel, scans);
  const buffers = answers.flatMap((answer) => {
    const events = 'result' in answer ? answer.result.events : undefined;
    if (events === undefined) return [];
    return [events.timestamps, events.offsets, events.ends, events.bytes].map(({ buffer }) => buffer);
  });
  if (buffers.length === 0) return answers;
  return move({ [transferableSymbol]: buffers, [valueSymbol]: answers } as never) as unknown as ScanAnswer[];
}
