/**
 * kill -9 of the real daemon at random moments under load, again and again. Who drives it lives outside of it, and
 * knows what was acknowledged: none of that may be lost, doubled or out of order, and no high watermark goes back.
 */
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';
import { startCli } from '../helpers/cli.ts';
import { Daemon } from '../helpers/daemon.ts';
import { testSeed, testSize } from '../helpers/test-size.ts';
import { DaemonLoad, HttpClient, LOAD_SETTINGS } from './daemon-load.ts';
import { Random } from './sim/random.ts';

const LIVES = Math.ceil(10 * testSize);
t.setTimeout(60_000 + LIVES * 20_000);

t.test('nothing acknowledged is lost to kill -9', async (t) => {
  const directory = `${t.testdir()}/data`;
  const random = new Random(testSeed, 'kill -9');
  const load = new DaemonLoad(random);
  const kills = { working: 0, starting: 0 };
  for (let life = 0; life < LIVES; life++) {
    if (life > 0 && random.chance(0.3)) {
      await killWhileStarting(directory, random.below(600));
      kills.starting++;
    }
    const daemon = await start(t, directory);
    const client = new HttpClient(daemon.url);
    if (life === 0) await load.createTopics(client);
    await load.check(client);
    const working = load.run(client);
    await Promise.race([working, load.acknowledgements(10 + random.below(600))]);
    await delay(random.below(20));
    if (life % 5 === 4) {
      const end = await daemon.stop();
      t.match(end, { code: 0, signal: null }, 'stopped gracefully under load');
    } else {
      await daemon.kill('SIGKILL');
      kills.working++;
    }
    await working;
    client.close();
    await verify(t, directory, life % 5 === 4 ? 'clean' : 'unclean');
  }
  await lastLife(t, directory, load);
  t.comment(`seed ${testSeed}: ${load.acknowledged} batches acknowledged, ${JSON.stringify(kills)}`);
});

async function start(t: Test, directory: string): Promise<Daemon> {
  const daemon = await Daemon.start(directory, LOAD_SETTINGS);
  t.teardown(() => daemon.kill('SIGKILL'));
  return daemon;
}

async function verify(t: Test, directory: string, state: 'clean' | 'unclean'): Promise<void> {
  const { findings, ...report } = await verifyDirectory({ directory });
  t.match(report, { ok: true, state }, `verify finds ${JSON.stringify(findings)}`);
}

/** A crash while the log is opened, which is when it recovers from the crash before. */
async function killWhileStarting(directory: string, afterMs: number): Promise<void> {
  const child = startCli(['serve', '--data', directory, '--listen', '127.0.0.1:0', ...LOAD_SETTINGS]);
  await delay(afterMs);
  child.kill('SIGKILL');
  await once(child, 'exit');
}

/** A clean stop, a clean start, and everything once more. */
async function lastLife(t: Test, directory: string, load: DaemonLoad): Promise<void> {
  for (const check of ['check', 'checkAgain'] as const) {
    const daemon = await start(t, directory);
    const client = new HttpClient(daemon.url);
    await load[check](client);
    client.close();
    t.match(await daemon.stop(), { code: 0, signal: null });
    await verify(t, directory, 'clean');
  }
}
