/** Garbage outside of V8's heap: with much of it in use, a little more does not have all of the heap marked. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import t from 'tap';

const COLLECTOR = new URL('../../src/cli/collector.ts', import.meta.url).href;

/** As the daemon has it: memory of a WebAssembly module stays, pieces of some KiB come and go. */
const PROGRAM = `
  import { constants, PerformanceObserver } from 'node:perf_hooks';
  import { setImmediate as turn } from 'node:timers/promises';
  const { tuneCollector } = await import('${COLLECTOR}');
  if (process.argv[1] === 'tuned') tuneCollector();
  const kept = new WebAssembly.Memory({ initial: 1024, maximum: 1024 });
  let marked = 0;
  new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries())
      if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) marked++;
  }).observe({ entryTypes: ['gc'] });
  const held = [];
  for (let i = 0; i < 100_000; i++) {
    held[i % 400] = Buffer.alloc(16 * 1024);
    if (i % 20 === 0) await turn();
  }
  await turn();
  console.log(JSON.stringify({ marked, kept: kept.buffer.byteLength }));
`;

async function timesMarked(how: 'tuned' | 'as it is'): Promise<number> {
  const args = ['--input-type=module', '--eval', PROGRAM, how];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
  t.equal(stderr, '');
  return JSON.parse(stdout).marked;
}

t.test('the heap is marked seldom, however much memory is outside of it', async (t) => {
  const before = await timesMarked('as it is');
  const tuned = await timesMarked('tuned');
  t.ok(tuned * 2 < before, `${tuned} times, and ${before} times without`);
});
