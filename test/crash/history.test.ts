/**
 * The history of a log that is produced to and consumed while its daemon is killed again and again. 8 producers send each batch
 * until it is answered, half of them by numbers and half by keys; 6 consumers of a group read, commit, stall, crash and leave.
 * Afterwards each record is in the log once, was given to somebody, in the order of its partition, and no generation of the
 * group had two readers of a partition.
 */
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';
import { testSeed, testSize } from '../helpers/test-size.ts';
import { until } from '../helpers/until.ts';
import { LOAD_SETTINGS, type Page } from './daemon-load.ts';
import { HistoryConsumer } from './history-consumer.ts';
import { HistoryLedger } from './history-ledger.ts';
import { KeyedProducer, NumberingProducer } from './history-producers.ts';
import { MortalDaemon } from './mortal-daemon.ts';
import { Random } from './sim/random.ts';

const LIVES = Math.ceil(7 * testSize);
const TOPIC = 'orders';
const GROUP = 'readers';
const PARTITIONS = 5;
const PRODUCERS = 8;
const CONSUMERS = 6;
const SETTINGS = [...LOAD_SETTINGS, '--group.min.session.timeout.ms', '100'];

t.setTimeout(120_000 + LIVES * 30_000);

t.test('each record is stored once and consumed at least once, whatever is killed', async (t) => {
  const directory = `${t.testdir()}/data`;
  const random = new Random(testSeed, 'history');
  const ledger = new HistoryLedger(PARTITIONS);
  const daemon = new MortalDaemon(directory, SETTINGS);
  t.teardown(() => daemon.end('SIGKILL').catch(() => {}));
  await daemon.start();
  const config = { 'segment.bytes': 16_384, 'index.interval.bytes': 1024 };
  await daemon.insist('PUT', `/api/topics/${TOPIC}`, JSON.stringify({ partitions: PARTITIONS, config }), {
    'content-type': 'application/json',
  });

  const producers = Array.from({ length: PRODUCERS }, (_, i) => {
    const Producer = i % 2 === 0 ? NumberingProducer : KeyedProducer;
    return new Producer(`p${i}`, TOPIC, daemon, ledger, new Random(testSeed, 'producer', i));
  });
  const consumers = Array.from(
    { length: CONSUMERS },
    (_, i) => new HistoryConsumer(GROUP, TOPIC, daemon, ledger, new Random(testSeed, 'consumer', i)),
  );
  const [producing, consuming] = [new AbortController(), new AbortController()];
  const work = {
    produced: Promise.all(producers.map((producer) => producer.run(producing.signal))),
    consumed: Promise.all(consumers.map((consumer) => consumer.run(consuming.signal))),
  };
  const failed = Promise.race([work.produced, work.consumed]).then(() => {});

  for (let life = 0; life < LIVES; life++) {
    await Promise.race([failed, delay(1200 + random.below(1500))]);
    const signal = life % 4 === 3 ? 'SIGTERM' : 'SIGKILL';
    const end = await daemon.end(signal);
    if (signal === 'SIGTERM') t.match(end, { code: 0, signal: null }, 'stopped gracefully under load');
    await verify(t, directory);
    await daemon.start();
  }
  producing.abort();
  await work.produced;
  const ends = await readEnds(daemon);
  await Promise.race([failed, until('all is consumed', () => ledger.isGiven(ends), 60_000)]);
  consuming.abort();
  await work.consumed;
  await daemon.end('SIGKILL');
  await verify(t, directory);

  await daemon.start();
  for (let partition = 0; partition < PARTITIONS; partition++)
    ledger.check(partition, await readAll(daemon, partition));
  t.match(await daemon.end('SIGTERM'), { code: 0, signal: null });
  await verify(t, directory);
  t.comment(
    `seed ${testSeed}: ${ledger.size} records, ${JSON.stringify(consumers.map(({ counts }) => counts))}`,
  );
  for (const { name, repeated } of producers) t.ok(repeated > 0, `${name} was given answers again`);
});

async function verify(t: Test, directory: string): Promise<void> {
  const { ok, findings } = await verifyDirectory({ directory });
  t.ok(ok, 'the directory is in order', { findings });
}

const get = async <T>(daemon: MortalDaemon, path: string): Promise<T> =>
  JSON.parse((await daemon.insist('GET', path)).body);

async function readEnds(daemon: MortalDaemon): Promise<number[]> {
  const { partitions } = await get<{ partitions: { highWatermark: number }[] }>(
    daemon,
    `/api/topics/${TOPIC}`,
  );
  return partitions.map(({ highWatermark }) => highWatermark);
}

async function readAll(daemon: MortalDaemon, partition: number): Promise<Page['records']> {
  const records: Page['records'] = [];
  for (let offset = 0; ; ) {
    const path = `/api/topics/${TOPIC}/partitions/${partition}/records?offset=${offset}&max_records=10000`;
    const page = await get<Page>(daemon, path);
    records.push(...page.records);
    offset = page.nextOffset;
    if (offset >= page.highWatermark) return records;
  }
}
