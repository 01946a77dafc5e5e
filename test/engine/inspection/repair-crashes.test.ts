/**
 * A repair that is cut short by a power failure at any of its steps: what is left is repaired again, and the outcome is
 * that of a repair that went through.
 */
import t from 'tap';
import {
  type Clock,
  decodeRecords,
  Engine,
  isSeglogError,
  repairDirectory,
  verifyDirectory,
} from '../../../src/engine/index.ts';
import { CRASH_VARIANTS } from '../../crash/sim/crash-image.ts';
import { SimFileSystem } from '../../crash/sim-file-system.ts';
import { sampleValue } from '../../helpers/sample-log.ts';
import { testSeed, testSize } from '../../helpers/test-size.ts';

const DATA = '/data';
const PARTITIONS = 3;

const stillClock: Clock = {
  now: () => 1_700_000_000_000,
  monotonic: () => 0,
  after: () => () => {},
  soon: (callback) => void setImmediate(callback),
};

async function withEngine<T>(files: SimFileSystem, use: (engine: Engine) => Promise<T>): Promise<T> {
  const settings = { 'journal.files': 0 };
  const engine = await Engine.open({ directory: DATA, fileSystem: files, clock: stillClock, settings });
  try {
    return await use(engine);
  } finally {
    await engine.close();
  }
}

/** Three partitions: one loses a batch, one a misplaced segment and a header, one its end. */
async function damagedLog(): Promise<SimFileSystem> {
  const files = new SimFileSystem();
  await withEngine(files, async (engine) => {
    const config = { 'segment.bytes': 4096, 'index.interval.bytes': 256 };
    await engine.createTopic('log', { partitions: PARTITIONS, config });
    for (let offset = 0; offset < 60; offset += 3) {
      for (let partition = 0; partition < PARTITIONS; partition++) {
        const records = [0, 1, 2].map((i) => ({ value: sampleValue(partition, offset + i) }));
        await engine.append('log', records, { partition });
      }
    }
  });
  const segments = (partition: number) =>
    files
      .paths()
      .filter((path) => path.startsWith(`${DATA}/topics/log/${partition}/`) && path.endsWith('.log'));
  const change = (path: string, at: number) => {
    const bytes = files.contents(path);
    bytes[at]! ^= 1;
    files.plant(path, bytes);
  };
  change(segments(0)[1]!, 600);
  files.plant(segments(1)[1]!, files.contents(segments(2)[2]!));
  change(segments(1)[0]!, 20);
  const end = segments(2).at(-1)!;
  files.plant(end, files.contents(end).subarray(0, 700));
  return files;
}

interface Outcome {
  /** For each partition the values by offset, and the damaged ranges. */
  values: Map<number, string>[];
  damaged: [number, number][][];
  gaps: [number, number][][];
}

async function readAll(files: SimFileSystem): Promise<Outcome> {
  return withEngine(files, async (engine) => {
    const outcome: Outcome = { values: [], damaged: [], gaps: [] };
    for (const { partition, gaps } of (await engine.describeTopic('log')).partitions) {
      outcome.gaps.push(gaps.map(({ firstOffset, endOffset }) => [firstOffset, endOffset]));
      outcome.values.push(new Map());
      outcome.damaged.push([]);
      const { logStartOffset, highWatermark } = engine.offsets('log', partition);
      for (let offset = logStartOffset; offset < highWatermark; ) {
        try {
          const { chunks, nextOffset } = await engine.read('log', partition, { offset });
          for (const record of decodeRecords(chunks, offset))
            outcome.values[partition]!.set(record.offset, String(record.value));
          offset = nextOffset;
        } catch (error) {
          if (!isSeglogError(error, 'CORRUPT_MESSAGE')) throw error;
          outcome.damaged[partition]!.push([offset, error.details.endOffset as number]);
          offset = error.details.endOffset as number;
        }
      }
    }
    return outcome;
  });
}

const repair = (files: SimFileSystem) =>
  repairDirectory({ directory: DATA, acceptLoss: true, fileSystem: files, clock: stillClock });

t.test('every crash of a repair has one outcome', async (t) => {
  const damaged = await damagedLog();
  const files = damaged.crashImage({ variant: 'kill' });
  const start = files.operations.length;
  t.match(await repair(files), { ok: true });
  const operations = files.operations.length;
  const expected = await readAll(files.crashImage({ variant: 'kill' }));
  t.same(expected.damaged, [[], [], []]);
  t.same(
    expected.gaps.map((gaps) => gaps.length),
    [1, 1, 1],
  );

  let images = 0;
  const stride = Math.max(1, Math.round(4 / testSize));
  for (let at = start + (testSeed % stride); at <= operations; at += stride) {
    const variant = CRASH_VARIANTS[at % CRASH_VARIANTS.length]!;
    const left = files.crashImage({ at, variant, seed: at });
    const seen = await readAll(left.crashImage({ variant: 'kill' }));
    for (let partition = 0; partition < PARTITIONS; partition++) {
      for (const [offset, value] of seen.values[partition]!) {
        if (value !== sampleValue(partition, offset)) t.fail(`at ${at} offset ${offset} is ${value}`);
      }
      const lost = expected.gaps[partition]!;
      for (const [first, end] of seen.damaged[partition]!)
        if (!lost.some(([from, to]) => from <= first && end <= to))
          t.fail(`at ${at} ${first} to ${end} is damaged`);
    }
    const { ok } = await repair(left);
    const report = await verifyDirectory({ directory: DATA, fileSystem: left });
    if (!ok || !report.ok) t.fail(`at ${at}, ${variant}: ${JSON.stringify(report.findings)}`);
    const outcome = await readAll(left);
    if (JSON.stringify(show(outcome)) !== JSON.stringify(show(expected)))
      t.same(show(outcome), show(expected), `at ${at}, ${variant}`);
    images++;
  }
  t.comment(`seed ${testSeed}: ${operations - start} operations, ${images} images`);
  t.ok(images > 100);
});

const show = ({ values, damaged, gaps }: Outcome) => ({
  values: values.map((map) => [...map]),
  damaged,
  gaps,
});

t.test('a repair that fails can be called again', async (t) => {
  const damaged = await damagedLog();
  const whole = damaged.crashImage({ variant: 'kill' });
  await repair(whole);
  const calls = whole.calls;
  const expected = show(await readAll(whole));
  const stride = Math.max(1, Math.round(16 / testSize));
  for (let call = testSeed % stride; call < calls; call += stride) {
    const files = damaged.crashImage({ variant: 'kill' });
    const heal = files.failAt({ call, fault: { error: call % 2 === 0 ? 'EIO' : 'ENOSPC' } });
    await repair(files).catch(() => undefined);
    heal();
    // Who cannot let go of the lock has to end.
    if (files.operations.some(({ kind, error }) => kind === 'unlock' && error !== undefined)) continue;
    const { ok } = await repair(files);
    if (!ok) t.fail(`call ${call}`);
    const outcome = show(await readAll(files));
    if (JSON.stringify(outcome) !== JSON.stringify(expected)) t.same(outcome, expected, `call ${call}`);
  }
  t.ok(calls > 100);
});
