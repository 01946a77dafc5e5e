/**
 * Random segments under random filters, against plain arrays. The lab checks of each output that its batches are whole and
 * follow on each other, and that counters and indexes are those that a rebuild makes.
 */
import assert from 'node:assert';
import fc from 'fast-check';
import t, { type Test } from 'tap';
import type { CompressionType } from '../../../src/engine/common/types.ts';
import type { SegmentInput } from '../../../src/engine/rewrite/rewrite-request.ts';
import {
  type Checks,
  type LabBatch,
  type LabRecord,
  RewriteLab,
  type StoredRecord,
} from '../../helpers/rewrite-lab.ts';
import { testSeed, testSize } from '../../helpers/test-size.ts';

const CODECS: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
const RUNS = { numRuns: 150 * testSize, seed: testSeed };
const text = (maxLength: number) => fc.string({ maxLength, unit: fc.constantFrom('a', 'b', 'ü', '\0') });
const value = fc.oneof(
  { weight: 3, arbitrary: text(20) },
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.integer({ min: 100, max: 9000 }).map((length) => 'v'.repeat(length)) },
);
const record: fc.Arbitrary<LabRecord> = fc.record({
  timestamp: fc.oneof(
    { weight: 5, arbitrary: fc.integer({ min: 1000, max: 2000 }) },
    { weight: 1, arbitrary: fc.integer({ min: -(2 ** 51), max: 2 ** 51 }) },
  ),
  key: fc.oneof(
    { weight: 9, arbitrary: fc.constantFrom('a', 'b', 'c', 'dd', 'ee', 'a much longer key than the others') },
    { weight: 1, arbitrary: fc.constant(null) },
  ),
  value,
  headers: fc.array(fc.record({ key: text(4), value: fc.option(text(4)) }), { maxLength: 2 }),
});
const batch: fc.Arbitrary<LabBatch> = fc.record(
  {
    records: fc.array(record, { minLength: 1, maxLength: 12 }),
    codec: fc.constantFrom(...CODECS),
    producerId: fc.nat(3),
    appendTime: fc.boolean(),
    transactional: fc.constant(true),
    control: fc.constant(true),
  },
  { requiredKeys: ['records', 'codec'] },
);
/** Batches that nobody has to treat in a special way are most of them. */
const plainBatch = fc.record({
  records: fc.array(record, { minLength: 1, maxLength: 12 }),
  codec: fc.constantFrom(...CODECS),
});
const part = fc.oneof(
  { weight: 6, arbitrary: plainBatch },
  { weight: 3, arbitrary: batch },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 5 }) },
);
const segments = fc.array(fc.array(part, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 3 });
const settings = fc.record({
  blockBytes: fc.constantFrom(1, 200, 5000, 65536),
  codec: fc.constantFrom<CompressionType | 'keep'>('keep', 'keep', ...CODECS),
});

/** Offsets of records in control batches, which nobody touches. */
function controlOffsets(parts: (LabBatch | number)[][]): Set<number> {
  const found = new Set<number>();
  let offset = 0;
  for (const each of parts.flat()) {
    const count = typeof each === 'number' ? each : each.records.length;
    if (typeof each !== 'number' && each.control) for (let i = 0; i < count; i++) found.add(offset + i);
    offset += count;
  }
  return found;
}

/** What a pass whose map knows [0, mapped) leaves when no horizon has come. */
function compacted(
  records: StoredRecord[],
  control: Set<number>,
  mapped: number,
  logStart: number,
): StoredRecord[] {
  const newest = new Map<string, number>();
  for (const { offset, key } of records)
    if (key !== null && offset < mapped && !control.has(offset)) newest.set(key, offset);
  return records.filter(({ offset, key }) => {
    if (control.has(offset)) return true;
    if (offset < logStart) return false;
    return offset >= mapped || (key !== null && newest.get(key) === offset);
  });
}

async function open(
  parts: (LabBatch | number)[][],
): Promise<{ lab: RewriteLab; inputs: SegmentInput[]; records: StoredRecord[] }> {
  const lab = await RewriteLab.open();
  const inputs = parts.map((each) => lab.segment(each));
  return { lab, inputs, records: await lab.records(inputs) };
}

/** They throw, so that a failure is shrunk. */
const strict: Checks = { ok: assert.ok, equal: assert.strictEqual, same: assert.deepStrictEqual };

async function check<T>(t: Test, property: fc.IAsyncProperty<T>, share = 1): Promise<void> {
  await fc.assert(property, { ...RUNS, numRuns: RUNS.numRuns * share });
  t.pass();
}

t.test('without a filter all records stay, in whatever codec', async (t) => {
  const property = fc.asyncProperty(segments, settings, fc.boolean(), async (parts, options, together) => {
    const { lab, inputs, records } = await open(parts);
    const groups = together ? [inputs] : inputs.map((input) => [input]);
    const outputs: SegmentInput[] = [];
    for (const group of groups) {
      const { segment, recordsRead, recordsKept } = await lab.rewrite(strict, group, options);
      strict.equal(recordsKept, recordsRead);
      outputs.push(segment);
    }
    strict.same(await lab.records(outputs), records);
    for (const output of outputs) {
      // A block whose records have times very far apart is larger while it is made than it turns out to be: it may
      // be closed too early, and share another one the next time.
      const { segment, output: smaller } = await lab.rewrite(strict, [output], options);
      if (smaller === undefined) continue;
      strict.ok(smaller.stats.bytes < output.bytes, 'another time changes nothing, or makes it smaller');
      strict.equal((await lab.rewrite(strict, [segment], options)).output, undefined, 'and comes to rest');
    }
  });
  await check(t, property);
});

t.test('under a filter those stay that are the newest of their key, or behind what is mapped', async (t) => {
  const logStart = fc.oneof(fc.constant(0), fc.nat(30));
  const property = fc.asyncProperty(
    segments,
    settings,
    fc.boolean(),
    fc.integer({ min: 1, max: 8 }),
    logStart,
    async (parts, options, together, keys, logStartOffset) => {
      const { lab, inputs, records } = await open(parts);
      const { map, endOffset } = await lab.map(inputs, 32 + 24 * (keys + 1));
      const filter = { map, mappedEndOffset: endOffset, now: lab.now, deleteRetentionMs: 1000 };
      const groups = together ? [inputs] : inputs.map((input) => [input]);
      const outputs: SegmentInput[] = [];
      let tombstones = 0;
      for (const group of groups) {
        const result = await lab.rewrite(strict, group, { ...options, filter, logStartOffset });
        outputs.push(result.segment);
        tombstones += result.tombstones;
      }
      const control = controlOffsets(parts);
      const expected = compacted(records, control, endOffset, logStartOffset);
      strict.same(await lab.records(outputs), expected);
      strict.equal(
        tombstones,
        expected.filter((each) => each.value === null && !control.has(each.offset)).length,
      );
    },
  );
  await check(t, property);
});

t.test('a map that is too small by far gives the same records in rounds', async (t) => {
  const property = fc.asyncProperty(segments, settings, async (parts, options) => {
    const { lab, inputs, records } = await open(parts);
    const small = await lab.compact(strict, inputs, { ...options, mapBytes: 32 + 24 * 2 });
    const control = controlOffsets(parts);
    strict.same(await lab.records(small.segments), compacted(records, control, Number.POSITIVE_INFINITY, 0));
  });
  await check(t, property, 0.2);
});

t.test('passes, appends and time: tombstones go in a pass after their horizon, and no earlier', async (t) => {
  const step = fc.record({
    batches: fc.array(fc.oneof(plainBatch, batch), { minLength: 1, maxLength: 3 }),
    passMs: fc.nat(3000),
  });
  const property = fc.asyncProperty(
    fc.array(step, { minLength: 1, maxLength: 4 }),
    settings,
    async (steps, options) => {
      const lab = await RewriteLab.open();
      let segments: SegmentInput[] = [];
      const control = new Set<number>();
      const all: StoredRecord[] = [];
      /** When a pass met the tombstone first. */
      const metAt = new Map<number, number>();
      for (const { batches, passMs } of steps) {
        const input = lab.segment(batches);
        const stored = await lab.records([input]);
        for (const offset of controlOffsets([batches])) control.add(input.baseOffset + offset);
        all.push(...stored);
        segments = (await lab.compact(strict, [...segments, input], { ...options, deleteRetentionMs: 1000 }))
          .segments;
        const newest = compacted(all, control, Number.POSITIVE_INFINITY, 0);
        const left = new Set((await lab.records(segments)).map(({ offset }) => offset));
        for (const { offset, value } of newest) {
          const met = metAt.get(offset) ?? lab.now;
          metAt.set(offset, met);
          // Horizons are whole seconds, rounded up: within the last one it may have gone or not.
          const age = lab.now - met;
          if (value !== null || control.has(offset) || age <= 1000)
            strict.ok(left.has(offset), `offset ${offset} stays`);
          else if (age > 2000) strict.ok(!left.has(offset), `tombstone ${offset} is gone`);
        }
        strict.ok([...left].every((offset) => newest.some((each) => each.offset === offset)));
        lab.now += passMs;
      }
    },
  );
  await check(t, property);
});
