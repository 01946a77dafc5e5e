/** Data directories that released versions wrote: each must open for ever, with the records that it held. */
import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { decodeRecords, dumpFile, Engine, FORMAT_VERSION, verifyDirectory } from '../../src/engine/index.ts';
import { dataDirectory } from '../helpers/verify-after.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures', import.meta.url));

interface GoldenRecord {
  offset: number;
  timestamp: number;
  /** Base64. */
  key: string | null;
  value: string | null;
  headers: [key: string, value: string | null][];
}
type Golden = Record<string, GoldenRecord[][]>;

const plain = (bytes: Buffer | null) => bytes?.toString('base64') ?? null;

async function readAll(engine: Engine): Promise<Golden> {
  const all: Golden = {};
  for (const { name, partitions } of engine.listTopics()) {
    all[name] = [];
    for (let partition = 0; partition < partitions; partition++) {
      const { logStartOffset, highWatermark } = engine.offsets(name, partition);
      const records: GoldenRecord[] = [];
      for (let offset = logStartOffset; offset < highWatermark; ) {
        const { chunks, nextOffset } = await engine.read(name, partition, { offset });
        for (const { key, value, headers, ...rest } of decodeRecords(chunks, offset)) {
          const shown = headers.map(({ key, value }): [string, string | null] => [key, plain(value)]);
          records.push({ ...rest, key: plain(key), value: plain(value), headers: shown });
        }
        offset = nextOffset;
      }
      all[name]!.push(records);
    }
  }
  return all;
}

const versions = fs.readdirSync(FIXTURES).filter((name) => name.startsWith('format-'));

t.test('there are golden files of the present version', async (t) => {
  t.ok(versions.includes(`format-${FORMAT_VERSION}`));
});

for (const version of versions) {
  const expected = JSON.parse(fs.readFileSync(join(FIXTURES, version, 'expected.json'), 'utf8')) as Golden;
  for (const variant of ['clean', 'unclean']) {
    t.test(`${version}, ${variant}`, async (t) => {
      const directory = dataDirectory(t);
      fs.cpSync(join(FIXTURES, version, variant), directory, { recursive: true });
      const before = await verifyDirectory({ directory });
      t.match(before, { ok: true, state: variant });

      for (const name of fs.readdirSync(directory, { recursive: true }) as string[]) {
        if (!/\.(log|index|timeindex|summary|journal|json)$|checkpoint$|clean-shutdown$/.test(name)) continue;
        const torn = variant === 'unclean' && name.endsWith('.log');
        for await (const { damaged, line } of dumpFile(join(directory, name), { records: true }))
          if (damaged && !torn) t.fail(`${name}: ${line}`);
      }

      const engine = await Engine.open({ directory });
      t.match(engine.health(), { ready: true, damagedPartitions: [] });
      t.same(await readAll(engine), expected);
      for (const [topic, partitions] of Object.entries(expected)) {
        for (const [partition, records] of partitions.entries()) {
          for (const { timestamp } of records) {
            const first = records.find((record) => record.timestamp >= timestamp)!;
            t.equal(await engine.offsetForTimestamp(topic, partition, timestamp), first.offset);
          }
          const [appended] = await engine.append(topic, [{ value: 'goes on' }], { partition });
          t.equal(appended!.baseOffset, records.at(-1)!.offset + 1);
        }
      }
      const [codecs] = (await engine.describeTopic('codecs')).partitions;
      t.match(codecs!.gaps, [{ firstOffset: 4, endOffset: 8 }]);
      await engine.close();
      t.match(await verifyDirectory({ directory }), { ok: true, state: 'clean', findings: [] });
    });
  }
}
