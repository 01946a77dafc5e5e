/** What has come to a segment that still grows is indexed in memory: never more than may be read, and never too much. */
import t, { type Test } from 'tap';
import { InlineTaskRunner, resolveSettings } from '../../src/engine/index.ts';
import { INDEX_TASKS, type IndexTasks } from '../../src/query/index-task.ts';
import { SearchIndexes } from '../../src/query/search-indexes.ts';
import { QUERY_SETTINGS } from '../../src/query/settings.ts';
import { wordToken } from '../../src/query/tokens.ts';
import { Random } from '../crash/sim/random.ts';
import { SimEngine } from '../helpers/sim-engine.ts';
import { until } from '../helpers/until.ts';

const TICK = 600;
const random = new Random('growing');
const NOISE = random.bytes(30_000).toString('base64');

class GrowingLog {
  readonly log: SimEngine;
  readonly indexes: SearchIndexes;
  readonly warnings: string[] = [];

  private constructor(
    log: SimEngine,
    settings: Record<string, number>,
    fail: (task: string) => Promise<void> | undefined | void,
  ) {
    this.log = log;
    const { disk, clock, engine } = log;
    const warn = (_fields: object, message: string) => this.warnings.push(message);
    const inner = new InlineTaskRunner<IndexTasks>({
      fileSystem: disk,
      clock,
      bytesPerSecond: -1,
      tasks: INDEX_TASKS,
    });
    this.indexes = new SearchIndexes(engine, {
      settings: resolveSettings(QUERY_SETTINGS, settings),
      fileSystem: disk,
      clock,
      logger: { debug() {}, info() {}, warn, error: warn },
      runner: {
        worthwhileBytes: 0,
        run: async (name, request, options) => {
          await fail(name);
          return inner.run(name, request, options);
        },
        close: () => inner.close(),
      },
    });
    t.teardown(() => this.indexes.close());
  }

  static async open(
    config: Record<string, string | number> = {},
    settings: Record<string, number> = {},
    fail: (task: string) => Promise<void> | undefined | void = () => {},
  ): Promise<GrowingLog> {
    const log = await SimEngine.open();
    await log.engine.createTopic('a', { config });
    return new GrowingLog(log, settings, fail);
  }

  /** Events of 40 KB. */
  async append(events: number): Promise<void> {
    for (let i = 0; i < events; i++) {
      const { logEndOffset } = this.log.engine.offsets('a', 0);
      await this.log.append('a', `{"source":"s","level":"info","message":"event${logEndOffset} ${NOISE}"}`);
    }
  }

  async tick(): Promise<void> {
    await this.log.clock.advance(TICK);
    for (let i = 0; i < 5; i++) {
      await this.log.settle();
      await this.indexes.idle();
    }
  }

  get segments() {
    return this.log.engine.search.partition('a', 0).segments;
  }

  index(segment = this.segments.at(-1)!) {
    return this.indexes.growing('a', 0, segment);
  }
}

/** The end of what the index covers; each event of it is found in its block. */
async function checkedEnd(t: Test, it: GrowingLog): Promise<number> {
  const index = it.index();
  if (index === undefined) return 0;
  const { offsets, positions, count } = index.blocks;
  t.equal(positions[0], 64);
  for (let offset = offsets[0]!; offset < offsets[count]!; offset++) {
    const block = offsets.findLastIndex((each) => each <= offset);
    const found = await index.blocksWithTokens([wordToken(`event${offset}`)]);
    if (!found.has(block)) t.fail(`event ${offset} is missed`);
  }
  return offsets[count]!;
}

t.test('a segment is covered as it grows', async (t) => {
  const it = await GrowingLog.open();
  await it.append(3);
  await it.tick();
  t.equal(await checkedEnd(t, it), 3);
  await it.append(10);
  await it.tick();
  t.equal(await checkedEnd(t, it), 13);
  await it.append(3);
  await it.tick();
  t.equal(await checkedEnd(t, it), 16);
  await it.append(300);
  await it.tick();
  t.equal(await checkedEnd(t, it), 316, 'in pieces of some MiB');
  t.ok(it.index()!.blocks.count > 30);
  t.ok(it.indexes.figures.activeBytes > 10_000);
  t.equal(
    (await it.index()!.counts())!.cells(['level'])!.reduce((sum, { count }) => sum + count, 0),
    316,
  );
});

t.test('a small piece is made anew once it is worth it, or nothing more comes', async (t) => {
  let made = 0;
  const it = await GrowingLog.open({}, {}, () => {
    made++;
  });
  await it.log.append('a', '{"message":"event0"}');
  await it.tick();
  t.equal(await checkedEnd(t, it), 0, 'that is too little');
  for (let i = 0; i < 5; i++) await it.tick();
  t.equal(await checkedEnd(t, it), 1, 'but nothing more comes');
  t.equal(made, 1);
  for (let i = 0; i < 5; i++) await it.tick();
  t.equal(made, 1, 'it is not made again and again');
  await it.append(4);
  await it.tick();
  t.equal(await checkedEnd(t, it), 5);
  await it.append(1);
  await it.tick();
  t.equal(await checkedEnd(t, it), 5, 'a quarter of what there is');
  const { activeBytes } = it.indexes.figures;
  for (let i = 0; i < 5; i++) await it.tick();
  t.equal(await checkedEnd(t, it), 6);
  t.ok(it.indexes.figures.activeBytes < activeBytes * 1.5, 'in the place of the smaller one');
  await it.append(1);
  await it.tick();
  t.equal(await checkedEnd(t, it), 6);
  await it.append(6);
  await it.tick();
  t.equal(await checkedEnd(t, it), 13);
  t.equal(
    it.index()!.blocks.events.reduce((sum, count) => sum + count, 0),
    13,
    'none twice',
  );
});

t.test('one that was there before is covered from its beginning', async (t) => {
  const it = await GrowingLog.open();
  await it.indexes.close();
  await it.append(20);
  const again = await GrowingLog.open();
  await again.append(20);
  await again.tick();
  t.equal(await checkedEnd(t, again), 20);
});

t.test('nothing is indexed that may not be read yet', async (t) => {
  const it = await GrowingLog.open();
  await it.append(10);
  it.log.syncs.hold();
  const waiting = it.append(10);
  await it.log.settle();
  await it.tick();
  t.equal(await checkedEnd(t, it), 10);
  it.log.syncs.release();
  await waiting;
  await it.tick();
  t.equal(await checkedEnd(t, it), 20);
});

t.test('it makes room once the segment has an index in a file', async (t) => {
  const it = await GrowingLog.open({ 'segment.bytes': 1024 * 1024 });
  await it.append(20);
  await it.tick();
  const before = it.index();
  t.ok(before);
  const [segment] = it.segments;
  await it.append(20);
  await it.log.settle(100);
  t.ok(it.segments[0]!.sealed);
  t.equal(it.segments[0]!.id, segment!.id);
  await it.tick();
  const { partitions } = await it.log.engine.describeTopic('a');
  t.equal(partitions.length, 1);
  const of = it.log.engine.search.partition('a', 0);
  const sealed = await (await it.indexes.sealed('a', 0, of, it.segments[0]!))?.index();
  t.ok(sealed!.blocks.count >= before!.blocks.count);
  t.equal(it.index(it.segments[0]), undefined);
});

t.test('a segment that was sealed is served from memory until then', async (t) => {
  let blocked = false;
  const it = await GrowingLog.open({ 'segment.bytes': 1024 * 1024 }, {}, () => {
    if (blocked) throw new Error('no');
  });
  await it.append(20);
  await it.tick();
  blocked = true;
  await it.append(20);
  await it.log.settle(100);
  const of = it.log.engine.search.partition('a', 0);
  t.ok(of.segments[0]!.sealed);
  t.equal((await it.indexes.sealed('a', 0, of, of.segments[0]!))!.outline.endOffset, 20);
});

t.test('a piece that was being made when its segment got an index in a file is dropped', async (t) => {
  let hold: Promise<void> | undefined;
  const it = await GrowingLog.open({ 'segment.bytes': 1024 * 1024 }, {}, (task) =>
    task === 'piece' ? hold : undefined,
  );
  await it.append(8);
  await it.tick();
  const [segment] = it.segments;
  t.ok(it.index(segment));
  await it.append(8);
  const { promise, resolve } = Promise.withResolvers<void>();
  hold = promise;
  await it.log.clock.advance(TICK);
  await it.log.settle();
  hold = undefined;
  await it.append(20);
  await it.log.settle(100);
  t.ok(it.segments[0]!.sealed);
  await until('its index is in a file', async () => {
    await it.log.settle();
    return it.index(segment) === undefined;
  });
  resolve();
  await it.tick();
  t.equal(it.index(segment), undefined);
  t.ok(it.indexes.figures.activeBytes >= 0);
});

t.test('where there is no room for more, the rest is not indexed', async (t) => {
  const it = await GrowingLog.open({}, { 'query.index.active.bytes': 3000 });
  for (let i = 0; i < 6; i++) {
    await it.append(10);
    await it.tick();
  }
  const end = await checkedEnd(t, it);
  t.ok(end >= 10 && end < 50, `${end}`);
  await it.log.engine.deleteTopic('a');
  await it.log.clock.advance(60_000);
  await it.log.settle();
  t.equal(it.indexes.figures.activeBytes, 0, 'what is gone takes no room');
});

t.test('other fields begin anew, and none end it', async (t) => {
  const it = await GrowingLog.open();
  await it.append(10);
  await it.tick();
  t.ok(it.index()!.dictionary('source'));
  await it.log.engine.alterTopic('a', { config: { 'index.fields': 'level' } });
  await it.append(10);
  await it.tick();
  t.equal(it.index()!.dictionary('source'), undefined);
  t.equal(await checkedEnd(t, it), 20);
  await it.log.engine.alterTopic('a', { config: { 'index.fields': '' } });
  await it.append(10);
  await it.tick();
  t.equal(it.index(), undefined);
});

t.test('what fails is left for a while', async (t) => {
  let failures = 1;
  const it = await GrowingLog.open({}, {}, () => {
    if (failures-- > 0) throw new Error('the disk is sick');
  });
  await it.append(10);
  await it.tick();
  t.same(it.warnings, ['what has come was not indexed, to be tried again']);
  await it.tick();
  t.equal(it.index(), undefined);
  await it.log.clock.advance(60_000);
  await it.tick();
  t.equal(await checkedEnd(t, it), 10);
});

t.test('a batch that fails its checks ends what is indexed', async (t) => {
  const it = await GrowingLog.open();
  await it.append(8);
  const { path, bytes } = it.segments[0]!;
  await it.append(8);
  const content = Buffer.from(it.log.disk.contents(path));
  it.log.disk.plant(path, content.fill(0, bytes + 100, bytes + 120));
  await it.tick();
  t.equal(await checkedEnd(t, it), 8);
  await it.tick();
  t.same(it.warnings, []);
  it.log.leaveDamaged();
});
