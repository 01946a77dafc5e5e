import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import t from 'tap';
import { FollowLock } from '../../../src/cli/follow/follow-lock.ts';

t.test('a file is followed by one process at a time', async (t) => {
  const path = `${t.testdir()}/state.json`;
  const lock = await FollowLock.take(path, 'app.log');
  const refusal = `app.log is being followed already, by process ${process.pid}; if that is not so, remove ${path}.lock`;
  await t.rejects(FollowLock.take(path, 'app.log'), { message: refusal });
  await lock.release();
  await (await FollowLock.take(path, 'app.log')).release();
  t.notOk(existsSync(`${path}.lock`));
});

t.test('a process that is gone, or that never was, holds nothing', async (t) => {
  const path = `${t.testdir()}/state.json`;
  const { pid } = spawnSync(process.execPath, ['--version']);
  for (const content of [`${pid}\n`, '', 'x', '-1', '99999999999999']) {
    writeFileSync(`${path}.lock`, content);
    await (await FollowLock.take(path, 'app.log')).release();
  }
  t.notOk(existsSync(`${path}.lock`));
});
