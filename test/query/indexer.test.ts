/** Search indexes are made for every sealed segment, whatever happens to it, and nothing that fails harms the log. */
import t from 'tap';
import type { SearchSegment, TaskRunner } from '../../src/engine/index.ts';
import { InlineTaskRunner, resolveSettings } from '../../src/engine/index.ts';
import { INDEX_TASKS, type IndexTasks } from '../../src/query/index-task.ts';
import { SearchIndexes } from '../../src/query/search-indexes.ts';
import { QUERY_SETTINGS, type QuerySettings } from '../../src/query/settings.ts';
import { wordToken } from '../../src/query/tokens.ts';
import { replaceSealed } from '../helpers/rewriting.ts';
import { SimEngine } from '../helpers/sim-engine.ts';

const SETTINGS: QuerySettings = resolveSettings(QUERY_SETTINGS);
const MINUTE = 60_000;

class IndexedLog {
  readonly log: SimEngine;
  indexes!: SearchIndexes;
  readonly warnings: string[] = [];
  /** Called before each task. */
  beforeTask: () => Promise<void> | void = () => {};

  private constructor(log: SimEngine) {
    this.log = log;
  }

  static async open(config: Record<string, string | number> = {}): Promise<IndexedLog> {
    const it = new IndexedLog(await SimEngine.open());
    await it.log.engine.createTopic('a', { config: { 'segment.bytes': 4096, ...config } });
    it.start();
    return it;
  }

  start(): void {
    const { disk, clock, engine } = this.log;
    const inner = new InlineTaskRunner<IndexTasks>({
      fileSystem: disk,
      clock,
      bytesPerSecond: -1,
      tasks: INDEX_TASKS,
    });
    const runner: TaskRunner<IndexTasks> = {
      worthwhileBytes: 0,
      run: async (name, request, options) => {
        if (name === 'index') await this.beforeTask();
        return inner.run(name, request, options);
      },
      close: () => inner.close(),
    };
    const warn = (_fields: object, message: string) => this.warnings.push(message);
    const logger = { debug() {}, info() {}, warn, error: warn };
    this.indexes = new SearchIndexes(engine, { settings: SETTINGS, fileSystem: disk, clock, logger, runner });
    t.teardown(() => this.indexes.close());
  }

  /** Fills so many segments. */
  async fill(segments: number): Promise<void> {
    for (let i = 0; i < 2 * segments; i++) {
      const { logEndOffset } = this.log.engine.offsets('a', 0);
      const event = {
        source: `s${logEndOffset % 3}`,
        level: 'info',
        message: `event${logEndOffset} ${'x'.repeat(1800)}`,
      };
      await this.log.append('a', JSON.stringify(event));
    }
    await this.settle();
  }

  async settle(): Promise<void> {
    await this.log.settle();
    await this.indexes.idle();
    await this.log.settle();
    await this.indexes.idle();
  }

  get partition() {
    return this.log.engine.search.partition('a', 0);
  }

  get files(): string[] {
    return this.log.disk.paths().filter((path) => path.includes('.search'));
  }

  async index(segment: SearchSegment) {
    return (await this.indexes.sealed('a', 0, this.partition, segment))?.index();
  }

  /** Of each sealed segment: the offsets of events that its index finds a word for. */
  async coverage(): Promise<(number[] | undefined)[]> {
    const found = [];
    for (const segment of this.partition.segments.filter(({ sealed }) => sealed)) {
      const index = await this.index(segment);
      if (index === undefined) {
        found.push(undefined);
        continue;
      }
      const offsets = [];
      for (let offset = segment.baseOffset; offset < segment.endOffset; offset++)
        if (!(await index.blocksWithTokens([wordToken(`event${offset}`)])).isEmpty) offsets.push(offset);
      found.push(offsets);
    }
    return found;
  }
}

t.test('segments get their index when they are sealed', async (t) => {
  const it = await IndexedLog.open();
  await it.fill(3);
  t.same(await it.coverage(), [
    [0, 1],
    [2, 3],
  ]);
  t.equal(it.files.length, 2);
  t.same(it.indexes.figures.waiting, 0);
  t.equal(it.indexes.figures.made, 2);
  t.equal(await it.index(it.partition.segments[2]!), undefined, 'the active one has none');
});

t.test('those that were sealed before get theirs after the start, the newest first', async (t) => {
  const it = await IndexedLog.open();
  await it.indexes.close();
  await it.fill(4);
  t.same(it.files, []);
  const made: string[] = [];
  it.start();
  it.beforeTask = () => {
    made.push(String(it.files.length));
  };
  await it.settle();
  t.same(await it.coverage(), [
    [0, 1],
    [2, 3],
    [4, 5],
  ]);
  t.same(made, ['0', '1', '2']);
});

t.test('after a restart the indexes that are there count', async (t) => {
  const it = await IndexedLog.open();
  await it.fill(3);
  for (const reopen of [() => it.log.reopen(), () => it.log.reopenAfterKill()]) {
    await it.indexes.close();
    await reopen();
    it.start();
    await it.settle();
    t.equal(it.indexes.figures.made, 0);
    t.same((await it.coverage()).slice(0, 2), [
      [0, 1],
      [2, 3],
    ]);
  }
});

t.test('a segment that takes the place of others gets its own', async (t) => {
  const it = await IndexedLog.open();
  await it.fill(4);
  const before = it.partition.segments;
  await replaceSealed(it.log.engine, 'a', { keep: ({ offset }) => offset !== 3 });
  t.equal(await it.index(it.partition.segments[0]!), undefined);
  await it.settle();
  t.same(await it.coverage(), [[0, 1, 2, 4, 5]]);
  t.equal(it.files.length, 1);
  t.not(it.partition.segments[0]!.id, before[0]!.id);
});

t.test('one that is replaced while it is read gets none of what was read', async (t) => {
  const it = await IndexedLog.open();
  it.beforeTask = async () => {
    it.beforeTask = () => {};
    await replaceSealed(it.log.engine, 'a', { keep: ({ offset }) => offset !== 0 });
  };
  await it.fill(3);
  await it.settle();
  t.same(await it.coverage(), [[1], [2, 3]]);
});

t.test('when the fields change, so do the indexes', async (t) => {
  const it = await IndexedLog.open();
  await it.fill(2);
  t.ok((await it.index(it.partition.segments[0]!))!.dictionary('source'));
  await it.log.engine.alterTopic('a', { config: { 'index.fields': 'message' } });
  t.equal(
    (await it.index(it.partition.segments[0]!))!.dictionary('message'),
    undefined,
    'until then the old one serves',
  );
  await it.log.clock.advance(MINUTE);
  await it.settle();
  t.ok((await it.index(it.partition.segments[0]!))!.dictionary('message'));
  await it.log.engine.alterTopic('a', { config: { 'index.fields': '' } });
  await it.log.clock.advance(MINUTE);
  await it.settle();
  t.same(it.files, []);
  t.equal(await it.index(it.partition.segments[0]!), undefined);
  await it.fill(1);
  t.same(it.files, [], 'and others get none');
});

t.test('a damaged index counts as none, and is made again', async (t) => {
  const it = await IndexedLog.open();
  await it.fill(3);
  const expected = (await it.coverage()) as number[][];
  for (const damage of [
    (bytes: Buffer) => bytes.subarray(0, 100),
    (bytes: Buffer) => bytes.fill(0, 16, 20),
    (bytes: Buffer) => bytes.fill(0xff, bytes.length - 10),
  ]) {
    await it.indexes.close();
    for (const path of it.files) it.log.disk.plant(path, damage(Buffer.from(it.log.disk.contents(path))));
    it.start();
    await it.settle();
    const coverage = await it.coverage();
    for (const [i, found] of coverage.entries())
      t.ok(
        expected[i]!.every((offset) => found!.includes(offset)),
        'none is missed',
      );
    await it.settle();
    t.same(await it.coverage(), expected);
  }
});

t.test('indexes go with their segments', async (t) => {
  const it = await IndexedLog.open();
  await it.fill(4);
  await it.log.engine.deleteRecords('a', 0, 4);
  t.equal(it.files.length, 1);
  await it.log.engine.deleteTopic('a');
  await it.log.clock.advance(MINUTE);
  await it.settle();
  t.same(it.files, []);
  t.same(it.warnings, []);
});

t.test('a topic that is deleted while an index is made is no trouble', async (t) => {
  const it = await IndexedLog.open();
  it.beforeTask = async () => {
    await it.log.engine.deleteTopic('a');
  };
  await it.fill(2).catch(() => {});
  await it.settle();
  t.same(it.warnings, []);
  t.same(it.files, []);
});

t.test('what fails is tried again later', async (t) => {
  const it = await IndexedLog.open();
  let failures = 2;
  it.beforeTask = () => {
    if (failures-- > 0) throw Object.assign(new Error('the disk is sick'), { code: 'EIO' });
  };
  await it.fill(2);
  t.match(it.warnings, [/no search index, to be tried again/]);
  t.same(await it.coverage(), [undefined]);
  for (let i = 0; i < 4; i++) {
    await it.log.clock.advance(MINUTE);
    await it.settle();
  }
  t.same(await it.coverage(), [[0, 1]]);
  t.equal(it.indexes.figures.failed, 2);
});

t.test('a damaged segment gets none, and is not tried again', async (t) => {
  const it = await IndexedLog.open();
  await it.indexes.close();
  await it.fill(3);
  const [{ path }] = it.partition.segments as [SearchSegment];
  it.log.disk.plant(path, Buffer.from(it.log.disk.contents(path)).fill(0, 500, 510));
  it.start();
  await it.settle();
  t.match(it.warnings, [/no search index$/]);
  t.same(await it.coverage(), [undefined, [2, 3]]);
  await it.log.clock.advance(100 * MINUTE);
  await it.settle();
  t.equal(it.warnings.length, 1);
  it.log.leaveDamaged();
});

t.test('closing ends what is being made', async (t) => {
  const it = await IndexedLog.open();
  const begun = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  it.beforeTask = () => {
    begun.resolve();
    return go.promise;
  };
  const filled = it.fill(2);
  await begun.promise;
  const closed = it.indexes.close();
  go.resolve();
  await closed;
  await filled;
  t.same(it.files, []);
  t.same(it.warnings, []);
});
