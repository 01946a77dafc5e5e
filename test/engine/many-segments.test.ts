/** 10,000 segments must not cost 10,000 buffers or descriptors. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { CleanMarker } from '../../src/engine/directory/clean-marker.ts';
import { Engine } from '../../src/engine/engine.ts';
import { nodeFileSystem } from '../../src/engine/files/node-file-system.ts';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  type SegmentHeader,
} from '../../src/engine/format/segment-header.ts';
import { ended } from '../helpers/cli.ts';
import type { OpenReport } from '../helpers/open-child.ts';

const CHILD = fileURLToPath(new URL('../helpers/open-child.ts', import.meta.url));
const PARTITIONS = 100;
const SEGMENTS = 100;
const LIMIT_MIB = 150;

/** One partition is filled by the engine, and the others are copies of it: that is a matter of seconds. */
async function build(directory: string): Promise<void> {
  const settings = { 'journal.files': 0, 'log.dir.reserve.bytes': 0 };
  const engine = await Engine.open({ directory, settings });
  await engine.createTopic('a', { partitions: PARTITIONS, config: { 'segment.bytes': 4096 } });
  const { id } = await engine.describeTopic('a');
  const value = Buffer.alloc(3900, 'x');
  for (let i = 0; i < SEGMENTS; i++) await engine.append('a', [{ value }], { partition: 0, acks: 1 });
  await engine.close();
  const topic = join(directory, 'topics', 'a');
  const marker = (await CleanMarker.read(nodeFileSystem, directory))!;
  for (let partition = 1; partition < PARTITIONS; partition++) {
    for (const name of readdirSync(join(topic, '0'))) {
      const bytes = readFileSync(join(topic, '0', name));
      if (name.endsWith('.log')) {
        const header = decodeSegmentHeader(bytes) as SegmentHeader;
        encodeSegmentHeader({ ...header, partition }).copy(bytes);
      }
      writeFileSync(join(topic, String(partition), name), bytes);
    }
    marker.set(id, partition, marker.get(id, 0)!);
  }
  await marker.write(nodeFileSystem, directory);
}

async function openInChild(...args: string[]): Promise<OpenReport> {
  const child = spawn(process.execPath, ['--expose-gc', CHILD, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { code, stdout, stderr } = await ended(child);
  if (code !== 0) throw new Error(stderr);
  return JSON.parse(stdout.toString());
}

t.test('10,000 segments', async (t) => {
  const directory = t.testdir();
  await build(directory);
  for (const clean of [true, false]) {
    if (!clean) rmSync(join(directory, 'clean-shutdown'));
    const { openMib, heapMib, ...report } = await openInChild(directory, ...(clean ? [] : ['verify']));
    const all = PARTITIONS * SEGMENTS;
    t.match(
      report,
      { segments: all, records: all, ok: clean ? undefined : true },
      clean ? 'after a clean stop' : 'without the clean marker',
    );
    t.ok(report.openFiles <= 64, `${report.openFiles} files are open`);
    if (clean) t.ok(openMib < LIMIT_MIB, `${Math.round(openMib)} MiB are resident when it is open`);
    t.ok(heapMib < 30, `${Math.round(heapMib)} MiB are in use after a read of every segment`);
  }
});
