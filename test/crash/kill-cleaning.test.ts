/**
 * kill -9 of the real daemon while it compacts, recompresses and deletes as fast as it can beside appends: of each key the
 * newest value that was acknowledged is there, nothing that has gone comes back, and the directory is in order.
 */
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';
import { Daemon } from '../helpers/daemon.ts';
import { testSeed, testSize } from '../helpers/test-size.ts';
import { HttpClient, NoAnswer } from './daemon-load.ts';
import { KeyedLedger, type KeyedRecord, keyedText } from './keyed-ledger.ts';
import { Random } from './sim/random.ts';

const LIVES = Math.ceil(6 * testSize);
t.setTimeout(60_000 + LIVES * 20_000);

const SETTINGS = [
  ...['--journal.file.bytes', '65536', '--journal.files', '3', '--checkpoint.bytes', '65536'],
  ...['--housekeeping.interval.ms', '20', '--log.dir.reserve.bytes', '0', '--background.threads', '4'],
  ...['--log.cleaner.dedupe.buffer.size', '4096', '--background.io.bytes.per.second', '-1'],
];

const SMALL = { 'segment.bytes': 16_384, 'index.interval.bytes': 1024 };
const COMPACTED = { ...SMALL, 'min.cleanable.dirty.ratio': 0.05, 'delete.retention.ms': 200 };
const TOPICS = {
  compacted: { ...COMPACTED, 'cleanup.policy': 'compact', 'recompress.after.ms': 500 },
  both: { ...COMPACTED, 'cleanup.policy': 'compact,delete', 'retention.bytes': 60_000 },
  shortened: { ...SMALL, 'retention.bytes': 100_000 },
  cold: { ...SMALL, 'recompress.after.ms': 50 },
};

/** In each topic, each with keys of its own. */
const PRODUCERS = 3;
const KEYS = 80;

interface Description {
  partitions: { logStartOffset: number; segments: number; bytes: number }[];
}

class KeyedLoad {
  readonly ledgers = Object.entries(TOPICS).map(([topic, config]) => {
    const policy: string = 'cleanup.policy' in config ? config['cleanup.policy'] : 'delete';
    const deletes = policy !== 'compact' && topic !== 'cold';
    return new KeyedLedger(topic, { compacts: policy !== 'delete', deletes });
  });
  readonly #random: Random;
  readonly #client: () => HttpClient;

  constructor(random: Random, client: () => HttpClient) {
    this.#random = random;
    this.#client = client;
  }

  get acknowledged(): number {
    return this.ledgers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  async createTopics(): Promise<void> {
    for (const [topic, config] of Object.entries(TOPICS))
      await this.#client().json('PUT', `/api/topics/${topic}`, { partitions: 1, config });
  }

  /** Until the daemon is gone, or stops. */
  async run(): Promise<void> {
    const producers = this.ledgers.flatMap((ledger) =>
      Array.from({ length: PRODUCERS }, async (_, producer) => {
        while (await this.#send(ledger, producer));
      }),
    );
    await Promise.all(producers);
  }

  async #send(ledger: KeyedLedger, producer: number): Promise<boolean> {
    const random = this.#random;
    const records = Array.from({ length: 1 + random.below(30) }, () => {
      const key = `${producer}-${random.below(KEYS)}`;
      const isTombstone = ledger.rules.compacts && random.chance(0.15);
      const number = ledger.sending(key, isTombstone);
      return { key, number, value: isTombstone ? null : keyedText(number, random.below(200)) };
    });
    const body = JSON.stringify({ records: records.map(({ key, value }) => ({ key, value, partition: 0 })) });
    const path = `/api/topics/${ledger.topic}/records?acks=all`;
    try {
      const { status, body: answer } = await this.#client().ask('POST', path, body, {
        'content-type': 'application/json',
      });
      const { code, partitions } = JSON.parse(answer);
      if (status !== 200 && code === 'not_ready') return false;
      if (status !== 200) throw new Error(`a producer got ${status} ${answer}`);
      const { baseOffset } = partitions[0];
      for (const [i, { key, value, number }] of records.entries())
        ledger.stored({ offset: baseOffset + i, key, value }, number);
      return true;
    } catch (error) {
      if (error instanceof NoAnswer) return false;
      throw error;
    }
  }

  async check(): Promise<void> {
    for (const ledger of this.ledgers) {
      // Retention and compaction go on: what was read before they came along says nothing of what is there now.
      for (;;) {
        const before = await this.#read(ledger.topic);
        const after = await this.#read(ledger.topic);
        if (JSON.stringify(before) !== JSON.stringify(after)) continue;
        ledger.check(after.records, after.logStartOffset);
        break;
      }
    }
  }

  async #read(topic: string): Promise<{ records: KeyedRecord[]; logStartOffset: number }> {
    const client = this.#client();
    const { partitions } = await client.json<Description>('GET', `/api/topics/${topic}`);
    const { logStartOffset } = partitions[0]!;
    const records: KeyedRecord[] = [];
    for (let offset = logStartOffset; ; ) {
      const path = `/api/topics/${topic}/partitions/0/records?offset=${offset}&max_records=10000&max_bytes=4000000`;
      const { status, body } = await client.ask('GET', path);
      // Retention was quicker.
      if (status === 416) return this.#read(topic);
      const page = JSON.parse(body) as { records: KeyedRecord[]; nextOffset: number; highWatermark: number };
      records.push(...page.records.map(({ offset, key, value }) => ({ offset, key, value })));
      offset = page.nextOffset;
      if (offset === page.highWatermark) return { records, logStartOffset };
    }
  }
}

interface Job {
  kind: string;
  progress: { done: number };
}

const jobsOf = async (client: HttpClient) => (await client.json<{ jobs: Job[] }>('GET', '/api/jobs')).jobs;

async function verify(t: Test, directory: string, state: 'clean' | 'unclean'): Promise<void> {
  const { findings, ...report } = await verifyDirectory({ directory });
  const damage = findings.filter(({ severity }) => severity === 'damage');
  t.match(
    report,
    { ok: true, state },
    `verify finds ${findings.length} things, and as damage ${JSON.stringify(damage)}`,
  );
}

t.test('nothing that is owed is lost to kill -9 while logs are cleaned up', async (t) => {
  const directory = `${t.testdir()}/data`;
  const random = new Random(testSeed, 'kill -9 of cleaning');
  let client!: HttpClient;
  const load = new KeyedLoad(random, () => client);
  const begun: Record<string, number> = { compact: 0, recompress: 0 };
  for (let life = 0; life <= LIVES; life++) {
    const daemon = await Daemon.start(directory, SETTINGS);
    t.teardown(() => daemon.kill('SIGKILL'));
    client = new HttpClient(daemon.url);
    if (life === 0) await load.createTopics();
    await load.check();
    const isLast = life === LIVES;
    const working = isLast ? undefined : load.run();
    await delay(200 + random.below(800));
    if (life % 5 === 4 || isLast) {
      t.match(await daemon.stop(), { code: 0, signal: null }, 'stopped gracefully under load');
    } else {
      for (const { kind, progress } of await jobsOf(client)) if (progress.done > 0) begun[kind]++;
      await daemon.kill('SIGKILL');
    }
    await working;
    client.close();
    await verify(t, directory, life % 5 === 4 || isLast ? 'clean' : 'unclean');
  }
  t.ok(begun.compact! > 0 && begun.recompress! > 0, 'segments were rewritten meanwhile');
  t.comment(
    `seed ${testSeed}: ${load.acknowledged} records acknowledged, passes under way or done ${JSON.stringify(begun)}`,
  );
});
