/** Data directories that released versions wrote: a retry of what is in them gets the answer that the first one got. */
import fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import {
  type AppendOptions,
  dumpFile,
  Engine,
  type PartitionAppend,
  type ProduceRecord,
  systemClock,
  verifyDirectory,
} from '../../src/engine/index.ts';
import { dataDirectory } from '../helpers/verify-after.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures', import.meta.url));
const clock = { ...systemClock, now: () => Date.UTC(2026, 10, 21, 1) };

interface Sent {
  options: AppendOptions;
  records: ProduceRecord[];
  answers: PartitionAppend[];
}

const versions = fs.readdirSync(FIXTURES).filter((name) => name.startsWith('producers-'));

t.test('there are golden files', async (t) => {
  t.ok(versions.length > 0);
});

for (const version of versions) {
  const sent = JSON.parse(fs.readFileSync(join(FIXTURES, version, 'expected.json'), 'utf8')) as Sent[];
  for (const variant of ['clean', 'unclean'])
    for (const isLost of [false, true])
      t.test(`${version}, ${variant}${isLost ? ', without its snapshots' : ''}`, async (t) => {
        const directory = dataDirectory(t);
        fs.cpSync(join(FIXTURES, version, variant), directory, { recursive: true });
        // A checkout has no directories without files.
        for (const name of fs.readdirSync(join(directory, 'topics'))) {
          const topic = join(directory, 'topics', name);
          const { partitions } = JSON.parse(fs.readFileSync(join(topic, 'topic.json'), 'utf8'));
          for (let i = 0; i < partitions; i++) fs.mkdirSync(join(topic, String(i)), { recursive: true });
        }
        t.match(await verifyDirectory({ directory }), { ok: true, state: variant });
        const snapshots = (fs.readdirSync(directory, { recursive: true }) as string[])
          .filter((name) => name.endsWith('/producers'))
          .map((name) => join(directory, name));
        t.ok(snapshots.length >= 2);
        for (const path of snapshots) {
          for await (const { damaged, line } of dumpFile(path)) t.notOk(damaged, line);
          if (isLost) fs.rmSync(path);
        }
        const engine = await Engine.open({ directory, clock });
        for (const { options, records, answers } of sent)
          t.same(
            await engine.append('sent', records, options),
            answers.map((answer) => ({ ...answer, duplicate: true })),
          );
        await engine.close();
      });
}
