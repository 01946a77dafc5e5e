/** The commit that is built, for `seglog --version`: `npm run build` and `npm run build:binary` put it into what they make. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** "-dirty" follows where files differ from it; where there is no checkout, as in an image, SEGLOG_COMMIT says it. */
export function readCommit(): string {
  if (process.env.SEGLOG_COMMIT) return process.env.SEGLOG_COMMIT;
  try {
    const args = ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*'];
    const cwd = fileURLToPath(new URL('.', import.meta.url));
    return execFileSync('git', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return 'unknown';
  }
}

if (import.meta.main) process.stdout.write(`${readCommit()}\n`);
