/**
 * Real log events, keyed, go into compacted topics of the real daemon over HTTP, and housekeeping compacts them while more
 * come in: what remains is the last event of each key.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Daemon } from '../helpers/daemon.ts';
import { until } from '../helpers/until.ts';

const EVENTS = fileURLToPath(new URL('../../../shared/data/events/', import.meta.url));
const skip = existsSync(EVENTS) ? false : 'there is no real data beside this checkout';
const PARTITIONS = 2;
const REQUEST_RECORDS = 500;

interface Keyed {
  readonly key: string;
  readonly value: string;
}

/** Every event twice: by its source, and by the template of its message. */
function topics(): Record<string, Keyed[]> {
  const lines = readdirSync(EVENTS).flatMap((name) =>
    readFileSync(EVENTS + name, 'utf8')
      .trimEnd()
      .split('\n'),
  );
  const keyedBy = (key: (event: { source: string; metadata: { template: string } }) => string) =>
    lines.map((value) => ({ key: key(JSON.parse(value)), value }));
  return {
    'by-source': keyedBy(({ source }) => source),
    'by-template': keyedBy(({ source, metadata }) => `${source} ${metadata.template}`),
  };
}

async function ask(url: string, method = 'GET', body?: unknown): Promise<string> {
  const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
  const headers = { ...type, accept: 'application/x-ndjson' };
  const response = await fetch(url, { method, headers, body: JSON.stringify(body) });
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`);
  return response.text();
}

/** What is left of a topic, by partition and offset. */
async function left(url: string, topic: string): Promise<(Keyed & { offset: number })[]> {
  const found = [];
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const page = await ask(`${url}/api/topics/${topic}/partitions/${partition}/records?encoding=text`);
    found.push(
      ...page
        .split('\n')
        .filter(Boolean)
        .map((line) => JSON.parse(line)),
    );
  }
  return found;
}

/** Compacts a topic on request. */
async function compacted(url: string, topic: string) {
  const { id } = JSON.parse(await ask(`${url}/api/topics/${topic}/compact`, 'POST'));
  const { state, result } = JSON.parse(await ask(`${url}/api/jobs/${id}?wait_ms=20000`));
  const recordsAfter = result?.partitions.reduce(
    (sum: number, each: { recordsAfter: number }) => sum + each.recordsAfter,
    0,
  );
  return { state, recordsAfter };
}

t.test('of real events the last one of each key remains', { skip }, async (t) => {
  const flags = [
    '--housekeeping.interval.ms',
    '50',
    '--journal.file.bytes',
    '256KiB',
    '--log.dir.reserve.bytes',
    '0',
  ];
  const daemon = await Daemon.start(`${t.testdir()}/data`, flags);
  t.teardown(() => daemon.kill('SIGKILL'));
  const config = {
    'cleanup.policy': 'compact',
    'segment.bytes': 65_536,
    'min.cleanable.dirty.ratio': 0.2,
    'max.compaction.lag.ms': 300,
  };
  await Promise.all(
    Object.entries(topics()).map(async ([topic, events]) => {
      await ask(`${daemon.url}/api/topics/${topic}`, 'PUT', { partitions: PARTITIONS, config });
      const records = `${daemon.url}/api/topics/${topic}/records`;
      for (let at = 0; at < events.length; at += REQUEST_RECORDS)
        await ask(`${records}?compression=zstd`, 'POST', { records: events.slice(at, at + REQUEST_RECORDS) });
      const newest = new Map(events.map(({ key, value }) => [key, value]));
      await until(`all of ${topic} is sealed and compacted`, async () => {
        const { partitions } = JSON.parse(await ask(`${daemon.url}/api/topics/${topic}`));
        return partitions.every(
          (each: { logEndOffset: number; compaction: { firstDirtyOffset: number } }) =>
            each.compaction.firstDirtyOffset === each.logEndOffset,
        );
      });
      const remaining = await left(daemon.url, topic);
      t.same(
        new Map(remaining.map(({ key, value }) => [key, value])),
        newest,
        `${topic}: ${newest.size} keys`,
      );
      t.equal(remaining.length, newest.size);
      t.match(await compacted(daemon.url, topic), { state: 'done', recordsAfter: newest.size }, 'on request');
      t.same(await left(daemon.url, topic), remaining);
    }),
  );
  const { code } = await daemon.stop();
  t.equal(code, 0);
});
