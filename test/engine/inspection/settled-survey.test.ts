/** `verify` beside a process that has the directory open. */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { decodeSidecar, encodeSidecar } from '../../../src/engine/format/sidecar.ts';
import { Engine, nodeFileSystem, verifyDirectory } from '../../../src/engine/index.ts';
import type { VerifyFinding } from '../../../src/engine/inspection/verify-report.ts';
import type { Checkpoint } from '../../../src/engine/partition/checkpoint.ts';
import { overlay } from '../../helpers/overlay.ts';
import { flipByte, sampleLog, TOPIC } from '../../helpers/sample-log.ts';
import { until } from '../../helpers/until.ts';

const damageOf = (findings: VerifyFinding[]) => findings.filter(({ severity }) => severity === 'damage');

t.test('sealed segments are checked, and active ones up to their checkpoints', async (t) => {
  const log = await sampleLog(t);
  const engine = await Engine.open({ directory: log.directory });
  const progress: number[] = [];
  const report = await verifyDirectory({
    directory: log.directory,
    onProgress: ({ bytesDone, bytesTotal }) => progress.push(bytesDone / bytesTotal),
  });
  t.match(report, { ok: true, scope: 'settled', state: 'running', segmentsInUse: 2, findings: [] });
  // The clean stop before left a checkpoint at the end of each active segment.
  t.equal(report.counts.segments, log.segments(0).length + log.segments(1).length);
  t.equal(progress.at(-1), 1);
  flipByte(log.segments(1)[1]!, 100);
  fs.truncateSync(log.segments(0)[0]!, 200);
  const damaged = await verifyDirectory({ directory: log.directory });
  t.same(
    damageOf(damaged.findings).map(({ partition, segment }) => [partition, segment]),
    [
      [0, 0],
      [1, Number(basename(log.segments(1)[1]!, '.log'))],
    ],
  );
  await engine.close();
});

t.test('of an active segment only what its checkpoint covers is checked', async (t) => {
  const log = await sampleLog(t);
  const [path, other] = [log.segments(0).at(-1)!, log.segments(1).at(-1)!];
  const { size } = fs.statSync(path);
  const engine = await Engine.open({ directory: log.directory, settings: { 'journal.files': 0 } });
  await engine.append(TOPIC, [{ value: 'what came since', timestamp: 1_000_100 }], { partition: 0 });
  t.ok(fs.statSync(path).size > size);
  flipByte(path, size + 20);
  t.match(await verifyDirectory({ directory: log.directory }), { ok: true, findings: [] });
  flipByte(path, size - 20);
  fs.truncateSync(other, fs.statSync(other).size - 1);
  const { findings } = await verifyDirectory({ directory: log.directory });
  t.match(damageOf(findings), [
    { partition: 0, segment: Number(basename(path, '.log')), endOffset: log.values.get(0)!.length },
    { partition: 1, segment: Number(basename(other, '.log')), endOffset: log.values.get(1)!.length },
  ]);
  await engine.close();
});

t.test('a checkpoint that is not true is told of', async (t) => {
  const log = await sampleLog(t);
  const path = join(log.partitionDirectory(0), 'checkpoint');
  const checkpoint = decodeSidecar<Checkpoint>('checkpoint', fs.readFileSync(path))!;
  const engine = await Engine.open({ directory: log.directory });
  const active = { ...checkpoint.active, records: checkpoint.active.records + 1 };
  fs.writeFileSync(path, encodeSidecar('checkpoint', { ...checkpoint, active }));
  const untrue = await verifyDirectory({ directory: log.directory });
  t.match(damageOf(untrue.findings), [{ partition: 0, message: /^the checkpoint is not true: records is/ }]);
  flipByte(path, 30);
  const damaged = await verifyDirectory({ directory: log.directory });
  t.match(damaged, { ok: true, findings: [{ severity: 'derived', file: /checkpoint$/ }] });
  await engine.close();
});

t.test('a segment that is sealed while its files are looked at is no damage', async (t) => {
  const log = await sampleLog(t);
  const engine = await Engine.open({ directory: log.directory, settings: { 'journal.files': 0 } });
  const active = log.segments(0).at(-1)!;
  let asked = 0;
  const fileSystem = overlay(nodeFileSystem, {
    status: async (path) => {
      const before = await nodeFileSystem.status(path);
      // The first time it is asked for the sake of the progress.
      if (path === active && ++asked === 2) {
        // With times like those of the others, or the first one rolls it.
        for (const value of ['it grows', randomBytes(4000)])
          await engine.append(TOPIC, [{ value, timestamp: 1_000_100 }], { partition: 0 });
        await until('it is sealed', () => fs.existsSync(active.replace('.log', '.summary')));
      }
      return before;
    },
  });
  const report = await verifyDirectory({ directory: log.directory, fileSystem });
  t.ok(asked >= 2);
  t.match(report, { ok: true, findings: [] });
  await engine.close();
});
