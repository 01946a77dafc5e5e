/**
 * While events come in, segments are sealed, indexed, recompressed and deleted: no answer lacks an event that was acknowledged
 * before it was asked for, and none has one twice.
 */
import t from 'tap';
import { Engine } from '../../src/engine/index.ts';
import { LogSearch } from '../../src/query/log-search.ts';
import { Random } from '../crash/sim/random.ts';
import { testSeed, testSize } from '../helpers/test-size.ts';
import { dataDirectory } from '../helpers/verify-after.ts';

const PARTITIONS = 3;
const START = Date.parse('2025-11-26T00:00:00Z');
const SOURCES = ['a', 'b', 'c', 'd', 'e'];
const QUERIES: readonly [q: string, passes: (n: number) => boolean][] = [
  ['', () => true],
  ['even', (n) => n % 2 === 0],
  ['-even', (n) => n % 2 === 1],
  ['level:ERROR', (n) => n % 10 === 0],
  ['source:b', (n) => n % SOURCES.length === 1],
  ['number7', (n) => n === 7],
  ['/number\\d*3$/', (n) => n % 10 === 3],
];

/** What was acknowledged, and where: by partition, the numbers of events in the order of their offsets. */
class Ledger {
  readonly events: number[][] = Array.from({ length: PARTITIONS }, () => []);
  #next = 0;
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  async append(engine: Engine): Promise<void> {
    const partition = this.#random.below(PARTITIONS);
    const numbers = Array.from({ length: 1 + this.#random.below(400) }, () => this.#next++);
    const records = numbers.map((n) => ({
      value: JSON.stringify({
        timestamp: new Date(this.#timeOf(n)).toISOString(),
        level: n % 10 === 0 ? 'ERROR' : 'INFO',
        source: SOURCES[n % SOURCES.length],
        message: `${n % 2 === 0 ? 'even' : 'odd'} number${n}`,
        filler: 'x'.repeat(50),
      }),
      timestamp: this.#timeOf(n),
    }));
    const [appended] = await engine.append('logs', records, { partition });
    if (appended!.baseOffset !== this.events[partition]!.length)
      throw new Error('offsets are not as expected');
    this.events[partition]!.push(...numbers);
  }

  /** Not in order, and over several days. */
  #timeOf(n: number): number {
    return START + n * 30_000 - (n % 7) * 600_000;
  }
}

t.test('answers are whole while all changes', async (t) => {
  const random = new Random(testSeed, 'changing');
  const engine = await Engine.open({
    directory: dataDirectory(t),
    settings: {
      'housekeeping.interval.ms': 10,
      'background.io.bytes.per.second': -1,
      'journal.file.bytes': '1MiB',
    },
  });
  const config = { 'segment.bytes': '64KiB', 'recompress.after.ms': 0, 'recompress.block.bytes': '16KiB' };
  await engine.createTopic('logs', { partitions: PARTITIONS, config });
  const search = new LogSearch(engine, { settings: { 'query.index.bytes.per.second': -1 } });
  const ledger = new Ledger(random);
  let isDone = false;
  const writing = (async () => {
    while (!isDone) {
      await ledger.append(engine);
      if (random.chance(0.1)) {
        const partition = random.below(PARTITIONS);
        const { logStartOffset, highWatermark } = engine.offsets('logs', partition);
        const before = logStartOffset + Math.floor((highWatermark - logStartOffset) / 2);
        await engine.deleteRecords('logs', partition, before);
      }
    }
  })();
  t.teardown(async () => {
    isDone = true;
    await writing;
    await search.close();
    await engine.close();
  });
  const isRecompressed = () =>
    engine.background.jobs().some(({ kind, state }) => kind === 'recompress' && state === 'done');
  for (let i = 0; i < 10; i++) await ledger.append(engine);
  let found = 0;
  for (let i = 0; i < 100 * testSize || !isRecompressed(); i++) {
    const [q, passes] = random.pick(QUERIES);
    const order = random.pick(['asc', 'desc'] as const);
    const acknowledged = ledger.events.map(({ length }) => length);
    const seen = new Set<string>();
    let last = order === 'asc' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    const answer = search.query({ topic: 'logs', q, order });
    let page = await answer.next();
    for (; !page.done; page = await answer.next()) {
      for (const { partition, offset, timestamp, value } of page.value) {
        const place = `${partition} ${offset}`;
        const n = Number(/number(\d+)/.exec(value.toString())![1]);
        if (seen.has(place)) return t.fail(`${place} came twice, seed ${testSeed}: ${q} ${order}`);
        if (!passes(n)) return t.fail(`${place} does not pass, seed ${testSeed}: ${q} ${order}`);
        if (order === 'asc' ? timestamp < last : timestamp > last)
          return t.fail(`${place} is out of order, seed ${testSeed}: ${q} ${order}`);
        seen.add(place);
        last = timestamp;
      }
    }
    if (!page.value.complete)
      return t.fail(`not complete: ${page.value.reason}, seed ${testSeed}: ${q} ${order}`);
    for (let partition = 0; partition < PARTITIONS; partition++) {
      const { logStartOffset } = engine.offsets('logs', partition);
      for (let offset = logStartOffset; offset < acknowledged[partition]!; offset++) {
        if (passes(ledger.events[partition]![offset]!) && !seen.has(`${partition} ${offset}`))
          return t.fail(`${partition} ${offset} is missing, seed ${testSeed}: ${q} ${order}`);
      }
    }
    found += seen.size;
  }
  const segments = await engine.listSegments('logs', 0);
  t.ok(found > 1000 && segments.length > 1, `${found} events were found`);
});
