/** What compressed batches cost their readers: as little memory at a time as others, however well they compress. */
import t from 'tap';
import { MergedScan } from '../../src/server/merged-scan.ts';
import { OutputBuffer } from '../../src/server/output-buffer.ts';
import { PartitionScan } from '../../src/server/partition-scan.ts';
import { lineFormat } from '../../src/server/record-formats.ts';
import { streamLimits } from '../../src/server/send-scan.ts';
import { openApp, type TestApp } from '../helpers/http-app.ts';
import { overlay } from '../helpers/overlay.ts';

const MIB = 1024 * 1024;
const STREAM_LIMITS = streamLimits({});

/** Batches of so many records of a KiB, which take next to nothing on disk. */
async function compressible({ engine }: TestApp, batches: number, records: number): Promise<void> {
  await engine.createTopic('t', { config: { 'compression.type': 'zstd' } });
  const value = 'x'.repeat(1024);
  for (let batch = 0; batch < batches; batch++)
    await engine.append(
      't',
      Array.from({ length: records }, () => ({ value })),
    );
}

const offsetsIn = (text: Buffer) =>
  [...text.toString().matchAll(/^\{(?:"partition":0,)?"offset":(\d+)/gm)].map(([, offset]) => Number(offset));

for (const [name, batches, records] of [
  ['many batches', 40, 500],
  ['one large batch', 2, 15_000],
] as const) {
  t.test(`a scan writes no more at a time than memory is reserved for: ${name}`, async (t) => {
    const opened = await openApp(t);
    await compressible(opened, batches, records);
    const out = new OutputBuffer(MIB);
    const range = { topic: 't', partition: 0, start: 3, end: batches * records - 2 };
    const scan = new PartitionScan(opened.engine, range, STREAM_LIMITS, out, lineFormat());
    const offsets: number[] = [];
    for (let more = true; more; ) {
      more = await scan.step();
      t.ok(out.length < 4.1 * MIB, `${out.length} bytes in a step`);
      offsets.push(...offsetsIn(out.take()));
    }
    t.same(
      offsets,
      Array.from({ length: range.end - range.start }, (_, i) => range.start + i),
    );
  });
}

t.test('a merge keeps the records of few batches', async (t) => {
  const opened = await openApp(t);
  await compressible(opened, 40, 500);
  const { engine } = opened;
  let reads = 0;
  const counting = overlay(engine, {
    read: (...args) => {
      reads++;
      return engine.read(...args);
    },
  });
  const out = new OutputBuffer(MIB);
  const range = { topic: 't', partitions: 1, from: undefined, until: undefined, after: undefined };
  const scan = new MergedScan(counting, range, STREAM_LIMITS, out, lineFormat().write);
  await scan.open();
  while (await scan.step());
  t.ok(reads >= 40, `20 MiB of records of less than 40 KiB were read in ${reads} pieces`);
  t.same(
    offsetsIn(out.take()),
    Array.from({ length: 20_000 }, (_, i) => i),
  );
});
