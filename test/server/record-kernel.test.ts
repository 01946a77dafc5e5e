/**
 * The record kernel writes the same bytes as the record writers, which know all cases, or nothing: reading with and
 * without it gives the same answers, the same places to go on at and the same errors.
 */
import assert from 'node:assert';
import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { batchSize, stampBatch } from '../../src/engine/format/record-batch.ts';
import { RecordBatchBuilder } from '../../src/engine/format/record-batch-builder.ts';
import type { Engine, ReadOptions } from '../../src/engine/index.ts';
import { giveBuffer, takeBuffer, takenBytes } from '../../src/server/buffer-pool.ts';
import { msgpackFormat } from '../../src/server/msgpack-records.ts';
import { OutputBuffer } from '../../src/server/output-buffer.ts';
import { PartitionScan, type ScanLimits } from '../../src/server/partition-scan.ts';
import { jsonFormat, lineFormat, type RecordFormat } from '../../src/server/record-formats.ts';
import { writeOrdinaryRecords } from '../../src/server/record-kernel.ts';
import { compileKernel } from '../../wasm/build.ts';

interface Source {
  key: Buffer | null;
  value: Buffer | null;
  timestamp: number;
  headers: { key: string; value: Buffer }[];
}

const FORMATS: Record<string, { format: () => RecordFormat; separator?: number }> = {
  page: { format: jsonFormat, separator: 0x2c },
  lines: { format: lineFormat },
  msgpack: { format: () => msgpackFormat },
};

function batchOf(
  records: readonly Source[],
  baseOffset: number,
  compression: 'none' | 'zstd' = 'none',
): Buffer {
  const builder = new RecordBatchBuilder();
  for (const { timestamp, key, value, headers } of records) builder.add(timestamp, key, value, headers);
  const { bytes } = builder.finish(compression);
  stampBatch(bytes, baseOffset, 0);
  return Buffer.from(bytes);
}

const ordinary = (value: string | Buffer, timestamp = 1_790_000_000_000): Source => ({
  key: null,
  value: Buffer.from(value as string),
  timestamp,
  headers: [],
});

/** An engine with these batches, which gives them as reads of a segment or of the memory do. */
function engineWith(chunk: Buffer, inMemory: boolean): Engine {
  const read = async (_topic: string, _partition: number, { into }: ReadOptions) => {
    if (inMemory) return { chunks: [chunk], bytes: chunk.length, nextOffset: Number.MAX_SAFE_INTEGER };
    chunk.copy(into!);
    const chunks = [into!.subarray(0, chunk.length)];
    return { chunks, bytes: chunk.length, nextOffset: Number.MAX_SAFE_INTEGER };
  };
  return { read } as unknown as Engine;
}

interface Asked {
  chunk: Buffer;
  start: number;
  end: number;
  limits: ScanLimits;
  inMemory: boolean;
}

/** What an answer is, in all that a caller sees of it. */
async function answer({ chunk, start, end, limits, inMemory }: Asked, format: RecordFormat) {
  const out = new OutputBuffer(1024);
  const range = { topic: 't', partition: 0, start, end };
  const scan = new PartitionScan(engineWith(chunk, inMemory), range, limits, out, format);
  let error: unknown = null;
  try {
    await scan.step();
  } catch (caught) {
    error = (caught as { code: string }).code;
  }
  const bytes = Buffer.from(out.bytes.subarray(0, out.length)).toString('latin1');
  out.release();
  return { bytes, error, records: scan.records, nextOffset: scan.nextOffset, done: scan.done };
}

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
  fc.string({
    unit: fc.constantFrom('"', '\\', 'a', '\n', '\u0001', 'é', '€', '😀', '\u007f'),
    maxLength: 80,
  }),
  fc.string({ unit: 'grapheme-ascii', maxLength: 700 }),
);
const bytes = fc.oneof(
  { weight: 8, arbitrary: text.map((string) => Buffer.from(string)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array)) },
  { weight: 1, arbitrary: fc.constant(Buffer.alloc(70_000, 'x"\n')) },
);
const source: fc.Arbitrary<Source> = fc.record({
  key: fc.option(bytes, { freq: 2 }),
  value: fc.option(bytes, { freq: 9 }),
  timestamp: fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: 1_700_000_000_000, max: 1_700_000_100_000 }) },
    { weight: 1, arbitrary: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }) },
  ),
  headers: fc.oneof(
    { weight: 30, arbitrary: fc.constant<Source['headers']>([]) },
    { weight: 1, arbitrary: fc.array(fc.record({ key: fc.string(), value: bytes }), { maxLength: 2 }) },
  ),
});
const chunk = fc
  .record({
    batches: fc.array(
      fc.record({
        records: fc.array(source, { minLength: 1, maxLength: 12 }),
        gap: fc.nat(3),
        compression: fc.oneof(
          { weight: 6, arbitrary: fc.constant('none' as const) },
          fc.constant('zstd' as const),
        ),
      }),
      { minLength: 1, maxLength: 4 },
    ),
    base: fc.constantFrom(0, 5, 127, 4_000_000_000, 2 ** 40, Number.MAX_SAFE_INTEGER - 100),
  })
  .map(({ batches, base }) => {
    let offset = base;
    const encoded = batches.map(({ records, gap, compression }) => {
      offset += gap;
      const batch = batchOf(records, offset, compression);
      offset += records.length;
      return batch;
    });
    return { chunk: Buffer.concat(encoded), base };
  });
const asked: fc.Arbitrary<Asked> = fc
  .record({
    chunk,
    skipped: fc.nat(10),
    length: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.nat(40)),
    maxRecords: fc.oneof(fc.constant(Number.POSITIVE_INFINITY), fc.integer({ min: 1, max: 30 })),
    maxBytes: fc.oneof(fc.constant(2 ** 20), fc.integer({ min: 1, max: 4000 })),
    inMemory: fc.boolean(),
  })
  .map(({ chunk: { chunk, base }, skipped, length, maxRecords, maxBytes, inMemory }) => ({
    chunk,
    start: base + skipped,
    end: base + skipped + length,
    limits: { maxRecords, maxBytes },
    inMemory,
  }));

async function assertSame(question: Asked): Promise<void> {
  for (const [name, { format, separator }] of Object.entries(FORMATS)) {
    const given = { ...question, limits: { ...question.limits, separator } };
    const expected = await answer(given, { write: format().write });
    const actual = await answer(given, format());
    assert.deepStrictEqual(actual, expected, name);
  }
}

t.test('answers are the same with the kernel as without it', async (t) => {
  // Pieces of a test are a whole chunk each.
  await fc.assert(fc.asyncProperty(asked, assertSame), { numRuns: 200, seed: 11 });
  t.equal(takenBytes(), 0, 'all buffers are given back');
});

/** Positions of a chunk but for those of offsets: that they go on from batch to batch is what a read has checked. */
function damageable(chunk: Buffer): number[] {
  const positions: number[] = [];
  for (let batch = 0; batch < chunk.length; batch += batchSize(chunk, batch)) {
    for (let at = 0; at < batchSize(chunk, batch); at++) if (at < 16 || at >= 28) positions.push(batch + at);
  }
  return positions;
}

t.test('so they are where bytes are damaged', async (t) => {
  const damaged = fc
    .record({ asked, at: fc.nat(), byte: fc.integer({ min: 1, max: 255 }), cut: fc.nat(3) })
    .map(({ asked, at, byte, cut }) => {
      const chunk = Buffer.from(asked.chunk);
      const positions = damageable(chunk);
      // In the first bytes there are more lengths and counts than in the text that is most of it.
      const position = positions[at % Math.min(positions.length, at % 2 === 0 ? 120 : chunk.length)]!;
      chunk[position] = chunk[position]! ^ byte;
      return { ...asked, chunk: cut === 0 ? chunk.subarray(0, at % chunk.length) : chunk };
    });
  await fc.assert(fc.asyncProperty(damaged, assertSame), { numRuns: 400, seed: 12 });
  t.equal(takenBytes(), 0, 'all buffers are given back');
});

/** Writes records with the kernel alone; how many there are, and the answer. */
function writeAlone(records: readonly Source[], format: RecordFormat) {
  const batch = batchOf(records, 0);
  const memory = takeBuffer(batch.length);
  batch.copy(memory);
  const out = new OutputBuffer(1024);
  const limits = {
    endOffset: Number.POSITIVE_INFINITY,
    maxRecords: Number.POSITIVE_INFINITY,
    maxLength: Number.POSITIVE_INFINITY,
  };
  const progress = writeOrdinaryRecords(
    format.kernel!,
    out,
    memory.subarray(0, batch.length),
    0,
    0,
    0,
    limits,
  );
  const written = Buffer.from(out.bytes.subarray(0, out.length)).toString();
  out.release();
  giveBuffer(memory);
  return { ...progress, written };
}

t.test('ordinary records are written without help, and nothing else is', async (t) => {
  const events = ['{"level":"INFO"}', '', 'plain', 'tab\t, \\ and \u0001', 'Grüße, 世界 😀'];
  const { records, written, stoppedAt, batchEnd } = writeAlone(
    events.map((event) => ordinary(event)),
    lineFormat(),
  );
  t.equal(records, events.length);
  t.equal(stoppedAt, batchEnd);
  t.strictSame(
    written
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line)),
    events.map((value, offset) => ({
      offset,
      timestamp: '2026-09-21T14:13:20.000Z',
      key: null,
      value,
      headers: [],
    })),
  );
  const others: Record<string, Source> = {
    'with headers': { ...ordinary('x'), headers: [{ key: 'k', value: Buffer.from('v') }] },
    'no text': ordinary(Buffer.from([0x61, 0xff])),
    'after the year 9999': ordinary('x', 253_402_300_800_000),
  };
  for (const [name, other] of Object.entries(others)) {
    const progress = writeAlone([ordinary('a'), other, ordinary('b')], lineFormat());
    t.match(progress, { records: 1, nextOffset: 1, stoppedAt: 0 }, name);
  }
  t.equal(takenBytes(), 0);
});

t.test('text is what isUtf8 says, at every place of the sixteen that are looked at together', async (t) => {
  const sequences: number[][] = [];
  const edges = [0x00, 0x1f, 0x20, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0];
  for (let lead = 0xc0; lead <= 0xff; lead++) {
    for (const second of edges) {
      sequences.push(
        [lead, second],
        [lead, second, 0x80],
        [lead, second, 0xbf, 0xc0],
        [lead, second, 0x80, 0x80],
      );
    }
  }
  let wrong = 0;
  for (const sequence of sequences) {
    for (const before of [0, 1, 13, 14, 15]) {
      for (const after of ['', '"', 'some more text behind']) {
        const value = Buffer.concat([Buffer.alloc(before, 'x'), Buffer.from(sequence), Buffer.from(after)]);
        const { records, written } = writeAlone([ordinary(value)], lineFormat());
        const right = isUtf8(value) ? JSON.parse(written).value === value.toString() : records === 0;
        if (!right) wrong++;
      }
    }
  }
  t.equal(wrong, 0);
});

t.test('dates are those of the calendar', async (t) => {
  const last = 253_402_300_799_999;
  // Prime, so that all times of the day, days of a month and years come up.
  const step = 1_000_000_007;
  for (let first = 0; first < last; first += step * 5000) {
    const times = Array.from({ length: 5000 }, (_, i) => Math.min(first + i * step, last));
    const { written } = writeAlone(
      times.map((time) => ordinary('x', time)),
      lineFormat(),
    );
    const wrong = written
      .trimEnd()
      .split('\n')
      .findIndex((line, i) => JSON.parse(line).timestamp !== new Date(times[i]!).toISOString());
    if (wrong >= 0) t.fail(new Date(times[wrong]!).toISOString());
  }
  t.pass('from 1970 to 9999');
});

t.test('what is in the source tree was compiled of wasm/record-kernel.ts', async (t) => {
  const compiled = readFileSync(new URL('../../src/server/record-kernel-wasm.ts', import.meta.url), 'utf8');
  t.equal(compiled, await compileKernel('record'), 'npm run build:wasm');
});
