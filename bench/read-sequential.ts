/**
 * Question: how much of a bare read's rate is left when sealed segments are read in sequence as whole, checked batches?
 *
 * Limit: bare `fs.read` of the same files in pieces of 1 MiB, to one buffer that is used again. The engine reads to such
 * a buffer too (`into`); the figure with a new buffer for each result stands beside. The files are in the page cache.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Engine } from '../src/engine/index.ts';
import { atLeast, benchmark, type Side } from './harness.ts';
import { KIB, MIB, times, values } from './workload.ts';

const readAsync = promisify(fs.read);
const RECORDS = 64;
const PIECE_BYTES = MIB;

await benchmark('read-sequential', async (bench) => {
  const data = bench.directory();
  const bytes = bench.size(1024 * MIB, 256 * MIB);
  const engine = await Engine.open({ directory: data });
  await engine.createTopic('bench', { partitions: 1, config: { 'segment.bytes': 64 * MIB, flush: 'os' } });
  const records = Array.from({ length: 16 }, () => values(RECORDS, KIB).map((value) => ({ value })));
  await times(bytes / (RECORDS * KIB), 8, (i) => engine.append('bench', records[i % 16]!, { acks: 1 }));
  const segments = (await engine.listSegments('bench', 0)).slice(0, -1);
  const end = segments.at(-1)!.endOffset;
  const sealedBytes = segments.reduce((sum, segment) => sum + segment.bytes, 0);

  const read = async (into?: Buffer) => {
    const start = performance.now();
    let seen = 0;
    for (let offset = 0; offset < end; ) {
      const result = await engine.read('bench', 0, { offset, maxBytes: PIECE_BYTES, into });
      seen += result.bytes;
      offset = result.nextOffset;
    }
    return seen / MIB / ((performance.now() - start) / 1000);
  };
  const directory = join(data, 'topics', 'bench', '0');
  const files = fs.readdirSync(directory).filter((name) => name.endsWith('.log'));
  const paths = files.sort().slice(0, segments.length);
  const buffer = Buffer.alloc(PIECE_BYTES);
  const bare: Side = {
    name: 'bare fs.read, 1 MiB pieces',
    round: async () => {
      const start = performance.now();
      for (const name of paths) {
        const file = fs.openSync(join(directory, name), 'r');
        for (;;) {
          const { bytesRead } = await readAsync(file, buffer, 0, PIECE_BYTES, null);
          if (bytesRead === 0) break;
        }
        fs.closeSync(file);
      }
      return sealedBytes / MIB / ((performance.now() - start) / 1000);
    },
  };
  const into = Buffer.alloc(PIECE_BYTES);
  const title = `sequential read of ${segments.length} sealed segments, ${Math.round(sealedBytes / MIB)} MiB`;
  await bench.compare({
    title: `${title}, into one buffer`,
    unit: 'MiB/s',
    candidate: { name: 'engine.read({ into })', round: () => read(into) },
    limits: [{ side: bare, wanted: atLeast(0.6) }],
  });
  await bench.compare({
    title: `${title}, a new buffer each`,
    unit: 'MiB/s',
    candidate: { name: 'engine.read()', round: () => read() },
    limits: [{ side: bare }],
  });
  await engine.close();
});
