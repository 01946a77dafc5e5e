/**
 * `npm run demo`: the main job in a minute. A daemon takes a real file, is killed in the middle of it, goes on,
 * and gives every byte back, by offset and by time. An argument names another data directory.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, readFileSync, rmSync, statSync } from 'node:fs';
import { extname, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { HttpClient } from './http-client.ts';
import { lineEndWithin } from './line-joiner.ts';
import { humanBytes } from './text.ts';
import { describeTopic, recordsPath } from './topics-client.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const MAIN = fileURLToPath(new URL(`./main${extname(import.meta.url)}`, import.meta.url));
const TOPIC = 'demo';
const BATCH_BYTES = 16 * 1024;
/** Enough lines to look at, and quick to read whole. */
const FILE_BYTES = { min: 64 * 1024, max: 64 * 1024 * 1024 };

/** A log of this machine, or what every checkout has. */
function chooseFile(): string {
  const candidates = [
    '/var/log/dpkg.log',
    '/var/log/syslog',
    '/var/log/messages',
    `${ROOT}package-lock.json`,
  ];
  const usable = (path: string) => {
    try {
      accessSync(path, constants.R_OK);
      const { size } = statSync(path);
      return size >= FILE_BYTES.min && size <= FILE_BYTES.max;
    } catch {
      return false;
    }
  };
  return candidates.find(usable) ?? `${ROOT}package.json`;
}

/** Its own directory is emptied each time; one that is given must be new. */
function chooseDirectory(): string {
  const own = `${ROOT}data/demo`;
  const given = process.argv[2];
  if (given === undefined) rmSync(own, { recursive: true, force: true });
  else if (existsSync(given)) throw new Error(`${given} exists already: name a directory that does not`);
  return resolve(given ?? own);
}

const say = (text: string) => void process.stdout.write(`${text}\n`);
const step = (text: string) => say(`\n── ${text}`);

interface RunningDaemon {
  child: ChildProcess;
  url: string;
}

async function startDaemon(data: string): Promise<RunningDaemon> {
  const args = ['serve', '--data', data, '--listen', '127.0.0.1:0'];
  say(`$ seglog ${args.join(' ')} &`);
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  process.once('exit', () => child.kill());
  for await (const line of createInterface(child.stderr!)) {
    if (!line.includes('"the log is open"')) continue;
    const { url, ms } = JSON.parse(line);
    child.stderr!.resume();
    say(`  it serves ${url}; opening the log took ${ms} ms`);
    return { child, url };
  }
  throw new Error('the daemon did not start; run the command above to see why');
}

/** Runs the program as a user would, and gives what it prints. */
async function seglog(url: string, ...args: string[]): Promise<Buffer> {
  say(`$ seglog ${args.join(' ')}`);
  const env = { ...process.env, SEGLOG_SERVER: url };
  const child = spawn(process.execPath, [MAIN, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`seglog ${args[0]} ended with ${code}`);
  return Buffer.concat(chunks);
}

/** Sends lines until `killAt` bytes are acknowledged, then kills the daemon with the next request on its way. */
async function sendAndKill(daemon: RunningDaemon, lines: Buffer, killAt: number): Promise<number> {
  const client = new HttpClient(daemon.url);
  let acknowledged = 0;
  for (let sent = 0; ; ) {
    const end = sent + lineEndWithin(lines.subarray(sent), BATCH_BYTES);
    const request = client.request('POST', recordsPath(TOPIC), {
      headers: { 'content-type': 'text/plain' },
      body: lines.subarray(sent, end),
    });
    if (sent >= killAt || end === lines.length) {
      daemon.child.kill('SIGKILL');
      await Promise.all([once(daemon.child, 'exit'), request.catch(() => {})]);
      await client.close();
      return acknowledged;
    }
    const { partitions } = JSON.parse((await request).body.toString());
    acknowledged = partitions[0].lastOffset + 1;
    sent = end;
  }
}

function check(what: string, actual: Buffer, expected: Buffer): void {
  if (!actual.equals(expected))
    throw new Error(`${what}: ${actual.length} bytes are not the ${expected.length} of the file`);
  say(`  ${what}: ${humanBytes(actual.length)}, identical`);
}

/** The bytes of `lines` from the line with this number on, counted from 0. */
function fromLine(lines: Buffer, number: number): Buffer {
  let at = 0;
  for (let i = 0; i < number; i++) at = lines.indexOf(10, at) + 1;
  return lines.subarray(at);
}

async function demo(): Promise<void> {
  const data = chooseDirectory();
  const shownData = relative(process.cwd(), data) || '.';
  const file = chooseFile();
  const text = readFileSync(file);
  const lines = text.at(-1) === 10 ? text : Buffer.concat([text, Buffer.from('\n')]);
  say(`The file: ${file}, ${humanBytes(text.length)}. The data directory: ${shownData}`);

  step('a daemon, and a topic');
  let daemon = await startDaemon(shownData);
  await seglog(daemon.url, 'topics', 'create', TOPIC);

  step('half of the file goes in over HTTP; then kill -9, with a request on its way');
  const acknowledged = await sendAndKill(daemon, lines, lines.length / 2);
  say(`  ${acknowledged} lines were acknowledged`);

  step('it starts again, and knows what it has');
  daemon = await startDaemon(shownData);
  const stored = (await describeTopic(new HttpClient(daemon.url), TOPIC)).partitions[0]!.highWatermark;
  say(
    `  ${stored} lines are stored: all that were acknowledged${stored > acknowledged ? ', and the last request' : ''}`,
  );
  if (stored < acknowledged) throw new Error('acknowledged lines are missing');

  step('the rest goes in by the command line');
  const between = new Date().toISOString();
  const rest = fromLine(lines, stored);
  say('$ tail … | seglog produce demo');
  const produce = spawn(process.execPath, [MAIN, 'produce', TOPIC, '--server', daemon.url], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  produce.stdin.end(rest);
  await once(produce, 'close');

  step('everything comes back');
  check('all of it', await seglog(daemon.url, 'consume', TOPIC, '-o', 'beginning', '-e'), lines);
  const middle = Math.floor(stored / 2);
  const byOffset = await seglog(daemon.url, 'consume', TOPIC, '-o', String(middle), '-e');
  check(`from offset ${middle} on`, byOffset, fromLine(lines, middle));
  const byTime = await seglog(daemon.url, 'consume', TOPIC, '-o', `@${between}`, '-e');
  check('what came after the restart, by time', byTime, rest);

  step('the daemon stops cleanly, and every checksum is looked at');
  daemon.child.kill('SIGTERM');
  const [code] = await once(daemon.child, 'exit');
  say(`  SIGTERM: exit code ${code}`);
  process.stdout.write(await seglog(daemon.url, 'verify', shownData));

  step('where to look next');
  say(`  npx seglog serve --data ${shownData}           # the same data, on http://127.0.0.1:7070`);
  say(`  npx seglog topics describe ${TOPIC}`);
  say(`  npx seglog consume ${TOPIC} -o -10 -e`);
  say(`  npx seglog --help, README.md, docs/`);
}

await demo().catch((error: unknown) => {
  process.stderr.write(`demo: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 1;
});
