/** Rewritten segments in the place of their neighbours: what readers get, what is refused, and what failures leave. */
import t, { type Test } from 'tap';
import { isSeglogError } from '../../../src/engine/common/errors.ts';
import { rewrittenPath } from '../../../src/engine/files/log-file-names.ts';
import { decodeRecords } from '../../../src/engine/format/record-batch-reader.ts';
import type { LogRecord } from '../../../src/engine/index.ts';
import { verifyDirectory } from '../../../src/engine/inspection/verify.ts';
import { rewriteSegments as recompress } from '../../../src/engine/rewrite/rewrite-segments.ts';
import type { FaultRule } from '../../crash/sim/faults.ts';
import { SimFileSystem } from '../../crash/sim-file-system.ts';
import { overlay } from '../../helpers/overlay.ts';
import { replaceSealed, rewriteSegments, sealedOf, watchedPartition } from '../../helpers/rewriting.ts';
import { SimEngine } from '../../helpers/sim-engine.ts';

const CONFIG = { 'segment.bytes': 4096, 'index.interval.bytes': 256 };
const NOW = Date.UTC(2026, 0, 1);
const COUNT = 36;
const DIRECTORY = '/data/topics/a/0';

/** 36 records in batches of three, nine in each segment but the last; one every second. */
async function filled(disk = new SimFileSystem(), settings = {}): Promise<SimEngine> {
  const log = new SimEngine(settings);
  log.disk = disk;
  await log.start();
  await log.engine.createTopic('a', { config: CONFIG });
  for (let batch = 0; batch < COUNT / 3; batch++) {
    const records = [0, 1, 2].map((i) => batch * 3 + i);
    await log.append(
      'a',
      records.map((n) => ({ value: `${n}`.padEnd(400), timestamp: NOW + n * 1000, key: `${n % 4}` })),
    );
    await log.settle();
  }
  return log;
}

/** Of nine records that follow each other, the first five are removed and the sixth stays, and so on. */
const every6th = ({ offset }: LogRecord) => offset % 6 === 5;
const keptOf = (sealed: number) =>
  Array.from({ length: COUNT }, (_, n) => n).filter((n) => n >= sealed || n % 6 === 5);

const offsets = async (log: SimEngine, from = 0) =>
  (await log.records('a', from)).map(({ offset }) => offset);
const files = (log: SimEngine) =>
  log.disk
    .paths()
    .filter((path) => path.startsWith(DIRECTORY))
    .map((path) => path.slice(DIRECTORY.length + 1).replace(/^0+(?=\d)/, ''))
    // But for what goes on changing.
    .filter((name) => !/^(27\.|checkpoint|next)/.test(name))
    .sort();
const ONE_SEGMENT = ['0.index', '0.log', '0.summary', '0.timeindex'];

/** No damage; `unsealed`: a swap was cut short, and derived files are yet to be made. */
async function verified(t: Test, disk: SimFileSystem, unsealed = false): Promise<void> {
  const { ok, findings } = await verifyDirectory({ directory: '/data', fileSystem: disk });
  t.ok(ok, JSON.stringify(findings));
  const told = findings.filter(
    ({ severity }) => severity !== 'note' && !(unsealed && severity === 'derived'),
  );
  t.same(told, []);
}

t.test('three segments become one, and everything that reads finds it', async (t) => {
  const log = await filled();
  const sealed = 27;
  t.equal((await log.engine.listSegments('a', 0)).length, 4);
  t.equal(await replaceSealed(log.engine, 'a', { keep: every6th, batchRecords: 2 }), 'replaced');
  t.same(files(log), ONE_SEGMENT);
  const check = async (when: string) => {
    t.match(
      await log.engine.listSegments('a', 0),
      [
        { baseOffset: 0, endOffset: sealed, records: 4, sealed: true },
        { baseOffset: sealed, sealed: false },
      ],
      when,
    );
    const kept = keptOf(sealed);
    for (let from = 0; from <= COUNT; from++) {
      t.same(
        await offsets(log, from),
        kept.filter((n) => n >= from),
        `${when} from ${from}`,
      );
      const time = NOW + from * 1000;
      t.equal(
        await log.engine.offsetForTimestamp('a', 0, time),
        kept.find((n) => n >= from) ?? COUNT,
        `${when} from second ${from}`,
      );
    }
    for (const record of await log.records('a'))
      t.match(record, { timestamp: NOW + record.offset * 1000, key: Buffer.from(`${record.offset % 4}`) });
  };
  await check('at once');
  await log.reopen();
  await check('after a clean stop');
  await log.reopenAfterKill();
  await check('after a kill');
  t.equal((await log.append('a', 'goes on')).baseOffset, COUNT);
  await log.engine.close();
  await verified(t, log.disk);
});

t.test('where nothing is left, one batch without records covers it', async (t) => {
  const log = await filled();
  t.equal(await replaceSealed(log.engine, 'a', { keep: () => false, batchRecords: 100 }), 'replaced');
  t.match(await log.engine.listSegments('a', 0), [{ endOffset: 27, records: 0, batches: 1 }, {}]);
  for (const from of [0, 13, 26, 27]) t.equal((await offsets(log, from))[0], 27);
  t.equal(await log.engine.offsetForTimestamp('a', 0, NOW), 27);
  t.match(await log.engine.deleteRecords('a', 0, 27), { logStartOffset: 27, segments: 1, bytes: 64 + 80 });
  await log.reopenAfterKill();
  t.equal((await offsets(log, 27))[0], 27);
  await log.engine.close();
  await verified(t, log.disk);
});

t.test('a rewritten segment can be rewritten, alone and with its neighbours', async (t) => {
  const log = await filled();
  t.equal(await replaceSealed(log.engine, 'a', { keep: () => true, compression: 'zstd' }, 0, 2), 'replaced');
  t.equal(await replaceSealed(log.engine, 'a', { keep: ({ offset }) => offset % 3 === 2 }, 0, 1), 'replaced');
  t.equal(await replaceSealed(log.engine, 'a', { keep: every6th }), 'replaced');
  t.same(await offsets(log), keptOf(27));
  await log.engine.close();
  await verified(t, log.disk);
});

t.test('segments that a task has recompressed take the place of the old ones', async (t) => {
  const log = await filled();
  const { partition, maintenance } = (await watchedPartition(log.engine, 'a'))!;
  const before = await log.records('a');
  const olds = sealedOf(partition);
  const { output } = await recompress(
    { fileSystem: log.disk, pace: async () => {} },
    {
      identity: { topicId: partition.topic.id, partition: 0 },
      segments: olds.map(({ path, stats }) => ({ path, ...stats })),
      gaps: [],
      outputPath: rewrittenPath(DIRECTORY, 0),
      createdAt: log.clock.now(),
      indexIntervalBytes: 256,
      blockBytes: 3000,
      codec: 'zstd',
      logStartOffset: 0,
      filter: undefined,
    },
  );
  t.equal(await maintenance.replaceSegments(partition, olds, output!), 'replaced');
  t.same(await log.records('a'), before);
  await log.reopenAfterKill();
  t.same(await log.records('a'), before);
  await log.engine.close();
  await verified(t, log.disk);
});

t.test('what cannot be replaced any more is refused, and the rewritten file is gone', async (t) => {
  const cases: Record<string, [change: (log: SimEngine) => unknown, refusal: string]> = {
    'retention has removed one': [(log) => log.engine.deleteRecords('a', 0, 9), 'changed'],
    'the topic is deleted': [(log) => log.engine.deleteTopic('a'), 'deleted'],
    'it is closed': [(log) => log.engine.close(), 'stopped'],
    'one turns out to be damaged': [
      async (log) => {
        const { partition } = (await watchedPartition(log.engine, 'a'))!;
        const { path } = partition.segments[1]!;
        const bytes = log.disk.contents(path);
        bytes[200]! ^= 1;
        log.disk.plant(path, bytes);
        await log.engine.read('a', 0, { offset: 9 }).catch((error) => {
          if (!isSeglogError(error, 'CORRUPT_MESSAGE')) throw error;
        });
        log.leaveDamaged();
      },
      'damaged',
    ],
    'the partition is fenced': [
      async (log) => (await watchedPartition(log.engine, 'a'))!.partition.fence('a test says so'),
      'fenced',
    ],
  };
  for (const [name, [change, refusal]] of Object.entries(cases)) {
    const log = await filled();
    const { partition, maintenance } = (await watchedPartition(log.engine, 'a'))!;
    const olds = sealedOf(partition);
    const output = await rewriteSegments(partition, olds, { keep: every6th });
    await change(log);
    t.equal(await maintenance.replaceSegments(partition, olds, output), refusal, name);
    t.notOk(log.disk.paths().includes(rewrittenPath(DIRECTORY, 0)), `${name}: nothing is left`);
    if (refusal === 'fenced')
      t.same(await offsets(log), keptOf(0).length && Array.from({ length: COUNT }, (_, n) => n));
  }
});

t.test('a read that has an old segment open finishes with it, and others look again', async (t) => {
  for (let seed = 0; seed < 30; seed++) {
    const log = await filled(new SimFileSystem({ seed, delays: 8 }), { 'max.open.files': 16 });
    const allowed = new Set(keptOf(27));
    let done = false;
    const reader = async (from: number) => {
      while (!done) {
        let next = from;
        for (let offset = from; offset < COUNT; ) {
          const { chunks, nextOffset } = await log.engine.read('a', 0, { offset, maxBytes: 1000 });
          for (const record of decodeRecords(chunks, offset)) {
            if (record.offset < next) t.fail(`offset ${record.offset} twice`);
            for (let missed = next; missed < record.offset; missed++)
              if (allowed.has(missed)) t.fail(`offset ${missed} is missed`);
            next = record.offset + 1;
            t.equal(Number(record.value), record.offset);
          }
          offset = nextOffset;
        }
        if (next !== COUNT) t.fail(`ends at ${next}`);
        const found = await log.engine.offsetForTimestamp('a', 0, NOW + from * 1000);
        t.ok(found >= from && found <= [...allowed].find((n) => n >= from)!, `${found} for ${from}`);
      }
    };
    const readers = [0, 4, 9, 13, 20, 26].map(reader);
    await replaceSealed(log.engine, 'a', { keep: every6th, batchRecords: 2 }, 0, 2);
    await replaceSealed(log.engine, 'a', { keep: every6th, batchRecords: 2 });
    await replaceSealed(log.engine, 'a', { keep: every6th, batchRecords: 4 });
    done = true;
    await Promise.all(readers);
    t.match(log.engine.health(), { ready: true, damagedPartitions: [] });
    t.same(await offsets(log), keptOf(27));
    await log.engine.close();
    t.equal(log.disk.openHandles, 0);
  }
});

t.test(
  'a read that found an old segment, and opens its file when that is another one, looks again',
  async (t) => {
    const held = Promise.withResolvers<void>();
    const disk = new SimFileSystem();
    const slow = overlay(disk, {
      open: async (path, mode) => {
        if (/0{20}\.index$/.test(path)) await held.promise;
        return disk.open(path, mode);
      },
    });
    const log = await filled(slow);
    const reads = [1, 4, 7].map((offset) => log.engine.read('a', 0, { offset, maxBytes: 1 }));
    const times = [1, 7].map((second) => log.engine.offsetForTimestamp('a', 0, NOW + second * 1000));
    await log.settle();
    const { partition, maintenance } = (await watchedPartition(log.engine, 'a'))!;
    const olds = sealedOf(partition);
    const output = await rewriteSegments(partition, olds, { keep: every6th, batchRecords: 2 });
    const replaced = maintenance.replaceSegments(partition, olds, output);
    // The swap waits for those who are making indexes, and is under way when they are done.
    await log.settle();
    held.resolve();
    t.equal(await replaced, 'replaced');
    for (const [i, { chunks }] of (await Promise.all(reads)).entries()) {
      const from = [1, 4, 7][i]!;
      const [first] = decodeRecords(chunks, from);
      t.equal(first!.offset, from === 7 ? 11 : 5, `from ${from}`);
    }
    t.same(await Promise.all(times), [5, 11]);
    t.match(log.engine.health(), { ready: true, damagedPartitions: [] });
  },
);

t.test('an index that is made anew for an old segment is not stored over that of the new one', async (t) => {
  const held = Promise.withResolvers<void>();
  let asked = 0;
  const disk = new SimFileSystem();
  const slow = overlay(disk, {
    open: async (path, mode) => {
      if (/0{20}\.index~$/.test(path) && asked++ === 0) await held.promise;
      return disk.open(path, mode);
    },
  });
  const log = await filled(disk);
  await log.engine.close();
  await disk.remove(`${DIRECTORY}/${'0'.repeat(20)}.index`);
  log.disk = slow;
  await log.start();
  const read = log.engine.read('a', 0, { offset: 3, maxBytes: 1 });
  await log.append('a', [{ value: 'the segment is rolled'.padEnd(4000) }]);
  await log.settle();
  t.equal(asked, 1);
  const replaced = replaceSealed(log.engine, 'a', { keep: every6th, batchRecords: 2 }, 0, 3);
  await log.settle(500);
  held.resolve();
  t.equal(await replaced, 'replaced');
  const from = log.disk.operations.length;
  await read;
  t.notOk(log.disk.operations.slice(from).some(({ kind }) => kind === 'rename'));
  await log.engine.close();
  await verified(t, log.disk);
});

t.test('who comes late to an old segment leaves no index of it beside the new one', async (t) => {
  let held: PromiseWithResolvers<void> | undefined;
  const disk = new SimFileSystem();
  const slow = overlay(disk, {
    open: async (path, mode) => {
      if (/0{20}\.log$/.test(path)) await held?.promise;
      return disk.open(path, mode);
    },
  });
  const log = await filled(disk);
  await log.engine.close();
  log.disk = slow;
  await log.start();
  await log.append('a', [{ value: 'the segment is rolled'.padEnd(4000) }]);
  await log.settle();
  const { partition, maintenance } = (await watchedPartition(log.engine, 'a'))!;
  const olds = sealedOf(partition).slice(0, 3);
  const output = await rewriteSegments(partition, olds, { keep: every6th });
  held = Promise.withResolvers();
  const read = log.engine.read('a', 0, { offset: 4 });
  t.equal(await maintenance.replaceSegments(partition, olds, output), 'replaced');
  const from = log.disk.operations.length;
  held.resolve();
  t.equal(decodeRecords((await read).chunks, 4)[0]!.offset, 5);
  t.notOk(log.disk.operations.slice(from).some(({ kind }) => kind === 'rename'));
  await log.settle();
  await log.engine.close();
  await verified(t, log.disk);
});

t.test('a checkpoint that tells of an old segment is not believed of the new one', async (t) => {
  const log = await filled();
  const { partition, maintenance } = (await watchedPartition(log.engine, 'a'))!;
  // The last segment that is written to is rolled, and nothing came since: the checkpoint tells of it.
  maintenance.seal(partition, partition.roll());
  await log.settle(200);
  t.equal(await replaceSealed(log.engine, 'a', { keep: () => true, batchRecords: 3 }, 3, 4), 'replaced');
  t.same(
    await offsets(log),
    Array.from({ length: COUNT }, (_, n) => n),
  );
  log.disk = log.disk.crash('only what was synced');
  await verified(t, log.disk);
  await log.start();
  t.same(
    await offsets(log),
    Array.from({ length: COUNT }, (_, n) => n),
  );
  t.match(log.engine.health(), { ready: true });
});

/** The directory is synced for a checkpoint first, which told of an old segment. */
const nthSync = (nth: number, error: 'EIO' | 'EMFILE'): FaultRule => ({
  kind: 'syncDirectory',
  nth,
  path: /a\/0$/,
  fault: { error },
});

/** What fails, and what it leaves: nothing replaced, a swap that is finished later, or nobody knows. */
const FAULTS: [name: string, rule: FaultRule, left: 'nothing' | 'pending' | 'fenced', replaced: boolean][] = [
  [
    'the rename that commits',
    { kind: 'rename', path: /rewritten~/, fault: { error: 'EIO' } },
    'nothing',
    false,
  ],
  [
    'that rename, for want of space',
    { kind: 'rename', path: /rewritten~/, fault: { error: 'ENOSPC' } },
    'nothing',
    false,
  ],
  ['the sync that commits', nthSync(1, 'EIO'), 'fenced', false],
  ['that sync, for want of a descriptor', nthSync(1, 'EMFILE'), 'nothing', false],
  ['putting an index aside', { kind: 'rename', path: /9\.index$/, fault: { error: 'EIO' } }, 'pending', true],
  [
    'putting a segment aside',
    { kind: 'rename', path: /18\.log$/, fault: { error: 'ENOSPC' } },
    'pending',
    true,
  ],
  [
    'the list of what is put aside',
    { kind: 'list', path: /a\/0$/, fault: { error: 'EMFILE' } },
    'pending',
    true,
  ],
  ['the second sync', nthSync(2, 'EIO'), 'fenced', true],
  ['the second sync, for want of a descriptor', nthSync(2, 'EMFILE'), 'pending', true],
  [
    'the rename to its name',
    { kind: 'rename', path: /\.swap$/, nth: 1, fault: { error: 'EIO' } },
    'pending',
    true,
  ],
  ['the last sync', nthSync(3, 'EIO'), 'fenced', true],
  ['the last sync, for want of a descriptor', nthSync(3, 'EMFILE'), 'pending', true],
  ['a removal', { kind: 'remove', path: /9\.log~$/, fault: { error: 'EIO' } }, 'pending', true],
  [
    'writing its summary',
    { kind: 'open', path: /0\.summary~$/, fault: { error: 'ENOSPC' } },
    'pending',
    true,
  ],
];

const ALL = Array.from({ length: COUNT }, (_, n) => n);

for (const [name, rule, left, replaced] of FAULTS) {
  t.test(`${name} fails: ${left}`, async (t) => {
    const log = await filled();
    const heal = log.disk.failAt({ ...rule, forever: true });
    const outcome = await replaceSealed(log.engine, 'a', { keep: every6th }).catch((error) => error);
    if (replaced) t.equal(outcome, 'replaced');
    else t.type(outcome, Error);
    const expected = replaced ? keptOf(27) : ALL;
    t.same(await offsets(log), expected, 'what readers get');
    t.equal(log.engine.health().ready, left !== 'fenced');
    heal();
    if (left === 'fenced') {
      t.match(log.engine.health().fencedPartitions, [{ reason: /^a sync failed/ }]);
      await log.clock.advance(5000);
      t.same(await offsets(log), expected, 'nothing is built on names that may be lost');
      await isDurable(t, log, replaced ? [keptOf(27)] : [ALL, keptOf(27)]);
      return;
    }
    t.equal((await log.append('a', 'goes on')).baseOffset, COUNT);
    if (left === 'nothing') {
      t.notOk(
        files(log).some((each) => /rewritten|swap/.test(each)),
        'nothing is left',
      );
      t.equal(await replaceSealed(log.engine, 'a', { keep: every6th }), 'replaced', 'the next one does it');
    } else {
      await verified(t, log.disk.crashImage({ variant: 'kill' }), true);
    }
    await log.clock.advance(5000);
    await log.settle(200);
    t.match(await log.engine.listSegments('a', 0), [{ endOffset: 27, sealed: true }, {}]);
    t.same(files(log), ONE_SEGMENT);
    await log.engine.close();
    await verified(t, log.disk);
    await log.start();
    t.same(await offsets(log), [...keptOf(27), COUNT]);
  });
}

/** The process is killed, the next one opens what is seen, and the power goes at some time: what was served stays. */
async function isDurable(t: Test, log: SimEngine, allowed: readonly (readonly number[])[]): Promise<void> {
  log.disk = log.disk.crash('kill');
  await verified(t, log.disk, true);
  await log.start();
  const served = await offsets(log);
  const isOneOf = (found: readonly number[]) => allowed.some((each) => String(each) === String(found));
  t.ok(isOneOf(served), `served: ${served}`);
  const { disk } = log;
  const { length } = disk.operations;
  for (let at = 0; at <= length; at++) {
    if (at < length && disk.operations[at]!.change === undefined) continue;
    for (const variant of ['only what was synced', 'some names'] as const) {
      log.disk = disk.crashImage({ at, variant, seed: at });
      await verified(t, log.disk, true);
      await log.start();
      const found = await offsets(log);
      if (at < length) t.ok(isOneOf(found), `${variant} after ${at} operations: ${found}`);
      else t.same(found, served, variant);
      t.match(log.engine.health(), { ready: true, damagedPartitions: [], fencedPartitions: [] });
    }
  }
}

t.test(
  'a swap that stays pending is closed over, and another is not begun before it is finished',
  async (t) => {
    const log = await filled();
    const heal = log.disk.failAt({
      kind: 'rename',
      path: /18\.log$/,
      forever: true,
      fault: { error: 'EIO' },
    });
    t.equal(await replaceSealed(log.engine, 'a', { keep: every6th }, 1, 3), 'replaced');
    await t.rejects(replaceSealed(log.engine, 'a', { keep: every6th }, 0, 1), { code: 'EIO' });
    await log.engine.deleteRecords('a', 0, 12);
    t.same(
      await offsets(log, 12),
      keptOf(27).filter((n) => n >= 12),
    );
    await log.engine.close();
    heal();
    t.ok(files(log).some((name) => /swap$/.test(name)));
    await verified(t, log.disk, true);
    await log.start();
    t.same(
      await offsets(log, 12),
      keptOf(27).filter((n) => n >= 12),
    );
    t.notOk(files(log).some((name) => /swap|~/.test(name)));
  },
);

t.test('of a swap that was taken back nothing is left when another one is committed', async (t) => {
  const log = await filled();
  const heal = log.disk.failAt({ ...nthSync(0, 'EMFILE'), forever: true });
  await t.rejects(replaceSealed(log.engine, 'a', { keep: every6th }, 0, 2), { code: 'OUTCOME_UNKNOWN' });
  heal();
  const from = log.disk.operations.length;
  t.equal(await replaceSealed(log.engine, 'a', { keep: every6th }, 1, 2), 'replaced');
  const { operations } = log.disk;
  const commit = operations.findIndex(
    ({ kind, target }, i) => i >= from && kind === 'rename' && target!.endsWith('.swap'),
  );
  for (let seed = 0; seed < 200; seed++) {
    const image = log.disk.crashImage({ at: commit + 1, variant: 'some names', seed });
    t.ok(image.paths().filter((path) => path.endsWith('.swap')).length < 2, `seed ${seed}`);
  }
});

t.test('on a full disk a swap is finished, and its segment is sealed once there is space', async (t) => {
  const log = await filled(new SimFileSystem(), { 'journal.files': 2, 'log.dir.reserve.bytes': 0 });
  const { partition, maintenance } = (await watchedPartition(log.engine, 'a'))!;
  const olds = sealedOf(partition).slice(0, 2);
  const output = await rewriteSegments(partition, olds, { keep: every6th });
  await log.append('a', 'only the journal has this');
  t.ok(log.engine.stats().journaledBytes > 0);
  log.disk.capacityBytes = log.disk.usedBytes;
  t.equal(await maintenance.replaceSegments(partition, olds, output), 'replaced');
  t.notOk(
    files(log).some((name) => /swap|log~/.test(name)),
    files(log).join(),
  );
  log.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
  for (let second = 0; second < 10; second++) await log.clock.advance(1000);
  await log.settle(200);
  t.match(await log.engine.listSegments('a', 0), [{ endOffset: 18, sealed: true }, { sealed: true }, {}]);
  await log.engine.close();
  await verified(t, log.disk);
});

t.test('a pending swap is finished on a full disk', async (t) => {
  const log = await filled();
  log.disk.failAt({ kind: 'rename', path: /18\.log$/, forever: true, fault: { error: 'EIO' } });
  t.equal(await replaceSealed(log.engine, 'a', { keep: every6th }), 'replaced');
  log.disk = log.disk.crash('kill');
  log.disk.capacityBytes = log.disk.usedBytes;
  await log.start();
  t.same(await offsets(log), keptOf(27));
  t.notOk(files(log).some((name) => /swap/.test(name)));
  log.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
  await log.clock.advance(5000);
  t.equal((await log.append('a', 'goes on')).baseOffset, COUNT);
});
