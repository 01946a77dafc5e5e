/**
 * Real bytes through the real program: what goes in by the command line or by HTTP comes back byte for byte,
 * by offset and by time, also when the daemon is killed in between.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { runCli } from '../helpers/cli.ts';
import { Daemon } from '../helpers/daemon.ts';

const SHARED = fileURLToPath(new URL('../../../shared/data/', import.meta.url));
const skip = existsSync(SHARED) ? false : 'there is no ../shared/data beside this checkout';

// Stopped, and its data verified, before the directory goes.
t.teardown(() => daemon.stop());
const data = `${t.testdir()}/data`;
let daemon = await Daemon.start(data);

const cli = (args: string[], input: string | Uint8Array = '') =>
  runCli(args, { input, env: { SEGLOG_SERVER: daemon.url } });
const consume = async (topic: string, ...args: string[]) =>
  (await cli(['consume', topic, '-o', 'beginning', '-e', ...args])).stdout;

/** The lines of a file, as consume prints them: each with a newline, also the last. */
function asLines(bytes: Buffer): Buffer {
  return bytes.at(-1) === 10 || bytes.length === 0 ? bytes : Buffer.concat([bytes, Buffer.from('\n')]);
}

function post(path: string, type: string, body: Buffer): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request(
      `${daemon.url}${path}`,
      { method: 'POST', headers: { 'content-type': type } },
      (answer) => {
        answer.resume().on('end', () => resolve(answer.statusCode!));
      },
    );
    sent.on('error', reject).end(body);
  });
}

const realFiles = skip
  ? []
  : ['raw', 'events'].flatMap((folder) =>
      readdirSync(join(SHARED, folder)).map((name) => join(SHARED, folder, name)),
    );

t.test('every real file comes back byte for byte, in by the command line', { skip }, async (t) => {
  for (const [i, file] of realFiles.entries()) {
    const topic = `cli-${i}`;
    t.equal((await cli(['topics', 'create', topic, '--partitions', String(1 + (i % 3))])).code, 0);
    const { code } = await cli(['produce', topic, file, '--batch-bytes', '100k']);
    t.equal(code, 0);
    t.ok((await consume(topic)).equals(asLines(readFileSync(file))), file.slice(SHARED.length));
  }
});

t.test('every real file comes back byte for byte, in and out by HTTP', { skip }, async (t) => {
  for (const [i, file] of realFiles.entries()) {
    const topic = `http-${i}`;
    const bytes = readFileSync(file);
    await cli(['topics', 'create', topic]);
    t.equal(await post(`/api/topics/${topic}/records`, 'text/plain', bytes), 200);
    const answer = await fetch(
      `${daemon.url}/api/topics/${topic}/partitions/0/records?offset=0&max_bytes=30000000&encoding=base64`,
    );
    const { records } = (await answer.json()) as { records: { value: string }[] };
    const lines = records.flatMap(({ value }) => [Buffer.from(value, 'base64'), Buffer.from('\n')]);
    t.ok(Buffer.concat(lines).equals(asLines(bytes)), file.slice(SHARED.length));
  }
});

/** Nothing that a text file would hold. */
const strange: Readonly<Record<string, Buffer>> = {
  'every byte': Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 31 + (i >> 8)) & 0xff)),
  'empty lines': Buffer.from('\n\n\nx\n\n'),
  'carriage returns': Buffer.from('a\r\nb\rc\n\r\n'),
  'no UTF-8': Buffer.from([0xff, 0xfe, 10, 0xc3, 10, 0xed, 0xa0, 0x80, 10, 0xf4, 0x90, 0x80, 0x80]),
  'no newline at the end': Buffer.from('a\nb'),
  'a very long line': Buffer.concat([
    Buffer.from('a\n'),
    Buffer.alloc(5_000_000, 'long '),
    Buffer.from('\nb\n'),
  ]),
  'only a newline': Buffer.from('\n'),
};

t.test('strange bytes come back as they are', async (t) => {
  for (const [i, [name, bytes]] of Object.entries(strange).entries()) {
    t.equal((await cli(['produce', `strange-${i}`, '--create-topic'], bytes)).code, 0);
    t.ok((await consume(`strange-${i}`)).equals(asLines(bytes)), name);
  }
});

t.test('keys, headers, nulls and times survive JSON out and in', async (t) => {
  const lines = [
    {
      key: 'k',
      value: 'v',
      headers: [{ key: 'h', value: '1' }],
      timestamp: '2020-01-01T00:00:00.000Z',
      partition: 1,
    },
    { key: null, value: null, headers: [], timestamp: '2020-01-01T00:00:01.000Z', partition: 0 },
    {
      key: 'AAEC/w==',
      keyEncoding: 'base64',
      value: '',
      headers: [],
      timestamp: '2020-01-01T00:00:02.000Z',
      partition: 1,
    },
  ];
  for (const topic of ['json-a', 'json-b']) await cli(['topics', 'create', topic, '--partitions', '2']);
  await cli(['produce', 'json-a', '--json'], lines.map((each) => JSON.stringify(each)).join('\n'));
  const out = await consume('json-a', '--json');
  await cli(['produce', 'json-b', '--json'], out);
  const again = await consume('json-b', '--json');
  t.equal(again.toString(), out.toString().replaceAll('json-a', 'json-b'));
  const read = out
    .toString()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.match(read, [lines[1], lines[0], lines[2]]);
});

t.test('any offset and any time is a place to begin', async (t) => {
  const lines = Array.from({ length: 1000 }, (_, i) =>
    JSON.stringify({ value: `line ${i}`, timestamp: 1_600_000_000_000 + i * 1000 }),
  );
  await cli(['topics', 'create', 'places', '-c', 'segment.bytes=16k', '-c', 'index.interval.bytes=256']);
  await cli(['produce', 'places', '--json', '--batch-bytes', '2k'], lines.join('\n'));
  const out = async (...args: string[]) =>
    (await cli(['consume', 'places', '-e', ...args])).stdout.toString();
  const expected = (from: number, to: number) =>
    Array.from({ length: to - from }, (_, i) => `line ${from + i}\n`).join('');
  for (const at of [0, 1, 499, 500, 998, 999]) {
    t.equal(await out('-o', String(at)), expected(at, 1000), `offset ${at}`);
    t.equal(await out('-o', `@${1_600_000_000_000 + at * 1000}`), expected(at, 1000), `the time of ${at}`);
    t.equal(
      await out('-o', `@${1_600_000_000_000 + at * 1000 - 1}`),
      expected(at, 1000),
      `just before ${at}`,
    );
    t.equal(await out('-o', String(at), '--until', String(at + 1)), expected(at, at + 1));
  }
  t.equal(await out('-o', '-3'), expected(997, 1000));
  const [from, to] = [100, 900].map((i) => `@${new Date(1_600_000_000_000 + i * 1000).toISOString()}`);
  t.equal(await out('-o', from!, '--until', to!), expected(100, 900));
});

t.test('what was acknowledged before kill -9 is there after it, and the rest follows it', async (t) => {
  const lines = Array.from({ length: 5000 }, (_, i) => `${i} ${'x'.repeat(i % 300)}\n`);
  const halves = [lines.slice(0, 2500).join(''), lines.slice(2500).join('')];
  t.equal((await cli(['produce', 'killed', '--create-topic', '--batch-bytes', '20k'], halves[0])).code, 0);
  t.match(await daemon.kill('SIGKILL'), { signal: 'SIGKILL' });
  daemon = await Daemon.start(data);
  t.ok((await consume('killed')).equals(Buffer.from(halves[0]!)));
  t.equal((await cli(['produce', 'killed', '--batch-bytes', '20k'], halves[1])).code, 0);
  t.ok((await consume('killed')).equals(Buffer.from(lines.join(''))));
});

t.test('after all of it, every checksum is right', async (t) => {
  t.match(await daemon.stop(), { code: 0 });
  const { code, stdout } = await runCli(['verify', data]);
  t.equal(code, 0, stdout.toString());
});
