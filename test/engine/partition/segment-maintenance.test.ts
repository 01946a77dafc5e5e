/** What seals, rolls and closes leave beside the segments. */
import fs from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Engine } from '../../../src/engine/index.ts';
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
