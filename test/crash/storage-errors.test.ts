/**
 * Writes and syncs that fail. Who waits is told that the outcome is unknown; what failed is fenced and never tried
 * again; reads go on; nothing is called clean; and the next start makes durable what it serves.
 */
import t, { type Test } from 'tap';
import { SeglogError } from '../../src/engine/common/errors.ts';
import type { AppendOptions, TopicSpec } from '../../src/engine/common/types.ts';
import { Engine } from '../../src/engine/engine.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';
import type { FaultRule } from './sim/faults.ts';
import { SimClock, settled } from './sim-clock.ts';
import { SimFileSystem } from './sim-file-system.ts';

const DIRECTORY = '/data';
const DIRECT = { 'journal.files': 0 };
const JOURNALED = { 'journal.files': 2, 'journal.file.bytes': 65_536 };

class FailingLog {
  readonly clock = new SimClock();
  readonly failures: string[] = [];
  disk = new SimFileSystem();
  engine!: Engine;

  static async open(
    settings: Record<string, number>,
    spec: TopicSpec = { partitions: 2 },
  ): Promise<FailingLog> {
    const log = new FailingLog();
    await log.start(settings);
    await log.engine.createTopic('a', spec);
    return log;
  }

  async start(settings: Record<string, number>): Promise<void> {
    this.engine = await Engine.open({
      directory: DIRECTORY,
      fileSystem: this.disk,
      clock: this.clock,
      settings,
      observer: { failed: (kind) => void this.failures.push(kind) },
    });
  }

  append(partition: number, value: string, options: AppendOptions = {}): Promise<string> {
    return outcome(this.engine.append('a', [{ value }], { partition, ...options }));
  }

  async values(partition: number): Promise<string[]> {
    const { highWatermark } = this.engine.offsets('a', partition);
    const values: string[] = [];
    for (let offset = 0; offset < highWatermark; ) {
      const read = await this.engine.read('a', partition, { offset });
      values.push(...decodeRecords(read.chunks, offset).map(({ value }) => String(value)));
      offset = read.nextOffset;
    }
    return values;
  }

  /** Makes calls fail; `calls` then has those of the same kind and path that come after the first failure. */
  fail(rule: FaultRule): { calls(): number } {
    const from = this.disk.operations.length;
    this.disk.failAt(rule);
    const matching = () =>
      this.disk.operations
        .slice(from)
        .filter(({ kind, path }) => kind === rule.kind && (rule.path?.test(path) ?? true));
    return { calls: () => matching().length };
  }

  get isMarkedClean(): boolean {
    return this.disk.paths().includes(`${DIRECTORY}/clean-shutdown`);
  }
}

const outcome = (work: Promise<unknown>): Promise<string> =>
  work.then(
    () => 'done',
    (error) => {
      if (!(error instanceof SeglogError)) throw error;
      return error.code;
    },
  );

const some = async (turns = 50) => {
  for (let turn = 0; turn < turns; turn++) await settled();
};

const SEGMENT_0 = /\/a\/0\/0+\.log/;

for (const [name, rule, failure] of [
  ['sync of a segment', { kind: 'sync', path: SEGMENT_0, fault: { error: 'EIO' } }, 'sync'],
  ['write to a segment', { kind: 'write', path: SEGMENT_0, fault: { error: 'EIO' } }, 'write'],
  ['sync of a directory', { kind: 'syncDirectory', path: /\/a\/0$/, fault: { error: 'EIO' } }, 'sync'],
] as const) {
  t.test(`a ${name} that fails once fences the partition, for good`, async (t) => {
    const log = await FailingLog.open(DIRECT);
    const { engine } = log;
    const before = rule.kind === 'syncDirectory' ? [] : ['first'];
    for (const value of before) t.equal(await log.append(0, value), 'done');
    t.equal(await log.append(1, 'other'), 'done');
    const failing = log.fail(rule);
    t.same(
      await Promise.all([log.append(0, 'second'), log.append(0, 'third')]),
      ['OUTCOME_UNKNOWN', 'KAFKA_STORAGE_ERROR'],
      'who was on the way does not know, who still waited was not stored',
    );
    t.same(log.failures, [failure]);
    const calls = failing.calls();
    t.equal(await log.append(0, 'later'), 'KAFKA_STORAGE_ERROR');
    t.equal(await log.append(0, 'later', { acks: 1 }), 'KAFKA_STORAGE_ERROR');
    t.equal(await log.append(1, 'still'), 'done', 'another partition goes on');
    t.same(await log.values(0), before, 'what was readable is, and nothing more');
    t.same(await log.values(1), ['other', 'still']);
    t.match(engine.health(), {
      ready: false,
      failed: null,
      fencedPartitions: [{ topic: 'a', partition: 0 }],
    });
    t.match(engine.health().reasons, [/^partition a-0: a (sync|write) failed \(EIO\)/]);
    await log.clock.advance(60_000);
    await engine.close();
    t.equal(failing.calls(), calls, 'it is never tried again');
    t.notOk(log.isMarkedClean, 'not called clean');
    await recoversDurably(t, log, DIRECT, before);
  });
}

/** Opens on what the system still has in memory; after that a power cut takes nothing of what is served. */
async function recoversDurably(
  t: Test,
  log: FailingLog,
  settings: Record<string, number>,
  acknowledged: readonly string[],
): Promise<void> {
  await log.start(settings);
  t.match(log.engine.health(), { ready: true, fencedPartitions: [], damagedPartitions: [] });
  const served = await log.values(0);
  t.same(served.slice(0, acknowledged.length), acknowledged);
  t.ok(served.length <= acknowledged.length + 1, 'and at most what was on the way');
  log.disk = log.disk.crash('only what was synced');
  t.match(await verifyDirectory({ directory: DIRECTORY, fileSystem: log.disk }), { ok: true });
  await log.start(settings);
  t.same(await log.values(0), served, 'all that was served is durable');
  t.equal(await log.append(0, 'goes on'), 'done');
  await log.engine.close();
  t.ok(log.isMarkedClean);
}

for (const kind of ['write', 'sync'] as const) {
  t.test(`a ${kind} of the journal that fails fences all`, async (t) => {
    const log = await FailingLog.open(JOURNALED);
    const { engine } = log;
    // The first commit finds no journal file yet, and has one made.
    for (const value of ['first', 'second']) {
      t.equal(await log.append(0, value), 'done');
      await some();
    }
    t.ok(engine.stats().journaledBytes > 0);
    const failing = log.fail({ kind, path: /\/journal\//, fault: { error: 'EIO' } });
    t.same(await Promise.all([log.append(0, 'third'), log.append(1, 'fourth')]), [
      'OUTCOME_UNKNOWN',
      'KAFKA_STORAGE_ERROR',
    ]);
    const calls = failing.calls();
    for (const partition of [0, 1]) t.equal(await log.append(partition, 'later'), 'KAFKA_STORAGE_ERROR');
    t.same(await log.values(0), ['first', 'second'], 'reads go on, also of what is in memory');
    t.match(engine.health(), { ready: false, failed: /writing the journal failed \(EIO\)/ });
    t.match(engine.health().reasons[0], /restart seglog/);
    await engine.createTopic('b', { partitions: 1 });
    t.equal(
      await outcome(engine.append('b', [{ value: 'x' }])),
      'KAFKA_STORAGE_ERROR',
      'all, also a new one',
    );
    await log.clock.advance(60_000);
    await engine.close();
    t.equal(failing.calls(), calls, 'it is never tried again');
    t.notOk(log.isMarkedClean);
    await recoversDurably(t, log, JOURNALED, ['first', 'second']);
  });
}

t.test('a sync that nobody waits for fences as well', async (t) => {
  const log = await FailingLog.open(DIRECT);
  t.equal(await log.append(0, 'first'), 'done');
  const failing = log.fail({ kind: 'sync', path: SEGMENT_0, fault: { error: 'EIO' } });
  t.equal(await log.append(0, 'second', { acks: 1 }), 'done', 'it was written');
  await some();
  t.same(await log.values(0), ['first'], 'but it is not readable: it was not synced');
  t.equal(await log.append(0, 'third'), 'KAFKA_STORAGE_ERROR');
  t.match(log.engine.health(), { ready: false, fencedPartitions: [{ partition: 0 }] });
  await log.engine.close();
  t.equal(failing.calls(), 1);
  t.notOk(log.isMarkedClean);
});

t.test('a sync that fails when a rolled segment is sealed fences', async (t) => {
  const config = { 'segment.bytes': 4096, flush: 'os' };
  const log = await FailingLog.open(DIRECT, { partitions: 1, config });
  log.fail({ kind: 'sync', path: SEGMENT_0, fault: { error: 'EIO' } });
  for (let i = 0; i < 5; i++) await log.append(0, `${i}`.padEnd(1500), { acks: 1 });
  await some();
  t.equal(await log.append(0, 'later'), 'KAFKA_STORAGE_ERROR');
  const values = await log.values(0);
  t.ok(values.length >= 2, 'under flush=os readers saw what was written, and still do');
  await log.engine.close();
  t.notOk(log.isMarkedClean);
});

t.test('a sync that fails at the close', async (t) => {
  const log = await FailingLog.open(DIRECT, { partitions: 1, config: { flush: 'os' } });
  t.equal(await log.append(0, 'first', { acks: 1 }), 'done');
  log.fail({ kind: 'sync', path: SEGMENT_0, fault: { error: 'EIO' } });
  t.not(await outcome(log.engine.close()), 'done');
  t.notOk(log.isMarkedClean);
  t.equal(log.disk.openHandles, 0, 'all files are closed and the lock is free');
  await recoversDurably(t, log, DIRECT, ['first']);
});

t.test('files that can be made again are no reason to fence', async (t) => {
  const config = { 'segment.bytes': 4096 };
  const log = await FailingLog.open(DIRECT, { partitions: 1, config });
  for (const path of [/\.index~?$/, /\.timeindex~?$/, /\.summary~?$/, /checkpoint~?$/]) {
    for (const kind of ['sync', 'write', 'rename'] as const) {
      log.disk.failAt({ kind, path, fault: { error: 'EIO' } });
    }
  }
  const values = Array.from({ length: 40 }, (_, i) => `${i}`.padEnd(1500));
  for (const value of values) {
    t.equal(await log.append(0, value), 'done');
    await log.clock.advance(1000);
  }
  t.match(log.engine.health(), { ready: true });
  await log.engine.close();
  t.ok(log.isMarkedClean);
  t.match(await verifyDirectory({ directory: DIRECTORY, fileSystem: log.disk }), { ok: true, findings: [] });
  await log.start(DIRECT);
  t.same(await log.values(0), values);
});

t.test('a process without descriptors left', async (t) => {
  t.test('is told to come again, and nothing is fenced', async (t) => {
    const log = await FailingLog.open(DIRECT);
    t.equal(await log.append(0, 'first'), 'done');
    const emfile = { error: 'EMFILE' } as const;
    log.disk.failAt({ kind: 'open', path: /\/a\/1\//, fault: emfile });
    const error = await log.engine.append('a', [{ value: 'x' }], { partition: 1 }).catch((error) => error);
    t.match(error, { code: 'THROTTLED', retriable: true, message: /ulimit -n.*max\.open\.files/ });
    t.equal(await log.append(1, 'second'), 'done');
    t.match(log.engine.health(), { ready: true, fencedPartitions: [] });
    t.same(await log.values(0), ['first']);
    await log.engine.close();
    t.ok(log.isMarkedClean);
  });

  t.test('does not lose what missed its directory sync', async (t) => {
    const log = await FailingLog.open(DIRECT);
    log.disk.failAt({ kind: 'syncDirectory', path: /\/a\/0$/, fault: { error: 'EMFILE' } });
    t.equal(await log.append(0, 'first'), 'OUTCOME_UNKNOWN');
    t.equal(await log.append(0, 'second'), 'done');
    log.disk = log.disk.crash('only what was synced');
    await log.start(DIRECT);
    t.same(await log.values(0), ['first', 'second']);
  });

  t.test('shows what was written once there are descriptors again', async (t) => {
    for (const [acks, answer] of [
      [1, 'done'],
      ['all', 'OUTCOME_UNKNOWN'],
    ] as const) {
      const log = await FailingLog.open(DIRECT);
      log.disk.failAt({ kind: 'syncDirectory', path: /\/a\/0$/, fault: { error: 'EMFILE' } });
      t.equal(await log.append(0, 'first', { acks }), answer);
      await some();
      await log.clock.advance(5000);
      t.same(await log.values(0), ['first']);
    }
  });
});

t.test('reads that fail say so, and work again when the disk does', async (t) => {
  const log = await FailingLog.open(DIRECT, { partitions: 1, config: { 'segment.bytes': 4096 } });
  const values = ['first', 'second', 'third'].map((value) => value.padEnd(3000));
  for (const value of values) await log.append(0, value);
  for (const [kind, errno, expected] of [
    ['read', 'EIO', { code: 'KAFKA_STORAGE_ERROR', message: /a-0: .*\(EIO\): look at the disk/ }],
    ['open', 'EACCES', { code: 'KAFKA_STORAGE_ERROR', message: /\(EACCES\)/ }],
    ['open', 'EMFILE', { code: 'THROTTLED', retriable: true, message: /ulimit -n.*max\.open\.files/ }],
  ] as const) {
    await log.engine.close();
    await log.start(DIRECT);
    for (const use of [() => log.values(0), () => log.engine.offsetForTimestamp('a', 0, 1)]) {
      const end = log.disk.failAt({ kind, path: SEGMENT_0, forever: true, fault: { error: errno } });
      const error = await use().catch((error) => error);
      t.match(error, { ...expected, details: { topic: 'a', partition: 0 } });
      end();
    }
    t.same(await log.values(0), values);
    t.match(log.engine.health(), { ready: true, damagedPartitions: [] });
  }
  t.equal(await log.append(0, 'fourth'), 'done');
});

t.test('a close that finds no space or no descriptors for files that can be made again', async (t) => {
  for (const [name, path, errno] of [
    ['a checkpoint without space', /checkpoint~?$/, 'ENOSPC'],
    ['a checkpoint without descriptors', /checkpoint~?$/, 'EMFILE'],
    ['an index without space', /\.index~?$/, 'ENOSPC'],
  ] as const) {
    t.test(name, async (t) => {
      const log = await FailingLog.open(DIRECT, { partitions: 2, config: { 'segment.bytes': 4096 } });
      const values = ['first', 'second'.padEnd(3000), 'third'.padEnd(3000)];
      const end = log.disk.failAt({ kind: 'open', path, forever: true, fault: { error: errno } });
      for (const value of values) t.equal(await log.append(0, value), 'done');
      await log.engine.close();
      end();
      t.ok(log.isMarkedClean, 'all of it is synced, and the marker says so');
      log.disk = log.disk.crash('only what was synced');
      // Without the marker nobody would know how much there must be.
      const cut = log.disk.crashImage({ variant: 'kill' });
      const last = cut.paths().findLast((each) => each.endsWith('.log'))!;
      cut.plant(last, cut.contents(last).subarray(0, 1000));
      t.match(await verifyDirectory({ directory: DIRECTORY, fileSystem: cut }), { ok: false });
      await log.start(DIRECT);
      t.same(await log.values(0), values);
      t.match(log.engine.health(), { ready: true });
      await log.engine.close();
      t.match(await verifyDirectory({ directory: DIRECTORY, fileSystem: log.disk }), {
        ok: true,
        findings: [],
      });
    });
  }

  t.test('and none for the marker', async (t) => {
    const log = await FailingLog.open(DIRECT);
    t.equal(await log.append(0, 'first'), 'done');
    log.disk.failAt({ kind: 'open', path: /clean-shutdown~$/, fault: { error: 'ENOSPC' } });
    t.equal(await outcome(log.engine.close()), 'done');
    t.notOk(log.isMarkedClean);
    await recoversDurably(t, log, DIRECT, ['first']);
  });
});
