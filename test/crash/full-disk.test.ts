/**
 * A disk that is really full: a tmpfs of a few MiB. Appends are refused and leave nothing behind, reads go on, and once
 * there is space again appends resume by themselves, in the same process. All that was acknowledged is there.
 */
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { errnoOf } from '../../src/engine/common/errors.ts';
import { Engine } from '../../src/engine/engine.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';
import { Daemon } from '../helpers/daemon.ts';
import { Tmpfs } from '../helpers/tmpfs.ts';
import { until } from '../helpers/until.ts';
import { HttpClient, type Page } from './daemon-load.ts';
import { FullDiskLog } from './full-disk-log.ts';

const MIB = 1024 * 1024;

const probe = Tmpfs.mount(MIB);
probe?.unmount();
const skip = probe === undefined && 'this process may not mount a tmpfs';

async function withDisk(t: Test, bytes: number): Promise<FullDiskLog> {
  const disk = Tmpfs.mount(bytes)!;
  const log = new FullDiskLog(disk);
  t.teardown(async () => {
    await log.engine?.close().catch(() => {});
    disk.unmount();
  });
  await log.open();
  return log;
}

t.test('a disk that the log itself has filled', { skip }, async (t) => {
  const log = await withDisk(t, 6 * MIB);
  const { engine } = log;
  await engine.createTopic('kept', { partitions: 3, config: { 'segment.bytes': 131_072 } });
  await engine.createTopic('ballast', { partitions: 1 });
  for (let i = 0; i < 20; i++) await log.append('ballast', 0, 100_000);
  const sizes = [100, 5000, 60_000, 300_000];
  let refused = 0;
  for (let i = 0; refused < 50; i++) {
    const appends = [0, 1, 2].map((partition) =>
      log.append('kept', partition, sizes[(i + partition) % 4]!, i % 5 === 0 ? 1 : 'all'),
    );
    const stored = await Promise.all(appends);
    refused += stored.filter((each) => !each).length;
  }
  // Until there is no room for the smallest one.
  await until('the disk is full', async () => !(await log.append('kept', 0, 100)));
  await log.check();
  t.match(engine.health(), { ready: false, storageFull: true, failed: null, fencedPartitions: [] });
  t.match(engine.health().reasons, [/disk is full/]);
  t.ok(log.refusals.every(({ message }) => /free space/.test(message) && /nothing was stored/.test(message)));
  await engine.deleteTopic('ballast');
  log.forget('ballast');
  for (const partition of [0, 1, 2]) await log.resumes('kept', partition);
  await log.check();
  await log.closeAndVerify(t);
});

t.test('space that somebody else takes, so that writes themselves fail', { skip }, async (t) => {
  const log = await withDisk(t, 6 * MIB);
  const { engine, disk } = log;
  await engine.createTopic('kept', { partitions: 4, config: { 'segment.bytes': 131_072 } });
  let struckInWrites = 0;
  for (let round = 0; round < 8; round++) {
    const acks = round % 2 === 0 ? 'all' : 1;
    for (const partition of [0, 1, 2, 3]) await log.append('kept', partition, 70_000 + round * 1000, acks);
    const before = log.refusals.length;
    // The log believes what the disk said last: a few bytes are left, and then none.
    disk.fill(round * 6000);
    await Promise.all([0, 1, 2, 3].map((partition) => log.append('kept', partition, 100_000, acks)));
    t.ok(log.refusals.length > before, 'refused');
    const errors = log.refusals.slice(before).map(({ cause }) => errnoOf(cause));
    struckInWrites += errors.filter((errno) => errno === 'ENOSPC').length;
    await log.check();
    disk.free();
    await log.resumes('kept', round % 4);
  }
  t.ok(struckInWrites > 0, `${struckInWrites} writes found no space`);
  await log.closeAndVerify(t);
});

t.test('no space for what is in the journal and not yet in its segments', { skip }, async (t) => {
  const log = await withDisk(t, 6 * MIB);
  const { engine, disk } = log;
  await engine.createTopic('kept', { partitions: 4, config: { 'segment.bytes': 16_384 } });
  const all = [0, 1, 2, 3];
  // The journal's files are made meanwhile.
  await until('commits go through the journal', async () => {
    await Promise.all(all.map((partition) => log.append('kept', partition, 500)));
    return engine.stats().journaledBytes > 0;
  });
  for (let round = 0; round < 4; round++) {
    await until('something is in the journal only', async () => {
      await Promise.all(all.map((partition) => log.append('kept', partition, 3000)));
      return engine.stats().journaledBytes > 0;
    });
    disk.fill();
    // What was in the journal may have been drained just before; what comes now cannot be.
    await until('draining fails', async () => {
      await log.append('kept', 0, 500);
      return engine.health().storageFull;
    });
    await log.check();
    t.equal(await log.append('kept', 0, 10), false);
    disk.free();
    await log.resumes('kept', round);
    await until('the journal is drained', () => engine.stats().journaledBytes === 0);
    await log.check();
  }
  t.same(engine.health().fencedPartitions, []);
  await log.closeAndVerify(t);
});

t.test('changes of topics on a full disk happen or do not', { skip }, async (t) => {
  const log = await withDisk(t, 4 * MIB);
  const { engine, disk } = log;
  await engine.createTopic('kept', { partitions: 1 });
  await log.append('kept', 0, 1000);
  disk.fill();
  const refused = (change: Promise<unknown>) =>
    change.then(
      () => 'done',
      (error) => error.code,
    );
  t.equal(await refused(engine.createTopic('new', { partitions: 2 })), 'STORAGE_FULL');
  t.equal(await refused(engine.alterTopic('kept', { config: { flush: 'os' } })), 'STORAGE_FULL');
  t.equal(await refused(engine.alterTopic('kept', { partitions: 2 })), 'STORAGE_FULL');
  t.same(
    engine.listTopics().map(({ name, partitions }) => [name, partitions]),
    [['kept', 1]],
  );
  await log.check();
  disk.free();
  await engine.createTopic('new', { partitions: 2 });
  await engine.alterTopic('kept', { partitions: 2, config: { flush: 'os' } });
  await log.resumes('kept', 1);
  await log.closeAndVerify(t);
});

const DAEMON_SETTINGS = [
  ...['--log.dir.reserve.bytes', '3m', '--journal.file.bytes', '256k', '--journal.files', '2'],
  ...['--checkpoint.bytes', '64k', '--housekeeping.interval.ms', '50'],
];

/** The daemon on a small disk, asked over HTTP, and what it acknowledged. */
class FullDiskDaemon {
  readonly directory: string;
  readonly #values: string[] = [];
  #daemon!: Daemon;
  #client!: HttpClient;

  constructor(disk: Tmpfs) {
    this.directory = join(disk.path, 'data');
  }

  async start(t: Test): Promise<void> {
    this.#daemon = await Daemon.start(this.directory, DAEMON_SETTINGS);
    t.teardown(() => this.#daemon.kill('SIGKILL'));
    this.#client = new HttpClient(this.#daemon.url);
  }

  end(signal: NodeJS.Signals) {
    this.#client.close();
    return this.#daemon.kill(signal);
  }

  ask(method: string, path: string, body?: unknown) {
    return this.#client.ask(method, path, body === undefined ? undefined : JSON.stringify(body), {
      'content-type': 'application/json',
    });
  }

  /** The status that a record of so many bytes was answered with. */
  async produce(bytes: number): Promise<number> {
    const value = `${this.#values.length} ${'x'.repeat(bytes)}`;
    const path = '/api/topics/kept/records?partition=0';
    const { status, body } = await this.#client.ask('POST', path, value, { 'content-type': 'text/plain' });
    if (status === 200) this.#values.push(value);
    else if (JSON.parse(body).code !== 'storage_full') throw new Error(`${status} ${body}`);
    return status;
  }

  async fill(): Promise<void> {
    for (const bytes of [200_000, 20_000, 1000]) {
      await until('the disk is full', async () => (await this.produce(bytes)) === 507);
    }
  }

  async check(t: Test): Promise<void> {
    const found: string[] = [];
    for (;;) {
      const path = `/api/topics/kept/partitions/0/records?offset=${found.length}&max_bytes=1000000`;
      const { records, nextOffset, highWatermark } = await this.#client.json<Page>('GET', path);
      found.push(...records.map(({ value }) => value));
      if (nextOffset === highWatermark) break;
    }
    t.ok(found.length === this.#values.length && found.every((value, i) => value === this.#values[i]));
  }
}

t.test('the daemon on a full disk, killed and started again while it is full', { skip }, async (t) => {
  const disk = Tmpfs.mount(12 * MIB)!;
  t.teardown(() => disk.unmount());
  const daemon = new FullDiskDaemon(disk);
  await daemon.start(t);
  for (const topic of ['kept', 'ballast']) await daemon.ask('PUT', `/api/topics/${topic}`, { partitions: 2 });
  await daemon.ask('POST', '/api/topics/ballast/records', { records: [{ value: 'x'.repeat(2_000_000) }] });

  for (const life of ['first', 'second', 'third']) {
    // A start may find a little space: what was never acknowledged goes.
    await daemon.fill();
    t.comment(`${life} life, ${disk.freeBytes} bytes are free`);
    t.equal((await daemon.ask('GET', '/readyz')).status, 503);
    t.match(JSON.parse((await daemon.ask('GET', '/health')).body), {
      storageFull: true,
      fencedPartitions: [],
    });
    await daemon.check(t);
    await daemon.end('SIGKILL');
    await daemon.start(t);
    await daemon.check(t);
  }

  await daemon.fill();
  t.equal((await daemon.ask('DELETE', '/api/topics/ballast')).status, 204);
  await until('appends resume', async () => (await daemon.produce(1000)) === 200);
  t.equal((await daemon.ask('GET', '/readyz')).status, 200);
  await daemon.check(t);
  t.match(await daemon.end('SIGTERM'), { code: 0, signal: null });
  await daemon.start(t);
  await daemon.check(t);
  await daemon.end('SIGTERM');
});

t.test('the daemon killed while somebody else has taken the reserve as well', { skip }, async (t) => {
  const disk = Tmpfs.mount(12 * MIB)!;
  t.teardown(() => disk.unmount());
  const daemon = new FullDiskDaemon(disk);
  await daemon.start(t);
  await daemon.ask('PUT', '/api/topics/kept', { partitions: 1 });
  await daemon.fill();
  disk.fill();
  await daemon.check(t);
  await daemon.end('SIGKILL');
  await daemon.start(t);
  // A start removes what is unfinished: a piece of a search index, say.
  t.ok(disk.freeBytes < 64 * 1024, 'there is nothing to speak of');
  t.equal((await daemon.ask('GET', '/readyz')).status, 503);
  await daemon.check(t);
  t.equal(await daemon.produce(1000), 507);
  disk.free();
  await until('appends resume', async () => (await daemon.produce(1000)) === 200);
  t.equal((await daemon.ask('GET', '/readyz')).status, 200);
  await daemon.check(t);
  t.match(await daemon.end('SIGTERM'), { code: 0, signal: null });
  await daemon.start(t);
  await daemon.check(t);
  await daemon.end('SIGTERM');
});

t.test(
  'a full disk on which compaction makes room within the reserve, and appends resume by themselves',
  { skip },
  async (t) => {
    const disk = Tmpfs.mount(12 * MIB)!;
    t.teardown(() => disk.unmount());
    const directory = join(disk.path, 'data');
    const settings = {
      'log.dir.reserve.bytes': 3 * MIB,
      'journal.file.bytes': 262_144,
      'journal.files': 2,
      'housekeeping.interval.ms': 20,
    };
    const engine = await Engine.open({ directory, settings });
    t.teardown(() => engine.close().catch(() => {}));
    await engine.createTopic('keyed', { config: { 'segment.bytes': 262_144 } });
    const newest = new Map<string, string>();
    const append = async (number: number) => {
      const key = `key ${number % 20}`;
      const value = `${number} ${'x'.repeat(10_000)}`;
      await engine.append('keyed', [{ key, value }]);
      newest.set(key, value);
    };
    let number = 0;
    for (;;) {
      const error = await append(number++).catch((error) => error);
      if (error === undefined) continue;
      t.equal(error.code, 'STORAGE_FULL');
      break;
    }
    const full = disk.freeBytes;
    t.ok(engine.health().storageFull && number > 500, `${number} records, ${full} bytes are free`);
    await engine.alterTopic('keyed', { config: { 'cleanup.policy': 'compact' } });
    await until('appends resume', () =>
      append(number++).then(
        () => true,
        () => false,
      ),
    );
    // What lets appends in again is not all that there is to gain.
    await until('compaction is done', async () => disk.freeBytes > full + 4 * MIB);
    t.ok(engine.health().ready);
    const found = new Map<string, string>();
    for (let offset = 0; offset < engine.offsets('keyed', 0).highWatermark; ) {
      const { chunks, nextOffset } = await engine.read('keyed', 0, { offset });
      for (const { key, value } of decodeRecords(chunks, offset)) found.set(String(key), String(value));
      offset = nextOffset;
    }
    t.same(found, newest);
    await engine.close();
    t.match(await verifyDirectory({ directory }), { ok: true, state: 'clean', findings: [] });
  },
);
