/**
 * The final stage of the image, made and run here as the Dockerfile says: its root is assembled by the script that the build
 * runs, and its commands run in there, with nothing of this system, as the image's user and with its environment.
 */
import { execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ended } from '../helpers/cli.ts';
import { command, environmentOf, STAGES, said } from '../helpers/dockerfile.ts';
import { BINARY } from '../helpers/program.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const noRoot = process.getuid?.() === 0 ? false : 'only root can change the root';
const skip = BINARY === undefined ? 'npm run test:binary tests it' : noRoot;

t.test(
  'its commands serve, answer the health check, and end with 0 on its stop signal',
  { skip },
  async (t) => {
    const image = mkdtempSync(join(tmpdir(), 'seglog-image-'));
    t.teardown(() => rmSync(image, { recursive: true, force: true }));
    // Its root is for everybody, as in any image.
    chmodSync(image, 0o755);
    const env = { PATH: process.env.PATH, ...environmentOf(STAGES[0]!) };
    execFileSync('binary/image-root.sh', [BINARY!, image], { cwd: ROOT, env });
    const start = (args: readonly string[], env: Record<string, string> = {}) =>
      spawn('chroot', [`--userspec=${said('USER')}`, image, ...args], {
        env: { PATH: process.env.PATH!, ...environmentOf(STAGES.at(-1)!), ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });

    // Another port than that of the image may be taken here.
    const serve = [...command(said('ENTRYPOINT')), ...command(said('CMD'))].map((word) =>
      word.replace('0.0.0.0:7070', '127.0.0.1:0'),
    );
    const daemon = start(serve);
    const end = ended(daemon);
    let url = '';
    for await (const line of createInterface(daemon.stderr!)) {
      url = line.includes('"the log is open"') ? JSON.parse(line).url : '';
      if (url !== '') break;
    }
    t.match(url, /^http:/);
    const check = command(said('HEALTHCHECK'));
    t.match(await ended(start(check, { SEGLOG_SERVER: url })), { code: 0, stderr: '' });
    daemon.kill(said('STOPSIGNAL') as NodeJS.Signals);
    t.match(await end, { code: 0, signal: null });
    t.match(await ended(start(check, { SEGLOG_SERVER: url })), {
      code: 1,
      stderr: /no seglog daemon answers/,
    });
  },
);
