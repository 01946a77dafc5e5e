/**
 * Log events as lines of JSON in a file: of 200 sources, of which a few are far more talkative than the others, over 72 hours, in
 * the order of time. They are made of the real messages that lie beside this checkout, or made up where there are none.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream, existsSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';

const CORPUS = fileURLToPath(new URL('../../shared/tools/corpus.mjs', import.meta.url));
export const CORPUS_START = Date.parse('2025-11-26T00:00:00Z');
export const CORPUS_HOURS = 72;
const SOURCES = 200;
const HOUR_MS = 3_600_000;
const LINES_AT_ONCE = 5000;

/** Resolves with a word about where the events are from. */
export async function writeCorpus(path: string, events: number): Promise<string> {
  if (existsSync(CORPUS)) {
    const args = ['--events', events, '--sources', SOURCES, '--span-hours', CORPUS_HOURS, '--skew', 1];
    const maker = spawn(process.execPath, [CORPUS, ...args.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await Promise.all([pipeline(maker.stdout, createWriteStream(path)), once(maker, 'close')]);
    return 'real messages';
  }
  await pipeline(madeUpEvents(events), createWriteStream(path));
  return 'made up messages';
}

/** As the messages of services are: mostly the same words, some numbers, and seldom a word of its own. */
const MESSAGES = [
  ['INFO', (n: number) => `request ${n} done in ${n % 977} ms, status 200`],
  ['INFO', (n: number) => `accepted connection from 10.0.${n % 256}.${(n >> 8) % 256}`],
  ['DEBUG', (n: number) => `cache entry user:${n % 50_000} expired`],
  ['INFO', (n: number) => `checkpoint written, ${n % 4096} pages`],
  ['WARN', (n: number) => `slow query: ${n % 9000} ms on table orders`],
  ['INFO', (n: number) => `received block blk_${n * 7919} of size 67108864`],
  ['ERROR', (n: number) => `connection refused by upstream ${n % 31}, attempt ${n % 5}`],
  ['INFO', (n: number) => (n % 40_000 === 7 ? `snapshot quarantined${n % 3}` : `heartbeat ${n} sent`)],
] as const;

function* madeUpEvents(count: number): Generator<string> {
  const step = (CORPUS_HOURS * HOUR_MS) / count;
  let lines = '';
  for (let i = 0; i < count; i++) {
    // The reciprocal of an even distribution: source 0 has most of them.
    const spread = ((i * 2_654_435_761) >>> 0) / 2 ** 32;
    const source = `service-${Math.floor(SOURCES ** spread) - 1}`;
    const [level, message] = MESSAGES[(i ^ (i >> 5)) % MESSAGES.length]!;
    const timestamp = new Date(CORPUS_START + i * step).toISOString();
    lines += `${JSON.stringify({ timestamp, level, source, message: message(i), metadata: { pid: i % 999 } })}\n`;
    if (i % LINES_AT_ONCE !== LINES_AT_ONCE - 1) continue;
    yield lines;
    lines = '';
  }
  yield lines;
}
