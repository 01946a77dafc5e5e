import { decode } from '@msgpack/msgpack';
import fc from 'fast-check';
import t from 'tap';
import { Engine, visitRecords } from '../../src/engine/index.ts';
import { msgpackFormat } from '../../src/server/msgpack-records.ts';
import { OutputBuffer } from '../../src/server/output-buffer.ts';
import { beginPage, endPage, PAGE_SEPARATORS, type PageFormat } from '../../src/server/page-format.ts';
import { eventFormat, jsonFormat, lineFormat, type RecordFormat } from '../../src/server/record-formats.ts';
import { verifyNow } from '../helpers/verify-after.ts';

interface Source {
  key: Buffer | null;
  value: Buffer | null;
  timestamp: number;
  headers: { key: string; value: Buffer | null }[];
}

/** Stores records and gives the batches that hold them. */
async function batchesOf(t: { testdir(): string }, records: Source[]): Promise<Buffer[]> {
  const directory = t.testdir();
  const engine = await Engine.open({
    directory,
    settings: { 'journal.file.bytes': 65_536, 'log.dir.reserve.bytes': 0 },
  });
  await engine.createTopic('t');
  await engine.append('t', records);
  const { chunks } = await engine.read('t', 0, { offset: 0 });
  const copies = chunks.map((chunk) => Buffer.from(chunk));
  await engine.close();
  await verifyNow(directory);
  return copies;
}

function writeAll(chunks: readonly Buffer[], { write }: RecordFormat, format?: PageFormat): Buffer {
  const out = new OutputBuffer(16);
  let records = 0;
  if (format !== undefined) beginPage(out, format);
  for (const chunk of chunks) {
    visitRecords(chunk, 0, (...record) => {
      const separator = format === undefined ? undefined : PAGE_SEPARATORS[format];
      if (separator !== undefined && records > 0) out.byte(separator);
      records++;
      const [offset, ...rest] = record;
      write(out, undefined, offset, ...rest);
    });
  }
  if (format !== undefined)
    endPage(out, format, records, [
      ['nextOffset', records],
      ['cursor', 'é'],
      ['none', null],
    ]);
  return Buffer.from(out.take());
}

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)),
  fc.string({ unit: 'binary', maxLength: 60 }).map((text) => Buffer.from(text)),
  fc.string({ unit: 'grapheme-ascii', maxLength: 400 }).map((text) => Buffer.from(text)),
  fc.json({ maxDepth: 3 }).map((text) => Buffer.from(text)),
  fc.constantFrom(
    Buffer.alloc(0),
    Buffer.alloc(300, 'plain text '),
    Buffer.from('{\n"pretty":\r\n1}'),
    Buffer.alloc(70_000, 'x"'),
  ),
);
const source: fc.Arbitrary<Source> = fc.record({
  key: fc.option(bytes),
  value: fc.option(bytes),
  timestamp: fc.oneof(
    fc.integer({ min: 0, max: 253_402_300_799_999 }),
    fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
  ),
  headers: fc.array(
    fc.record({ key: fc.string({ unit: 'binary', maxLength: 8 }), value: fc.option(bytes) }),
    { maxLength: 2 },
  ),
});

/** What a client reads back of a value, and whether it is what was stored. */
function isFaithful(
  stored: Buffer | null,
  shown: unknown,
  encoding: string,
  mark: string | undefined,
): boolean {
  if (stored === null) return shown === null && mark === undefined;
  const actual = mark ?? encoding;
  if (actual === 'base64') return stored.equals(Buffer.from(shown as string, 'base64'));
  if (actual === 'text') return stored.equals(Buffer.from(shown as string));
  return JSON.stringify(JSON.parse(stored.toString())) === JSON.stringify(shown);
}

t.test('whatever bytes are stored, each format gives them back or says how to get them back', async (t) => {
  const samples = fc.sample(source, { numRuns: 300, seed: 7 });
  const chunks = await batchesOf(t, samples);

  for (const encoding of ['text', 'json', 'base64'] as const) {
    const page = JSON.parse(writeAll(chunks, jsonFormat(encoding), 'application/json').toString());
    t.equal(page.records.length, samples.length);
    t.match(page, { nextOffset: samples.length, cursor: 'é', none: null });
    samples.forEach((stored, i) => {
      const record = page.records[i];
      const iso =
        stored.timestamp > 8.64e15 ? String(stored.timestamp) : new Date(stored.timestamp).toISOString();
      t.match(record, { offset: i, timestamp: iso });
      t.ok(
        isFaithful(stored.value, record.value, encoding, record.valueEncoding),
        `value ${i} as ${encoding}`,
      );
      const keys = encoding === 'base64' ? 'base64' : 'text';
      t.ok(isFaithful(stored.key, record.key, keys, record.keyEncoding), `key ${i} as ${encoding}`);
      stored.headers.forEach(({ key, value }, h) => {
        t.equal(record.headers[h].key, Buffer.from(key).toString());
        t.ok(
          isFaithful(value, record.headers[h].value, keys, record.headers[h].encoding),
          `header ${i}.${h}`,
        );
      });
    });
    const lines = writeAll(chunks, lineFormat(encoding)).toString().split('\n');
    t.equal(lines.pop(), '');
    t.strictSame(
      lines.map((line) => JSON.parse(line)),
      page.records,
      `lines as ${encoding}`,
    );
    const events = writeAll(chunks, eventFormat(encoding)).toString().split('\n\n');
    t.equal(events.pop(), '');
    t.strictSame(
      events.map((event) => /^id: (\d+)\ndata: (.*)$/.exec(event)!.slice(1)),
      lines.map((line, i) => [String(i), line]),
    );
  }

  const packed = decode(writeAll(chunks, msgpackFormat, 'application/msgpack')) as Record<string, never>;
  t.match(packed, { nextOffset: samples.length, cursor: 'é', none: null });
  samples.forEach((stored, i) => {
    const { key, value, headers, offset } = packed.records![i]! as Record<string, never>;
    const same = (a: Buffer | null, b: Uint8Array | null) =>
      a === null ? b === null : b !== null && a.equals(b);
    t.ok(offset === i && same(stored.key, key!) && same(stored.value, value!), `packed ${i}`);
    t.strictSame((headers as unknown[]).length, stored.headers.length);
  });
});
