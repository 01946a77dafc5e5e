/**
 * How V8 collects garbage in the daemon. By itself it marks all of the heap whenever memory outside of it has grown by a tenth
 * since the last time. Of that the daemon always has much (memory that bodies and answers are written into, indexes), so a
 * tenth is soon there again: some requests of a few KiB each, and everybody waited 10 ms. Here such memory counts as what
 * it is, a part of the whole, and the heap is marked when the whole has grown by half.
 */
import { setFlagsFromString } from 'node:v8';

const FLAGS = ['--external-memory-accounted-in-global-limit', '--heap-growing-percent=50'];
/** V8 has no such promise for flags as for its language: other versions than those that were measured are left as they are. */
const MEASURED_WITH = '13.';

/** For the whole process, so not for a library; before the server is loaded. */
export function tuneCollector(): void {
  if (process.versions.v8.startsWith(MEASURED_WITH)) for (const flag of FLAGS) setFlagsFromString(flag);
}
