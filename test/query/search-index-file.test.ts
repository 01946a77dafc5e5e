/** Search indexes as files: which count, which do not, and what is read of them. */
import fs from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import {
  batchSize,
  decodeSegmentHeader,
  Engine,
  nodeFileSystem,
  SEGMENT_HEADER_BYTES,
} from '../../src/engine/index.ts';
import { SearchIndexBuilder } from '../../src/query/search-index-builder.ts';
import { indexFileContent, SearchIndexFiles } from '../../src/query/search-index-file.ts';
import { wordToken } from '../../src/query/tokens.ts';
import { Random } from '../crash/sim/random.ts';
import { dataDirectory } from '../helpers/verify-after.ts';

const FIELDS = ['source', 'level'];

/** A sealed segment with an index beside it. */
async function indexedSegment(t: Test, events = 50) {
  const directory = dataDirectory(t);
  const engine = await Engine.open({ directory });
  t.teardown(() => engine.close());
  await engine.createTopic('logs', { config: { 'segment.ms': 1000 } });
  const random = new Random('file');
  for (let i = 0; i < events; i++) {
    const value = `{"source":"s${i % 3}","level":"info","message":"event${i} ${random.bytes(8000).toString('hex')}"}`;
    await engine.append('logs', [{ value, timestamp: 1000 }]);
  }
  await engine.append('logs', [{ value: '{}', timestamp: 5000 }]);
  while (!engine.search.partition('logs', 0).segments[0]!.sealed) await new Promise(setImmediate);
  const { topicId, segments } = engine.search.partition('logs', 0);
  const segment = { ...segments[0]!, topicId, partition: 0 };
  const bytes = fs.readFileSync(segment.path);
  const header = decodeSegmentHeader(bytes.subarray(0, SEGMENT_HEADER_BYTES));
  if (typeof header === 'string') throw new Error(header);
  const builder = new SearchIndexBuilder({ fields: FIELDS, falsePositiveRate: 0.01 });
  for (let at = SEGMENT_HEADER_BYTES; at < bytes.length; at += batchSize(bytes, at))
    builder.add(bytes, at, at);
  const content = Buffer.concat(
    indexFileContent({ ...segment, createdAt: header.createdAt }, builder.finish()),
  );
  fs.writeFileSync(segment.searchPath, content);
  const files = new SearchIndexFiles(nodeFileSystem, 2);
  t.teardown(() => files.close());
  return { segment, content, files };
}

t.test('an index is read as it was written', async (t) => {
  const { segment, files } = await indexedSegment(t);
  const index = (await files.open(segment))!;
  t.equal(index.events, 50);
  t.ok(index.blocks.count > 1);
  const found = await index.blocksWithTokens([wordToken('event7')]);
  t.equal(found.size, 1);
  const cells = (await index.counts())!.cells(['level'])!;
  t.ok(cells.every(({ hour, values }) => hour === 0 && values[0] === 'INFO'));
  t.equal(
    cells.reduce((sum, { count }) => sum + count, 0),
    50,
  );
});

t.test('a large one is read as it is asked for', async (t) => {
  const { segment, content, files } = await indexedSegment(t);
  const index = (await files.open(segment))!;
  t.ok((await index.blocksWithTokens([wordToken('event7')])).size >= 1);
  fs.rmSync(segment.searchPath);
  fs.writeFileSync(segment.searchPath, content);
  files.forget(segment.searchPath);
  t.ok((await index.blocksWithTokens([wordToken('event7')])).size >= 1, 'also once it was closed');
});

t.test('what is no index of the segment as it is now is none', async (t) => {
  const { segment, content, files } = await indexedSegment(t, 3);
  t.ok(await files.open(segment));
  for (const other of [
    { topicId: '0'.repeat(32) },
    { partition: 1 },
    { baseOffset: 1 },
    { endOffset: segment.endOffset + 1 },
    { bytes: segment.bytes + 1 },
  ])
    t.equal(await files.open({ ...segment, ...other }), undefined, Object.keys(other).join());
  const original = fs.readFileSync(segment.path);
  const rewritten = join(t.testdirName, 'rewritten.log');
  const header = Buffer.from(original);
  header.writeUInt8(header.readUInt8(48) ^ 1, 48);
  fs.writeFileSync(rewritten, header);
  t.equal(await files.open({ ...segment, path: rewritten }), undefined, 'of a damaged segment');
  for (const changed of [
    content.subarray(0, 50),
    content.subarray(0, -1),
    Buffer.concat([content, Buffer.alloc(1)]),
  ]) {
    fs.writeFileSync(segment.searchPath, changed);
    t.equal(await files.open(segment), undefined, `${changed.length} bytes`);
  }
  fs.rmSync(segment.searchPath);
  t.equal(await files.open(segment), undefined, 'missing');
});

t.test('a changed byte is noticed when it is read', async (t) => {
  const { segment, content, files } = await indexedSegment(t, 20);
  const reference = (await files.open(segment))!;
  const words = Array.from({ length: 20 }, (_, i) => wordToken(`event${i}`));
  const expected = await Promise.all(
    words.map(async (word) => [...(await reference.blocksWithTokens([word]))]),
  );
  const random = new Random('bytes');
  let damaged = 0;
  for (let i = 0; i < 300; i++) {
    const changed = Buffer.from(content);
    changed[random.below(changed.length)]! ^= 1 << random.below(8);
    fs.writeFileSync(segment.searchPath, changed);
    let told = false;
    const index = await files.open(segment, () => {
      told = true;
    });
    if (index === undefined) {
      damaged++;
      continue;
    }
    for (const [number, word] of words.entries()) {
      const found = [...(await index.blocksWithTokens([word]))];
      if (!told) t.same(found, expected[number]);
      else if (expected[number]!.some((block) => !found.includes(block))) t.fail('a block is missed');
    }
    if ((await index.counts()) === undefined) t.ok(told);
    if (told) damaged++;
  }
  t.ok(damaged > 290, 'hardly any part is of no interest to these words');
});
