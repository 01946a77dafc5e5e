/**
 * A process that opens the data directory it is given, reads a little of every segment of topic "a", and tells what that
 * took: started by tests that measure memory, which needs a process of its own.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { Engine } from '../../src/engine/engine.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';

export interface OpenReport {
  segments: number;
  records: number;
  openFiles: number;
  /** Resident when it is open. */
  openMib: number;
  /** In use after the reads, beyond what the process had before: the heap and what hangs on it. */
  heapMib: number;
  /** Whether the directory was in order before that, when it was asked to verify it ("verify" as second argument). That
   *  takes long in a test's own process, where each promise is watched. */
  ok: boolean | undefined;
}

const MIB = 1024 * 1024;

async function heapMib(): Promise<number> {
  // Started with --expose-gc. What a collection finds is freed by other threads, and counted until then.
  for (let i = 0; i < 3; i++) {
    gc!();
    await delay(100);
  }
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / MIB;
}

const [directory, verify] = process.argv.slice(2);
const ok = verify ? (await verifyDirectory({ directory: directory! })).ok : undefined;
const heapBeforeMib = await heapMib();
const engine = await Engine.open({ directory: directory!, settings: { 'max.open.files': 64 } });
const openMib = process.memoryUsage.rss() / MIB;
let records = 0;
const { partitions } = await engine.describeTopic('a');
for (const { partition } of partitions) {
  for (const { baseOffset } of await engine.listSegments('a', partition)) {
    const { chunks } = await engine.read('a', partition, { offset: baseOffset, maxBytes: 1 });
    records += decodeRecords(chunks, baseOffset).length;
  }
}
const { segments, openFiles } = engine.stats();
const inUseMib = (await heapMib()) - heapBeforeMib;
await engine.close();
const report: OpenReport = { segments, records, openFiles, openMib, heapMib: inUseMib, ok };
process.stdout.write(JSON.stringify(report));
