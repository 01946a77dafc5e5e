/**
 * A followed file, in all that may become of it: nothing is lost and nothing comes twice. The sink stores at once, or crashes: what
 * was on its way is then stored, or not, and a new run goes on.
 */
import {
  appendFileSync,
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import t from 'tap';
import { FollowLane } from '../../../src/cli/follow/follow-lane.ts';
import { FollowState } from '../../../src/cli/follow/follow-state.ts';
import { FollowedFile } from '../../../src/cli/follow/followed-file.ts';
import { textFormat } from '../../../src/cli/formats/text-format.ts';
import type { IngestBatch } from '../../../src/cli/ingest-batch.ts';
import { FormatPacker, RawPacker } from '../../../src/cli/ingest-packer.ts';
import { until } from '../../helpers/http-app.ts';

/** What is stored of the lines, by the keys of their batches. */
class Store {
  readonly batches = new Map<string, string>();
  readonly said: string[] = [];
  /** Called instead of storing, once. */
  intercept: ((batch: IngestBatch, key: string) => Promise<void>) | undefined;

  async take(batch: IngestBatch, key: string): Promise<void> {
    const { intercept } = this;
    this.intercept = undefined;
    if (intercept !== undefined) await intercept(batch, key);
    else this.store(batch, key);
  }

  store(batch: IngestBatch, key: string): void {
    const body = batch.body().toString();
    const known = this.batches.get(key);
    if (known !== undefined && known !== body) throw new Error(`${key} stands for two batches`);
    this.batches.set(key, body);
  }

  get lines(): string[] {
    return [...this.batches.values()].flatMap((body) => body.replace(/\n$/, '').split('\n'));
  }
}

interface Run {
  stop(): Promise<void>;
  /** Resolves when it ends by itself. */
  ended: Promise<void>;
}

async function follow(
  path: string,
  states: string,
  store: Store,
  format: 'raw' | 'text' = 'raw',
): Promise<Run> {
  const state = await FollowState.open(states, { file: path, server: 'http://x', topic: 'logs' });
  const stop = new AbortController();
  const lane = new FollowLane({
    name: path,
    state,
    batchBytes: 64,
    newPacker: async (place) =>
      format === 'raw'
        ? new RawPacker(place)
        : new FormatPacker(textFormat({ source: 'a' }), place, () => {}),
    send: (batch, key) => store.take(batch, key),
    failed: () => stop.abort(),
  });
  const options = {
    pollMs: 2,
    graceMs: 20,
    maxLineBytes: 1e6,
    say: (text: string) => void store.said.push(text),
  };
  const file = new FollowedFile(path, state, lane, options, stop.signal);
  const ended = file.run().then(() => lane.drained());
  ended.catch(() => {});
  return {
    ended,
    async stop() {
      stop.abort();
      await ended;
    },
  };
}

const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `line ${from + i}`);
const text = (from: number, to: number) =>
  numbers(from, to)
    .map((line) => `${line}\n`)
    .join('');

function setUp(t: { testdir(): string }) {
  const directory = t.testdir();
  const path = `${directory}/app.log`;
  writeFileSync(path, text(0, 10));
  const store = new Store();
  const has = (lines: number) => until(() => store.lines.length >= lines);
  return { directory, path, store, has, run: () => follow(path, `${directory}/states`, store) };
}

t.test('what is there and what comes is stored once, and a new run goes on', async (t) => {
  const { path, store, has, run } = setUp(t);
  const first = await run();
  await has(10);
  appendFileSync(path, 'line 10\nline');
  await has(11);
  appendFileSync(path, ' 11\n');
  await has(12);
  await first.stop();
  appendFileSync(path, text(12, 20));
  const second = await run();
  await has(20);
  await second.stop();
  const third = await run();
  appendFileSync(path, 'line 20\n');
  await has(21);
  await third.stop();
  t.same(store.lines, numbers(0, 21));
  t.same(store.said, []);
});

t.test('a rotated file is read to its end before the new one', async (t) => {
  const { directory, path, store, has, run } = setUp(t);
  const running = await run();
  await has(10);
  renameSync(path, `${directory}/app.log.1`);
  appendFileSync(`${directory}/app.log.1`, 'line 10\nline 11');
  writeFileSync(path, text(12, 14));
  await has(14);
  appendFileSync(path, 'line 14\n');
  await has(15);
  await running.stop();
  t.same(store.lines, numbers(0, 15));
});

t.test('a file that is renamed is followed until there is another', async (t) => {
  const { directory, path, store, has, run } = setUp(t);
  const running = await run();
  await has(10);
  renameSync(path, `${directory}/app.log.1`);
  appendFileSync(`${directory}/app.log.1`, text(10, 12));
  await has(12);
  writeFileSync(path, text(12, 14));
  await has(14);
  await running.stop();
  t.same(store.lines, numbers(0, 14));
});

/** As gzip and zstd do it, with the time of the file. */
function compress(path: string, ending: string, encode: (bytes: Buffer) => Buffer): void {
  const { atime, mtime } = statSync(path);
  writeFileSync(path + ending, encode(readFileSync(path)));
  utimesSync(path + ending, atime, mtime);
  rmSync(path);
}

for (const [name, rotate] of [
  ['as they are', (path: string) => path],
  [
    'compressed with gzip',
    (path: string) => {
      compress(path, '.gz', gzipSync);
    },
  ],
  [
    'compressed with zstd',
    (path: string) => {
      compress(path, '.zst', zstdCompressSync);
    },
  ],
] as const) {
  t.test(`files that were rotated while nobody followed are read first, ${name}`, async (t) => {
    const { directory, path, store, has, run } = setUp(t);
    const first = await run();
    await has(10);
    await first.stop();
    appendFileSync(path, text(10, 15));
    renameSync(path, `${directory}/app.log.3`);
    writeFileSync(`${directory}/app.log.2`, text(15, 20));
    writeFileSync(`${directory}/app.log.1`, text(20, 25));
    // Quicker than the clock: the numbers tell the order then.
    for (const number of [3, 2, 1]) utimesSync(`${directory}/app.log.${number}`, 1e9, 1e9);
    for (const number of [3, 2]) rotate(`${directory}/app.log.${number}`);
    writeFileSync(path, text(25, 30));
    writeFileSync(`${directory}/app.log.bak`, text(90, 95));
    writeFileSync(`${directory}/application.log.1`, text(95, 99));
    const second = await run();
    await has(30);
    await second.stop();
    t.same(store.lines, numbers(0, 30));
    t.same(store.said, []);
  });
}

t.test('several rotations while it is followed are all read', async (t) => {
  const { directory, path, store, has, run } = setUp(t);
  const running = await run();
  await has(10);
  renameSync(path, `${directory}/app-20261119.log`);
  writeFileSync(`${directory}/app-20261120.log`, text(10, 20));
  writeFileSync(path, text(20, 30));
  await has(30);
  await running.stop();
  t.same(store.lines, numbers(0, 30));
});

t.test('a file that is cut off and begun anew is read from its begin', async (t) => {
  const { path, store, has, run } = setUp(t);
  const running = await run();
  await has(10);
  truncateSync(path);
  appendFileSync(path, text(10, 12));
  await has(12);
  await running.stop();
  t.same(store.lines, numbers(0, 12));
  t.match(store.said, [/was cut off and begun anew/]);
});

t.test('copied and cut off while nobody followed: the copy is read first', async (t) => {
  const { directory, path, store, has, run } = setUp(t);
  const first = await run();
  await has(10);
  await first.stop();
  appendFileSync(path, text(10, 12));
  copyFileSync(path, `${directory}/app.log.1`);
  truncateSync(path);
  appendFileSync(path, text(12, 40));
  const second = await run();
  await has(40);
  await second.stop();
  t.same(store.lines, numbers(0, 40));
});

t.test('the same lines in a new place are still the same file', async (t) => {
  const { path, store, has, run } = setUp(t);
  const first = await run();
  await has(10);
  await first.stop();
  copyFileSync(path, `${path}-new`);
  appendFileSync(`${path}-new`, text(10, 12));
  renameSync(`${path}-new`, path);
  const second = await run();
  await has(12);
  await second.stop();
  t.same(store.lines, numbers(0, 12));
});

t.test('a file that is gone for good is told, and the present one read', async (t) => {
  const { path, store, has, run } = setUp(t);
  const first = await run();
  await has(10);
  await first.stop();
  rmSync(path);
  writeFileSync(path, text(50, 52));
  const second = await run();
  await has(12);
  await second.stop();
  t.same(store.lines, [...numbers(0, 10), ...numbers(50, 52)]);
  t.match(store.said, [/is gone: lines behind its byte 70 are lost/]);
});

t.test('an empty file is followed, and known again', async (t) => {
  const { directory, path, store, has, run } = setUp(t);
  writeFileSync(path, '');
  const first = await run();
  await first.stop();
  appendFileSync(path, text(0, 3));
  renameSync(path, `${directory}/app.log.1`);
  writeFileSync(path, text(3, 5));
  const second = await run();
  await has(5);
  await second.stop();
  t.same(store.lines, numbers(0, 5));
});

for (const wasStored of [true, false]) {
  t.test(`after a crash with a batch on its way that was ${wasStored ? '' : 'not '}stored`, async (t) => {
    const { directory, path, store, has, run } = setUp(t);
    const first = await run();
    await has(10);
    store.intercept = async (batch, key) => {
      if (wasStored) store.store(batch, key);
      throw new Error('crash');
    };
    appendFileSync(path, text(10, 13));
    await t.rejects(first.ended, /crash/);
    // More came, and the file was rotated: the batch is still the same.
    appendFileSync(path, text(13, 20));
    renameSync(path, `${directory}/app.log.1`);
    writeFileSync(path, text(20, 25));
    const second = await run();
    await has(25);
    await second.stop();
    t.same(store.lines, numbers(0, 25));
  });
}

t.test('lines that go on with the last message are waited for', async (t) => {
  const { directory, path, store } = setUp(t);
  writeFileSync(path, 'first\n  goes on\nsecond\n');
  const running = await follow(path, `${directory}/states`, store, 'text');
  await until(() => store.lines.length === 2);
  await running.stop();
  appendFileSync(path, 'third\n\tat x\n');
  const again = await follow(path, `${directory}/states`, store, 'text');
  await until(() => store.lines.length === 3);
  await again.stop();
  t.same(
    store.lines.map((line) => JSON.parse(line).message),
    ['first\n  goes on', 'second', 'third\n\tat x'],
  );
});

t.test('a state that is not known is refused', async (t) => {
  const { directory, path, run } = setUp(t);
  const about = { file: path, server: 'http://x', topic: 'logs' };
  const state = await FollowState.open(`${directory}/states`, about);
  for (const content of ['', '{', '{"version":99}']) {
    writeFileSync(state.path, content);
    await t.rejects(run(), /holds no position that this seglog knows/);
  }
});
