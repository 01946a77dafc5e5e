/** Bytes behind the last batch of a segment, of which the next one has taken over what they were: they go. */
import t from 'tap';
import { verifyDirectory } from '../../../src/engine/inspection/verify.ts';
import { SimEngine } from '../../helpers/sim-engine.ts';

t.test('what a recovery that was cut short left behind a full segment is cut off by the next', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { config: { 'segment.bytes': 4096 } });
  for (let i = 0; i < 6; i++) {
    await log.append('a', `${i}`.padEnd(1000));
    await log.settle();
  }
  const base = `/data/topics/a/0/${'0'.repeat(20)}`;
  log.disk = log.disk.crash('kill');
  // Not even the bytes have survived, but the size of the file.
  const whole = log.disk.contents(`${base}.log`);
  log.disk.plant(`${base}.log`, Buffer.concat([whole, Buffer.alloc(700)]));
  await log.disk.remove(`${base}.summary`);
  await log.start();
  t.same(log.disk.contents(`${base}.log`), whole);
  t.match(await log.engine.listSegments('a', 0), [{ bytes: whole.length, sealed: true }, {}]);
  t.match(log.engine.health(), { ready: true, damagedPartitions: [] });
  t.equal((await log.values('a')).length, 6);
  await log.engine.close();
  t.match(await verifyDirectory({ directory: '/data', fileSystem: log.disk }), { ok: true, findings: [] });
});
