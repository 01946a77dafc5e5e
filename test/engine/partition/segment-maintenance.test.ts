/** What seals, rolls and closes leave beside the segments. */
import fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Engine } from '../../../src/engine/index.ts';
import { SimEngine } from '../../helpers/sim-engine.ts';
import { dataDirectory } from '../../helpers/verify-after.ts';

t.test('a partition that was never written to has a checkpoint and nothing else', async (t) => {
  const directory = dataDirectory(t);
  const partition = join(directory, 'topics/a/0');
  const open = () => Engine.open({ directory, settings: { 'journal.files': 0 } });
  let engine = await open();
  await engine.createTopic('a');
  await engine.close();
  t.same(fs.readdirSync(partition), ['checkpoint']);
  engine = await open();
  t.match(engine.offsets('a', 0), { logStartOffset: 0, highWatermark: 0 });
  await engine.append('a', [{ value: 'x' }]);
  await engine.close();
  const base = '0'.repeat(20);
  t.same(fs.readdirSync(partition).sort(), [
    `${base}.index`,
    `${base}.log`,
    `${base}.timeindex`,
    'checkpoint',
  ]);
});

t.test('a segment that was rolled while its batches were in memory only is sealed as well', async (t) => {
  const log = await SimEngine.open({ 'journal.files': 2 });
  await log.engine.createTopic('a', { config: { 'segment.bytes': 4096 } });
  // The first commit finds no journal file yet, and has one made.
  await log.append('a', 'first');
  await log.settle();
  for (let i = 0; i < 3; i++) await log.append('a', 'x'.repeat(3000));
  t.ok(log.engine.stats().journaledBytes > 0);
  await log.settle(200);
  t.match(await log.engine.listSegments('a', 0), [{ sealed: true }, { sealed: true }, { sealed: false }]);
  await log.engine.close();
});
