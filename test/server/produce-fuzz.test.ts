/**
 * Method: bodies that are right are mutated byte by byte from a seed, for each media type and coding. Each
 * gets an answer of the documented kind, in bounded time; what was refused left nothing behind.
 */
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { encode } from '@msgpack/msgpack';
import fc from 'fast-check';
import t from 'tap';
import { openApp } from '../helpers/http-app.ts';

const records = [
  {
    key: 'k',
    value: 'some words',
    headers: [{ key: 'h', value: 'x' }],
    timestamp: 1_795_248_000_000,
    partition: 0,
  },
  { key: null, value: 'é "quoted" \\ text', headers: { a: 'b' }, timestamp: '2026-01-01T00:00:00Z' },
];
const json = Buffer.from(JSON.stringify({ records }));
const msgpack = Buffer.from(encode({ records }));
const lines = Buffer.from('{"a":[1,2.5,{"b":null}]}\n"text"\n-1e9\n');

const BODIES: [name: string, headers: Record<string, string>, body: Buffer][] = [
  ['JSON', { 'content-type': 'application/json' }, json],
  ['MessagePack', { 'content-type': 'application/msgpack' }, msgpack],
  ['lines', { 'content-type': 'application/x-ndjson' }, lines],
  ['gzip', { 'content-type': 'text/plain', 'content-encoding': 'gzip' }, gzipSync(lines)],
  ['zstd', { 'content-type': 'text/plain', 'content-encoding': 'zstd' }, zstdCompressSync(lines)],
];

const mutation = fc.record({
  kind: fc.constantFrom('flip', 'replace', 'cut', 'insert', 'repeat'),
  at: fc.nat(10_000),
  byte: fc.nat(255),
  bit: fc.nat(7),
});

function mutate(
  body: Buffer,
  { kind, at, byte, bit }: { kind: string; at: number; byte: number; bit: number },
): Buffer {
  const position = at % (body.length + 1);
  if (kind === 'cut') return body.subarray(0, position);
  if (kind === 'insert')
    return Buffer.concat([body.subarray(0, position), Buffer.from([byte]), body.subarray(position)]);
  if (kind === 'repeat')
    return Buffer.concat([body.subarray(0, position), body.subarray(Math.max(0, position - byte))]);
  const changed = Buffer.from(body);
  if (position < changed.length) changed[position] = kind === 'flip' ? changed[position]! ^ (1 << bit) : byte;
  return changed;
}

for (const [name, headers, body] of BODIES) {
  t.test(`a mutated body of ${name} gets a typed answer`, async (t) => {
    const { ask, engine } = await openApp(t);
    await engine.createTopic('t', { partitions: 2 });
    const end = () => engine.offsets('t', 0).logEndOffset + engine.offsets('t', 1).logEndOffset;
    const answers = new Map<string, number>();
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { minLength: 1, maxLength: 3 }), async (mutations) => {
        const before = end();
        const payload = mutations.reduce(mutate, body);
        const answer = await ask({ method: 'POST', url: '/api/topics/t/records?acks=1', headers, payload });
        const outcome = answer.statusCode === 200 ? 'stored' : String(answer.problem.code);
        answers.set(outcome, (answers.get(outcome) ?? 0) + 1);
        if (answer.statusCode === 200) return end() > before;
        return [400, 404, 413].includes(answer.statusCode) && outcome !== 'undefined' && end() === before;
      }),
      { numRuns: 400, seed: 42 },
    );
    t.ok(answers.size > 1, [...answers].map(([outcome, count]) => `${outcome}: ${count}`).join(', '));
  });
}
