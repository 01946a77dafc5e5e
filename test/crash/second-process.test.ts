/** One process per data directory: the second is refused and told why, and a dead one does not keep it. */
import t from 'tap';
import { Engine } from '../../src/engine/engine.ts';
import { ended, startCli } from '../helpers/cli.ts';
import { Daemon } from '../helpers/daemon.ts';

const SMALL = ['--journal.file.bytes', '64k', '--log.dir.reserve.bytes', '0'];

t.test('a second daemon is refused, and the first one goes on', async (t) => {
  const directory = `${t.testdir()}/data`;
  const first = await Daemon.start(directory, SMALL);
  t.teardown(() => first.kill('SIGKILL'));
  const second = await ended(startCli(['serve', '--data', directory, '--listen', '127.0.0.1:0', ...SMALL]));
  t.equal(second.code, 1);
  t.match(second.stderr, /is in use by another seglog: stop that one, or name another directory/);
  const error = await Engine.open({ directory }).catch((error) => error);
  t.match(error, { code: 'DIRECTORY_LOCKED', retriable: true, details: { directory } });
  t.equal((await fetch(`${first.url}/readyz`)).status, 200);

  await first.kill('SIGKILL');
  const third = await Daemon.start(directory, SMALL);
  t.teardown(() => third.kill('SIGKILL'));
  t.equal((await fetch(`${third.url}/readyz`)).status, 200, 'the lock died with its owner');
  t.match(await third.stop(), { code: 0 });
});
