/**
 * Many real log events in a compacted topic on the real file system, with worker threads: compaction goes on while events are
 * appended and readers go through the log, with key maps that are too small; what remains is the last event of each key.
 * 100,000 events in `npm test`, 2,000,000 in `npm run test:long` as it is.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { crc32 } from 'node:zlib';
import t from 'tap';
import { partitionForKey } from '../../src/engine/commit/partitioner.ts';
import type { SegmentsRewritten } from '../../src/engine/common/types.ts';
import {
  decodeRecords,
  Engine,
  type JobDescription,
  type LogRecord,
  type ProduceRecord,
} from '../../src/engine/index.ts';
import { testSize } from '../helpers/test-size.ts';
import { until } from '../helpers/until.ts';
import { dataDirectory } from '../helpers/verify-after.ts';

const CORPUS = fileURLToPath(new URL('../../../shared/tools/corpus.mjs', import.meta.url));
const skip = existsSync(CORPUS) ? false : 'there is no real data beside this checkout';
const EVENTS = Math.min(2_000_000, Math.round(100_000 * testSize));
const IS_SMALL = EVENTS <= 100_000;
const PARTITIONS = 2;
const BATCH = 500;
const TOPIC = 'events';
const MOST_MS = 20_000 * Math.max(1, EVENTS / 100_000);
t.setTimeout(3 * MOST_MS);

/** What was appended to a partition: checksums of values by offset, and the newest offset of each key. */
interface Appended {
  sums: number[];
  newest: Map<string, number>;
}

class Corpus {
  readonly appended: Appended[] = Array.from({ length: PARTITIONS }, () => ({ sums: [], newest: new Map() }));
  readonly #engine: Engine;
  /** Records that the reader beside the appends has gone through. */
  readMeanwhile = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  async appendAll(halfway: () => Promise<unknown>): Promise<void> {
    const args = [CORPUS, '--events', String(EVENTS), '--sources', String(EVENTS / 5)];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    const waiting: ProduceRecord[][] = this.appended.map(() => []);
    let lines = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      if (++lines === EVENTS / 2) await halfway();
      const { source, timestamp } = JSON.parse(line);
      const partition = partitionForKey(Buffer.from(source), PARTITIONS);
      waiting[partition]!.push({ key: source, value: line, timestamp: Date.parse(timestamp) });
      if (waiting[partition]!.length === BATCH) await this.#append(partition, waiting[partition]!.splice(0));
    }
    for (const [partition, records] of waiting.entries()) await this.#append(partition, records);
    if (child.exitCode === null) await once(child, 'exit');
  }

  async #append(partition: number, records: ProduceRecord[]): Promise<void> {
    if (records.length === 0) return;
    const { sums, newest } = this.appended[partition]!;
    // Before they are readable.
    for (const { key, value } of records) newest.set(String(key), sums.push(crc32(String(value))) - 1);
    const compression = sums.length % (2 * BATCH) === 0 ? 'zstd' : 'none';
    await this.#engine.append(TOPIC, records, { partition, compression });
  }

  /** Goes through a partition; each record that is there must be as it was appended. */
  async read(partition: number): Promise<LogRecord[]> {
    const { sums } = this.appended[partition]!;
    const found: LogRecord[] = [];
    for (let offset = 0; offset < this.#engine.offsets(TOPIC, partition).highWatermark; ) {
      const { chunks, nextOffset } = await this.#engine.read(TOPIC, partition, { offset });
      for (const record of decodeRecords(chunks, offset)) {
        if (record.offset < offset || crc32(record.value!) !== sums[record.offset])
          throw new Error(`another record is at offset ${record.offset}`);
        offset = record.offset + 1;
        found.push(record);
      }
      offset = nextOffset;
    }
    return found;
  }

  async readUntil(end: AbortSignal): Promise<void> {
    for (let partition = 0; !end.aborted; partition = (partition + 1) % PARTITIONS) {
      this.readMeanwhile += (await this.read(partition)).length;
      // Whatever it reads, the appends are to get on.
      const { highWatermark } = this.#engine.offsets(TOPIC, partition);
      await this.#engine.waitForRecords(TOPIC, partition, highWatermark + EVENTS / 40, MOST_MS, end);
    }
  }
}

t.test(`of ${EVENTS} events the last one of each source remains`, { skip }, async (t) => {
  const ended: JobDescription[] = [];
  const engine = await Engine.open({
    directory: dataDirectory(t),
    observer: { jobEnded: (job) => void ended.push(job) },
    settings: {
      'journal.file.bytes': 1024 * 1024,
      'log.dir.reserve.bytes': 0,
      'housekeeping.interval.ms': 100,
      'background.threads': 2,
      'background.io.bytes.per.second': -1,
      // For a quarter of the keys of a partition; with more events, for most: rounds take their time.
      'log.cleaner.dedupe.buffer.size': IS_SMALL ? 65_536 : 2 * EVENTS,
    },
  });
  const config = {
    'cleanup.policy': 'compact',
    'segment.bytes': 1024 * 1024,
    'min.cleanable.dirty.ratio': 0.3,
  };
  await engine.createTopic(TOPIC, { partitions: PARTITIONS, config });
  const corpus = new Corpus(engine);
  const appended = new AbortController();
  const reading = corpus.readUntil(appended.signal);
  await corpus.appendAll(() => until('a first pass is done', () => ended.length > 0, MOST_MS));
  appended.abort();
  await reading;
  const duringAppends = ended.length;
  await engine.alterTopic(TOPIC, { config: { 'max.compaction.lag.ms': 1, 'min.cleanable.dirty.ratio': 0 } });
  await until(
    'all is compacted',
    async () => {
      const { partitions } = await engine.describeTopic(TOPIC);
      return partitions.every(
        ({ compaction, logEndOffset }) => compaction?.firstDirtyOffset === logEndOffset,
      );
    },
    MOST_MS,
  );
  for (const [partition, { newest, sums }] of corpus.appended.entries()) {
    const left = await corpus.read(partition);
    t.same(
      left.map(({ offset }) => offset),
      [...newest.values()].sort((a, b) => a - b),
      `partition ${partition}: ${left.length} of ${sums.length} remain`,
    );
    t.ok(left.every(({ key, offset }) => newest.get(String(key)) === offset));
  }
  t.same(
    ended.filter(({ state }) => state !== 'done'),
    [],
  );
  const rounds = ended.flatMap(({ result }) => (result as SegmentsRewritten[]).map((each) => each.rounds));
  t.ok(Math.max(...rounds) > 1 || !IS_SMALL, 'key maps were too small');
  t.ok(
    duringAppends > 0 && corpus.readMeanwhile > 0,
    `${duringAppends} of ${ended.length} passes and ${corpus.readMeanwhile} records read beside the appends`,
  );
  await engine.close();
});
