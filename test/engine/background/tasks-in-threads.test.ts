/** Each task there is, once in a real thread: what it is asked and what it answers survives the way. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { WorkerPool } from '../../../src/engine/background/worker-pool.ts';
import { systemClock } from '../../../src/engine/common/clock.ts';
import { Engine } from '../../../src/engine/engine.ts';
import { segmentPath } from '../../../src/engine/files/log-file-names.ts';
import { decodeRecords } from '../../../src/engine/format/record-batch-reader.ts';
import { SEGMENT_HEADER_BYTES } from '../../../src/engine/format/segment-header.ts';
import { createKeyMap, KeyMap } from '../../../src/engine/rewrite/key-map.ts';
import { dataDirectory } from '../../helpers/verify-after.ts';

const KEYS = 10;
const RECORDS = 1000;

t.test('map, rewrite and seal', async (t) => {
  const directory = dataDirectory(t);
  const engine = await Engine.open({ directory });
  await engine.createTopic('a');
  const value = 'x'.repeat(100);
  for (let i = 0; i < RECORDS; i += 10)
    await engine.append(
      'a',
      Array.from({ length: 10 }, (_, j) => ({ key: `key ${(i + j) % KEYS}`, value: `${i + j} ${value}` })),
    );
  const { id } = await engine.describeTopic('a');
  const { bytes, endOffset } = (await engine.listSegments('a', 0))[0]!;
  await engine.close();

  const pool = new WorkerPool({ threads: 1, bytesPerSecond: -1, clock: systemClock });
  t.teardown(() => pool.close());
  const partition = join(directory, 'topics/a/0');
  const path = segmentPath(partition, 0);
  const identity = { topicId: id, partition: 0 };
  const segment = { path, baseOffset: 0, endOffset, bytes, firstAppendAt: 5 };
  const walk = { identity, segments: [segment], gaps: [] };

  const map = createKeyMap(100_000);
  const mapped = await pool.run('map', { ...walk, fromOffset: 0, map });
  t.match(mapped, { endOffset: RECORDS, keys: KEYS });
  t.equal(new KeyMap(map).size, KEYS);

  const outputPath = join(partition, 'x.rewritten~');
  const progress: number[] = [];
  const rewritten = await pool.run(
    'rewrite',
    {
      ...walk,
      outputPath,
      createdAt: 1,
      indexIntervalBytes: 4096,
      blockBytes: 100_000,
      codec: 'keep',
      logStartOffset: 0,
      filter: { map, mappedEndOffset: mapped.endOffset, now: 1, deleteRetentionMs: 1 },
    },
    { progress: (done) => progress.push(done) },
  );
  t.match(rewritten, { recordsRead: RECORDS, recordsKept: KEYS });
  t.ok(rewritten.output!.offsetIndex instanceof Uint8Array);
  t.ok(progress.at(-1)! >= bytes);
  const kept = decodeRecords([readFileSync(outputPath).subarray(SEGMENT_HEADER_BYTES)], 0);
  t.same(
    kept.map(({ offset }) => offset),
    Array.from({ length: KEYS }, (_, i) => RECORDS - KEYS + i),
  );
  rmSync(outputPath);

  const sealed = await pool.run('seal', { identity, segment, gaps: [], indexIntervalBytes: 4096 });
  t.match(sealed, { damaged: [], stats: { records: RECORDS, endOffset: RECORDS, bytes, firstAppendAt: 5 } });
});
