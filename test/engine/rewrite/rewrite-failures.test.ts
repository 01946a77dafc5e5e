/** Whatever goes wrong while segments are rewritten: a typed error, no file left, no handle open, and the input untouched. */
import { createHash } from 'node:crypto';
import t, { type Test } from 'tap';
import { SeglogError } from '../../../src/engine/common/errors.ts';
import type { RewriteRequest, SegmentInput } from '../../../src/engine/rewrite/rewrite-request.ts';
import { rewriteSegments } from '../../../src/engine/rewrite/rewrite-segments.ts';
import { type LabBatch, RewriteLab } from '../../helpers/rewrite-lab.ts';

const MIB = 1024 * 1024;

/** Records that do not compress, half of them superseded. */
function batches(count: number, bytes: number): LabBatch[] {
  const value = (i: number) => String.fromCharCode(97 + (i % 26)).repeat(bytes / 2);
  return Array.from({ length: count }, (_, i) => ({
    records: [`${i % 3}`, `key ${i}`].map((key) => ({ timestamp: i, key, value: value(i) })),
  }));
}

async function prepare(lab: RewriteLab, inputs: SegmentInput[]): Promise<RewriteRequest> {
  const { map, endOffset } = await lab.map(inputs);
  return lab.request(inputs, {
    filter: { map, mappedEndOffset: endOffset, now: lab.now, deleteRetentionMs: 0 },
  });
}

function isClean(t: Test, lab: RewriteLab, before: Map<string, string>): void {
  t.equal(lab.files.openHandles, 0, 'no handle is open');
  t.same(snapshot(lab), before, 'the files are as they were');
}

const digest = (bytes: Buffer) => createHash('sha1').update(bytes).digest('hex');
const snapshot = (lab: RewriteLab) =>
  new Map(lab.files.paths().map((path) => [path, digest(lab.files.contents(path))]));

t.test('damage is CORRUPT_MESSAGE with its range, for the map as for the rewrite', async (t) => {
  const cases: Record<string, { spoil(lab: RewriteLab, inputs: SegmentInput[]): void; details: object }> = {
    'a flipped bit in the second batch': {
      spoil: (lab, [first]) => lab.flip(first!, 348 + 100),
      details: { firstOffset: 2, endOffset: 4, segment: 0, startPosition: 348, endPosition: 632 },
    },
    'a flipped bit in the last batch': {
      spoil: (lab, [, second]) => lab.flip(second!, second!.bytes - 1),
      details: { firstOffset: 10, endOffset: 12, segment: 6 },
    },
    'a batch that is missing': {
      spoil: (lab, [first]) => {
        const bytes = lab.files.contents(first!.path);
        const without = Buffer.concat([bytes.subarray(0, 348), bytes.subarray(632)]);
        lab.files.plant(first!.path, without);
      },
      details: { firstOffset: 2, segment: 0 },
    },
    'a file that is cut short': {
      spoil: (lab, [first]) => lab.files.plant(first!.path, lab.files.contents(first!.path).subarray(0, 632)),
      details: { firstOffset: 4, endOffset: 6, segment: 0 },
    },
    'a damaged header': {
      spoil: (lab, [first]) => lab.flip(first!, 20),
      details: { firstOffset: 0, endOffset: 6 },
    },
    'a file that belongs elsewhere': {
      spoil: (lab, [first, second]) => lab.files.plant(second!.path, lab.files.contents(first!.path)),
      details: { firstOffset: 6, endOffset: 12, segment: 6 },
    },
  };
  for (const [name, { spoil, details }] of Object.entries(cases)) {
    await t.test(name, async (t) => {
      const lab = await RewriteLab.open();
      const inputs = [lab.segment(batches(3, 180)), lab.segment(batches(3, 180))];
      const request = await prepare(lab, inputs);
      spoil(lab, inputs);
      const before = snapshot(lab);
      await t.rejects(rewriteSegments(lab.context, request), { code: 'CORRUPT_MESSAGE', details });
      await t.rejects(lab.map(inputs), { code: 'CORRUPT_MESSAGE', details });
      isClean(t, lab, before);
    });
  }
});

t.test('segments that do not follow on each other are damage', async (t) => {
  const lab = await RewriteLab.open();
  const [first, , third] = [
    lab.segment(batches(1, 100)),
    lab.segment(batches(1, 100)),
    lab.segment(batches(1, 100)),
  ];
  await t.rejects(lab.map([first, third]), {
    code: 'CORRUPT_MESSAGE',
    details: { firstOffset: 2, endOffset: 4 },
  });
});

t.test('cancelled at any moment it leaves nothing', async (t) => {
  const lab = await RewriteLab.open();
  const inputs = [lab.segment(batches(40, 100_000))];
  const request = await prepare(lab, inputs);
  const before = snapshot(lab);
  let paces = 0;
  for (let last = 0; paces >= last; last++) {
    paces = 0;
    const pace = async (bytes: number) => {
      t.ok(bytes <= MIB, 'paced at least once a MiB');
      if (paces++ === last) throw new SeglogError('REQUEST_TIMED_OUT', 'cancelled');
    };
    await rewriteSegments({ ...lab.context, pace }, request).then(
      () => t.ok(last > 6, `${last} steps`),
      (error) => t.match(error, { message: 'cancelled' }),
    );
    if (paces <= last) break;
    isClean(t, lab, before);
  }
});

t.test('any call that fails fails the task, and leaves nothing', async (t) => {
  const open = async () => {
    const lab = await RewriteLab.open();
    const inputs = [lab.segment(batches(60, 100_000)), lab.segment(batches(30, 100_000))];
    return { lab, request: await prepare(lab, inputs) };
  };
  const whole = await open();
  const from = whole.lab.files.operations.length;
  await rewriteSegments(whole.lab.context, whole.request);
  const operations = whole.lab.files.operations.slice(from);
  const kinds = new Set<string>();
  for (const { kind, call, path } of operations) {
    if (kind === 'close' || (kind === 'remove' && path.endsWith('~'))) continue;
    for (const error of kind === 'write' || kind === 'sync'
      ? (['ENOSPC', 'EIO'] as const)
      : (['EIO'] as const)) {
      const { lab, request } = await open();
      const before = snapshot(lab);
      lab.files.failAt({ call, fault: { error } });
      await t.rejects(rewriteSegments(lab.context, request), { code: error }, `${error} at ${kind}`);
      isClean(t, lab, before);
      kinds.add(kind);
    }
  }
  t.same([...kinds].sort(), ['open', 'read', 'sync', 'write']);
});

t.test('short writes are continued', async (t) => {
  const lab = await RewriteLab.open();
  const inputs = [lab.segment(batches(20, 100_000))];
  const request = await prepare(lab, inputs);
  lab.files.failAt({ kind: 'write', forever: true, nth: 0, fault: { short: true } });
  const { output } = await rewriteSegments(lab.context, request);
  const written = { ...inputs[0]!, path: request.outputPath, bytes: output!.stats.bytes };
  t.equal((await lab.batches([written])).at(-1)!.nextOffset, written.endOffset);
});

t.test('a leftover of another try is replaced', async (t) => {
  const lab = await RewriteLab.open();
  const input = lab.segment(batches(4, 100));
  const outputPath = '/lab/leftover~';
  lab.files.plant(outputPath, Buffer.alloc(5000, 1));
  const { map, endOffset } = await lab.map([input]);
  const filter = { map, mappedEndOffset: endOffset, now: lab.now, deleteRetentionMs: 0 };
  t.ok((await lab.rewrite(t, [input], { outputPath, filter })).output);
});

t.test(
  'files are read and written in pieces of 1 MiB, and synced every few of them and at the end',
  async (t) => {
    const lab = await RewriteLab.open();
    const inputs = [lab.segment([...batches(150, 100_000), ...batches(1, 5 * MIB)])];
    const request = await prepare(lab, inputs);
    const from = lab.files.operations.length;
    const { output } = await rewriteSegments(lab.context, request);
    const operations = lab.files.operations.slice(from);
    let unsynced = 0;
    for (const { kind, bytes = 0 } of operations) {
      if (kind === 'read' || kind === 'write') t.ok(bytes <= MIB, `${kind} of ${bytes}`);
      if (kind === 'write') unsynced += bytes;
      if (kind === 'sync') unsynced = 0;
      t.ok(unsynced <= 9 * MIB, 'never much is unsynced');
    }
    t.equal(unsynced, 0);
    t.ok(output!.stats.bytes > 8 * MIB);
    t.equal(operations.findLast(({ kind }) => kind === 'sync' || kind === 'write')!.kind, 'sync');
  },
);
