/** A swap of segments that a process left half done: whoever comes to the directory sees it as the next start will. */
import fs from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { FileSystem } from '../../../src/engine/files/file-system.ts';
import { checksumInto } from '../../../src/engine/format/checksum.ts';
import { decodeRecords } from '../../../src/engine/format/record-batch-reader.ts';
import { SEGMENT_HEADER_BYTES } from '../../../src/engine/format/segment-header.ts';
import {
  dumpFile,
  Engine,
  nodeFileSystem,
  repairDirectory,
  verifyDirectory,
} from '../../../src/engine/index.ts';
import { overlay } from '../../helpers/overlay.ts';
import { replaceSealed, rewriteSegments, sealedOf, watchedPartition } from '../../helpers/rewriting.ts';
import { flipByte, type SampleLog, sampleLog, TOPIC } from '../../helpers/sample-log.ts';

const PARTITION = 0;
const keep = ({ offset }: { offset: number }) => offset % 5 === 0;

interface Pending {
  log: SampleLog;
  directory: string;
  /** Where the segments in its place ended. */
  endOffset: number;
  /** Of the whole partition. */
  kept: number[];
}

/** How far the swap came: to the commit point, to one file that was put aside, to all of them. */
const STAGES = [0, 2, 100] as const;

/** The first two segments of partition 0 are being replaced by one, and the process is gone. */
async function pendingSwap(t: Test, asides: number): Promise<Pending> {
  const log = await sampleLog(t, { clean: false });
  let left = asides;
  const failing: FileSystem = overlay(nodeFileSystem, {
    rename: async (from, to) => {
      const isAside = /\d{20}\.\w+~$/.test(to);
      if ((isAside && left-- <= 0) || (from.endsWith('.swap') && asides === 100)) throw errno('EIO');
      return nodeFileSystem.rename(from, to);
    },
  });
  const engine = await Engine.open({ directory: log.directory, fileSystem: failing });
  const { partition, maintenance } = (await watchedPartition(engine, TOPIC, PARTITION))!;
  const olds = sealedOf(partition).slice(0, 2);
  const { endOffset } = olds[1]!;
  const output = await rewriteSegments(partition, olds, { keep });
  t.equal(await maintenance.replaceSegments(partition, olds, output), 'replaced');
  const copy = `${log.directory}-left`;
  fs.cpSync(log.directory, copy, { recursive: true, filter: (path) => !path.endsWith('.lock') });
  await engine.close();
  const kept = log.values
    .get(PARTITION)!
    .flatMap((_, offset) => (offset >= endOffset || keep({ offset }) ? [offset] : []));
  return { log, directory: copy, endOffset, kept };
}

const errno = (code: string) => Object.assign(new Error(code), { code });
const partitionOf = (directory: string) => join(directory, 'topics', TOPIC, String(PARTITION));
const swapOf = (directory: string) =>
  fs.readdirSync(partitionOf(directory)).find((name) => name.endsWith('.swap'))!;

async function offsets(directory: string): Promise<number[]> {
  const engine = await Engine.open({ directory });
  const found: number[] = [];
  for (let offset = 0; offset < engine.offsets(TOPIC, PARTITION).highWatermark; ) {
    const { chunks, nextOffset } = await engine.read(TOPIC, PARTITION, { offset });
    found.push(...decodeRecords(chunks, offset).map((record) => record.offset));
    offset = nextOffset;
  }
  await engine.close();
  return found;
}

for (const asides of STAGES) {
  t.test(`after ${asides} files were put aside`, async (t) => {
    const { directory, endOffset, kept } = await pendingSwap(t, asides);
    const before = listing(directory);
    const report = await verifyDirectory({ directory });
    t.ok(report.ok, JSON.stringify(report.findings));
    const name = swapOf(directory);
    t.match(
      report.findings.filter(({ file }) => file.endsWith('.swap')),
      [{ severity: 'note', file: join('topics', TOPIC, '0', name), message: /the next start finishes it/ }],
    );
    const items = [];
    for await (const item of dumpFile(join(partitionOf(directory), name))) items.push(item);
    t.notOk(items.some(({ damaged }) => damaged));
    t.same(listing(directory), before, 'looking changes nothing');
    t.same(await offsets(directory), kept);
    const names = fs.readdirSync(partitionOf(directory));
    t.notOk(
      names.some((each) => /swap|rewritten/.test(each)),
      names.join(),
    );
    t.notOk(
      names.some(
        (each) =>
          /\.log$/.test(each) && Number.parseInt(each, 10) > 0 && Number.parseInt(each, 10) < endOffset,
      ),
    );
    t.match(await verifyDirectory({ directory }), { ok: true, state: 'clean', findings: [] });
  });

  t.test(`repaired after ${asides} files were put aside`, async (t) => {
    const { directory, endOffset, kept } = await pendingSwap(t, asides);
    // Something else is lost, behind it.
    const path = partitionOf(directory);
    const behind = `${path}/${String(endOffset).padStart(20, '0')}`;
    flipByte(`${behind}.log`, 300);
    const report = await repairDirectory({ directory, acceptLoss: true });
    t.match(report, { ok: true, losses: [{ accepted: true }] });
    t.ok(report.actions.some(({ message }) => /rewritten segment/.test(message)));
    const { firstOffset, endOffset: end } = report.losses[0]!;
    t.same(
      await offsets(directory),
      kept.filter((offset) => offset < firstOffset || offset >= end),
    );
    t.match(await verifyDirectory({ directory }), { ok: true });
  });
}

t.test('where a file of a newer version is in the way, nothing is touched', async (t) => {
  const { directory } = await pendingSwap(t, 0);
  const path = partitionOf(directory);
  const base = '0'.repeat(20);
  for (const name of [swapOf(directory), `${base}.log`, `${base}.index`, `${base}.summary`, 'checkpoint']) {
    const whole = fs.readFileSync(join(path, name));
    fs.writeFileSync(
      join(path, name),
      newer(whole, /log|swap/.test(name) ? SEGMENT_HEADER_BYTES : whole.length),
    );
    const before = listing(directory);
    await t.rejects(Engine.open({ directory }), { code: 'UNSUPPORTED_VERSION' }, name);
    await t.rejects(repairDirectory({ directory, acceptLoss: true }), { code: 'UNSUPPORTED_VERSION' }, name);
    t.same(listing(directory), before, name);
    fs.writeFileSync(join(path, name), whole);
  }
});

t.test('a segment that was being written counts for nothing, and goes', async (t) => {
  const log = await sampleLog(t, { clean: false });
  const leftover = join(log.partitionDirectory(0), `${'0'.repeat(20)}.rewritten~`);
  fs.writeFileSync(leftover, 'half of a segment');
  t.match(await verifyDirectory({ directory: log.directory }), { ok: true });
  t.equal((await offsets(log.directory)).length, log.values.get(0)!.length);
  t.notOk(fs.existsSync(leftover));
});

t.test('segments are replaced while a running log is verified', async (t) => {
  const log = await sampleLog(t, { clean: false });
  const engine = await Engine.open({ directory: log.directory });
  let swaps = 0;
  let asked = 0;
  const fileSystem = overlay(nodeFileSystem, {
    open: async (path, mode) => {
      // Now and then between two looks at the partition: alone, and with neighbours.
      if (path.startsWith(log.partitionDirectory(0)) && ++asked % 9 === 0 && swaps < 4) {
        swaps++;
        const share = (each: { offset: number }) => each.offset % (swaps + 2) !== 0 || swaps % 2 === 0;
        await replaceSealed(engine, TOPIC, { keep: share, batchRecords: 3 }, 0, 1 + (swaps % 2));
      }
      return nodeFileSystem.open(path, mode);
    },
  });
  for (let round = 0; round < 4; round++) {
    const report = await verifyDirectory({ directory: log.directory, fileSystem });
    t.match(report, { ok: true, state: 'running', findings: [] });
  }
  t.equal(swaps, 4);
  flipByte(log.segments(0)[0]!, 200);
  const { ok, findings } = await verifyDirectory({ directory: log.directory });
  t.notOk(ok);
  t.match(findings, [{ severity: 'damage', partition: 0, segment: 0 }], 'and damage is still told');
  await engine.close();
});

/** All files with what is in them. */
function listing(directory: string): Record<string, string> {
  const names = fs.readdirSync(directory, { recursive: true, encoding: 'utf8' }).sort();
  const paths = names.filter((name) => !/lock$/.test(name) && fs.statSync(join(directory, name)).isFile());
  return Object.fromEntries(paths.map((name) => [name, fs.readFileSync(join(directory, name), 'base64')]));
}

function newer(bytes: Buffer, protectedBytes: number): Buffer {
  const changed = Buffer.from(bytes);
  changed.writeUInt16LE(999, 4);
  changed.fill(0, 8, 16);
  checksumInto(changed.subarray(0, protectedBytes), changed, 8);
  return changed;
}
