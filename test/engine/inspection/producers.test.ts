/** The snapshot of producers as verify, repair and dump see it. */
import t from 'tap';
import type { AppendOptions } from '../../../src/engine/common/types.ts';
import { decodeSidecar, encodeSidecar } from '../../../src/engine/format/sidecar.ts';
import { dumpFile } from '../../../src/engine/inspection/dump.ts';
import { repairDirectory } from '../../../src/engine/inspection/repair.ts';
import { verifyDirectory } from '../../../src/engine/inspection/verify.ts';
import type { VerifyFinding } from '../../../src/engine/inspection/verify-report.ts';
import type { ProducersBody } from '../../../src/engine/partition/producers-file.ts';
import { SimEngine } from '../../helpers/sim-engine.ts';

const SNAPSHOT = '/data/topics/a/0/producers';
const CHECKPOINT = '/data/topics/a/0/checkpoint';

const producer = (id: number, sequence: number): AppendOptions => ({ producer: { id, epoch: 3, sequence } });
const request = (key: string): AppendOptions => ({ idempotency: { key, fingerprint: 7 } });

/** Closed, with batches of two producers and of two requests. */
async function closed(): Promise<SimEngine> {
  const log = await SimEngine.open();
  await log.engine.createTopic('a');
  for (let i = 0; i < 3; i++) {
    await log.append('a', `first ${i}`, producer(1, i));
    await log.append('a', [{ value: `second ${i}` }, { value: 'and more' }], producer(2, 2 * i));
  }
  for (const key of ['k', 'l']) await log.append('a', key, request(key));
  await log.engine.close();
  return log;
}

async function findings(log: SimEngine): Promise<VerifyFinding[]> {
  return (await verifyDirectory({ directory: '/data', fileSystem: log.disk })).findings;
}

function change(log: SimEngine, changed: (body: ProducersBody) => Partial<ProducersBody>): void {
  const body = decodeSidecar<ProducersBody>('producers', log.disk.contents(SNAPSHOT))!;
  log.disk.plant(SNAPSHOT, encodeSidecar('producers', { ...body, ...changed(body) }));
}

const patched = (rows: Uint8Array, at: number, value: number): Uint8Array => {
  const bytes = Buffer.from(rows);
  bytes[at] = value;
  return bytes;
};

/** Two producers of three batches each: 20 bytes, and 24 for each batch. */
const ROW = 20 + 3 * 24;

const WRONG: [what: string, changed: (body: ProducersBody) => Partial<ProducersBody>, message: RegExp][] = [
  ['a sequence', ({ producers }) => ({ producers: patched(producers, 20 + 16, 9) }), /another one/],
  ['an epoch', ({ producers }) => ({ producers: patched(producers, 16, 4) }), /another one/],
  ['a count', ({ keys }) => ({ keys: patched(keys, 32, 2) }), /another one|no batch/],
  ['a fingerprint', ({ keys }) => ({ keys: patched(keys, 36, 8) }), /another one/],
  [
    'an offset inside of a batch',
    ({ producers }) => ({ producers: patched(producers, ROW + 20, 2) }),
    /no batch begins at offset 2|another one/,
  ],
  ['two batches at one offset', ({ keys }) => ({ keys: patched(keys, 44 + 8, 9) }), /two batches/],
  [
    'a batch that is left out',
    ({ producers }) => ({ producers: withoutSecond(producers) }),
    /does not remember/,
  ],
  ['an offset behind the end', ({ offset }) => ({ offset: offset + 1 }), /up to offset 12, which ends at 11/],
];

/** The rows without the second batch of the first producer. */
function withoutSecond(rows: Uint8Array): Uint8Array {
  const bytes = Buffer.concat([rows.subarray(0, 44), rows.subarray(68)]);
  bytes.writeUInt16LE(2, 18);
  return bytes;
}

t.test('a snapshot that is in order', async (t) => {
  const log = await closed();
  t.same(await findings(log), []);
  const items = [];
  for await (const item of dumpFile(SNAPSHOT, { fileSystem: log.disk })) items.push(item);
  t.notOk(items.some(({ damaged }) => damaged));
  t.match(
    items.map(({ line }) => line),
    [
      /producers, \d+ bytes/,
      /^header: topic id [0-9a-f]{32}, partition 0, for the log below offset 11, ok$/,
      /^producer 1, epoch 3, appended 2026.*: sequence 0 at 0 \(1\), sequence 1 at 3 \(1\), sequence 2 at 6 \(1\)$/,
      /^producer 2, epoch 3, .*: sequence 0 at 1 \(2\), sequence 2 at 4 \(2\), sequence 4 at 7 \(2\)$/,
      /^idempotency key \d+, fingerprint 7, over 1 partition, .*: at 9 \(1\)$/,
      /^idempotency key \d+, .*: at 10 \(1\)$/,
    ],
  );
  const segment = `${SNAPSHOT.slice(0, -9)}${'0'.repeat(20)}.log`;
  const batches = [];
  for await (const { kind, line, data } of dumpFile(segment, { fileSystem: log.disk }))
    if (kind === 'batch') batches.push({ line, data });
  t.match(batches[1], {
    line: /producer 2 epoch 3 sequence 0, ok/,
    data: { producerId: 2, epoch: 3, sequence: 0 },
  });
  t.match(batches[6], {
    line: /idempotency key \d+ fingerprint 7 over 1 partition, ok/,
    data: { fingerprint: 7, partitions: 1 },
  });
});

for (const [what, changed, message] of WRONG)
  t.test(`a snapshot that is not true: ${what}`, async (t) => {
    const log = await closed();
    change(log, changed);
    t.match(await findings(log), [{ severity: 'damage', file: 'topics/a/0/producers', message }]);
    const { ok, actions } = await repairDirectory({
      directory: '/data',
      fileSystem: log.disk,
      clock: log.clock,
      acceptLoss: false,
    });
    t.ok(ok);
    t.match(actions[0], { file: 'topics/a/0/producers', message: /removed/ });
    t.same(await findings(log), []);
    await log.reopen();
    const again = [await log.append('a', 'x', producer(1, 2)), await log.append('a', 'k', request('k'))];
    t.match(again, [
      { baseOffset: 6, duplicate: true },
      { baseOffset: 9, duplicate: true },
    ]);
  });

t.test('a snapshot that fails its checks is told, and made anew by itself', async (t) => {
  const log = await closed();
  const bytes = log.disk.contents(SNAPSHOT);
  for (const damaged of [bytes.subarray(0, 40), Buffer.from(bytes).fill(0, 20, 24)]) {
    log.disk.plant(SNAPSHOT, damaged);
    const items = [];
    for await (const item of dumpFile(SNAPSHOT, { fileSystem: log.disk })) items.push(item);
    t.ok(items.some((item) => item.damaged));
    t.match(await findings(log), [{ severity: 'derived', file: 'topics/a/0/producers' }]);
    await log.reopen();
    t.match(await log.append('a', 'x', producer(1, 2)), { baseOffset: 6, duplicate: true });
    await log.engine.close();
    t.same(await findings(log), []);
  }
});

t.test('what is not what may stand in a snapshot counts as damage', async (t) => {
  const log = await closed();
  const before = log.disk.contents(SNAPSHOT);
  const bodies: ((body: ProducersBody) => object)[] = [
    () => ({ topicId: 'ab'.repeat(16) }),
    () => ({ partition: 1 }),
    () => ({ offset: -1 }),
    () => ({ offset: 10 }),
    () => ({ producers: 'text' }),
    () => ({ keys: null }),
    ({ keys }) => ({ keys: keys.subarray(1) }),
    ({ producers }) => ({ producers: producers.subarray(0, -1) }),
    ({ producers }) => ({ producers: patched(producers, 18, 0) }),
    ({ producers }) => ({ producers: patched(producers, 18, 6) }),
    ({ producers }) => ({ producers: patched(producers, 7, 0xff) }),
    ({ producers }) => ({ producers: patched(producers, 17, 0xff) }),
    ({ producers }) => ({ producers: patched(producers, 20 + 19, 0xff) }),
    ({ keys }) => ({ keys: patched(keys, 39, 0xff) }),
    ({ keys }) => ({ keys: patched(keys, 40, 0) }),
    ({ keys }) => ({ keys: patched(keys, 42, 1) }),
  ];
  for (const [i, body] of bodies.entries()) {
    log.disk.plant(SNAPSHOT, before);
    change(log, body as (body: ProducersBody) => Partial<ProducersBody>);
    t.match(await findings(log), [{ severity: 'derived', file: 'topics/a/0/producers' }], `${i}`);
  }
  await log.reopen();
  t.match(await log.append('a', 'x', producer(1, 2)), { duplicate: true });
});

t.test(
  'a checkpoint that repair makes anew leads to the batches of producers as the old one did',
  async (t) => {
    const log = await closed();
    const bytes = log.disk.contents(CHECKPOINT);
    bytes[20]! ^= 1;
    log.disk.plant(CHECKPOINT, bytes);
    await log.disk.remove(SNAPSHOT);
    await repairDirectory({ directory: '/data', fileSystem: log.disk, clock: log.clock, acceptLoss: false });
    await log.disk.remove(SNAPSHOT);
    await log.disk.remove('/data/clean-shutdown');
    await log.reopen();
    t.match(await log.append('a', 'x', producer(1, 1)), { baseOffset: 3, duplicate: true });
  },
);

t.test(
  'what a repair has given up is stored again by a retry, also where the snapshot remembers it',
  async (t) => {
    for (const snapshot of ['kept', 'lost']) {
      const log = await SimEngine.open();
      await log.engine.createTopic('a', { config: { 'segment.bytes': 4096 } });
      const large = 'x'.repeat(3000);
      await log.append('a', large, request('before'));
      await log.append('a', 'x', producer(1, 0));
      // Each large one begins a segment; the second segment is to be lost.
      for (const sequence of [1, 2])
        await log.append('a', sequence === 1 ? large : 'x', producer(1, sequence));
      await log.append('a', 'x', producer(2, 0));
      await log.append('a', 'x', request('lost'));
      await log.append('a', large, request('behind'));
      const bases = (await log.engine.listSegments('a', 0)).map(({ baseOffset }) => baseOffset);
      t.same(bases, [0, 2, 6], snapshot);
      await log.engine.close();
      const path = '/data/topics/a/0/00000000000000000002.log';
      const whole = Buffer.from(log.disk.contents(path));
      log.disk.plant(path, whole.fill(7, 64));
      for (const segment of ['index', 'timeindex', 'summary', 'search'])
        await log.disk.remove(path.replace('log', segment)).catch(() => {});
      const report = await repairDirectory({
        directory: '/data',
        fileSystem: log.disk,
        clock: log.clock,
        acceptLoss: true,
      });
      t.match(report, { ok: true, losses: [{ firstOffset: 2, endOffset: 6 }] });
      if (snapshot === 'lost') await log.disk.remove(SNAPSHOT);
      await log.reopen();
      t.match(await log.append('a', large, request('before')), { baseOffset: 0, duplicate: true });
      t.match(await log.append('a', 'x', producer(1, 0)), { baseOffset: 1, duplicate: true });
      t.match(await log.append('a', large, request('behind')), { baseOffset: 6, duplicate: true });
      t.match(await log.append('a', 'x', request('lost')), { baseOffset: 7, duplicate: false });
      t.match(
        await log.append('a', large, producer(1, 1)),
        { baseOffset: 8, duplicate: false },
        'it goes on',
      );
      t.match(await log.append('a', 'x', producer(2, 0)), { baseOffset: 9, duplicate: false });
      t.same(await findings(log).catch(() => []), []);
    }
  },
);

t.test('what was put back after a repair counts as if it had never been lost', async (t) => {
  const log = await closed();
  const path = '/data/topics/a/0/00000000000000000000.log';
  const whole = Buffer.from(log.disk.contents(path));
  const snapshot = Buffer.from(log.disk.contents(SNAPSHOT));
  const torn = Buffer.from(whole);
  torn.fill(7, whole.length - 100);
  log.disk.plant(path, torn);
  t.match(
    await repairDirectory({ directory: '/data', fileSystem: log.disk, clock: log.clock, acceptLoss: true }),
    {
      ok: true,
    },
  );
  log.disk.plant(path, whole);
  log.disk.plant(SNAPSHOT, snapshot);
  await log.reopen();
  t.match(await log.append('a', 'l', request('l')), { duplicate: true });
});
