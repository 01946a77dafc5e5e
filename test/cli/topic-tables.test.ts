import { PassThrough } from 'node:stream';
import t from 'tap';
import { descriptionText } from '../../src/cli/topic-tables.ts';
import type { PartitionInfo } from '../../src/cli/topics-client.ts';

const NOW = Date.parse('2026-11-21T08:00:00Z');
const GIB = 1024 ** 3;
const terminal = Object.assign(new PassThrough(), { isTTY: true });

function describe(...changes: Partial<PartitionInfo>[]): string[] {
  const partitions = changes.map((change, partition) => ({
    partition,
    logStartOffset: 0,
    highWatermark: 104_857_600,
    logEndOffset: 104_857_600,
    bytes: 10 * GIB,
    segments: 40,
    minTimestamp: '2026-11-01T08:00:00.000Z',
    maxTimestamp: '2026-11-21T08:00:00.000Z',
    fenced: null,
    damaged: [],
    gaps: [],
    compaction: null,
    nextDeletion: null,
    ...change,
  }));
  return descriptionText({ name: 'a', id: 'f', partitions, config: {} }, terminal, NOW).split('\n');
}

const next = { baseOffset: 0, endOffset: 4521, bytes: GIB / 4, at: null, afterBytes: null };
const compaction = { firstDirtyOffset: 0, cleanBytes: 0, dirtyBytes: 0, dirtyRatio: 0.617, due: false };

t.test('when retention deletes what', async (t) => {
  const at = (ms: number) => new Date(NOW + ms).toISOString();
  const rows: [Partial<PartitionInfo>, shown: string][] = [
    [{ nextDeletion: { ...next, at: at(273_600_000) } }, '0–4520 in 3 d 4 h'],
    [{ nextDeletion: { ...next, afterBytes: 1.2 * GIB } }, '0–4520 after 1.2 GiB more'],
    [
      { nextDeletion: { ...next, at: at(273_600_000), afterBytes: 1.2 * GIB } },
      '0–4520 in 3 d 4 h or 1.2 GiB more',
    ],
    [{ nextDeletion: { ...next, at: at(-1) } }, '0–4520 now'],
    [{ nextDeletion: { ...next, at: at(1000), afterBytes: 0 } }, '0–4520 now'],
    [{ nextDeletion: { ...next, at: '8900000000000000' } }, '0–4520 never'],
    [{ nextDeletion: null }, 'never'],
    [{ nextDeletion: null, minTimestamp: null, maxTimestamp: null }, '-'],
  ];
  const lines = describe(...rows.map(([change]) => change));
  const head = lines.findIndex((line) => line.endsWith('NEXT-DELETION'));
  for (const [i, [, shown]] of rows.entries()) t.ok(lines[head + 1 + i]!.endsWith(`  ${shown}`), shown);
});

t.test('how dirty a partition is', async (t) => {
  const lines = describe(
    { compaction },
    { compaction: { ...compaction, dirtyRatio: 1, due: true } },
    { compaction: null },
  );
  const head = lines.findIndex((line) => line.endsWith('DIRTY'));
  t.match(lines.slice(head + 1, head + 4), [/ 62%$/, / 100% due$/, / -$/]);
});

t.test('the tables of a large topic fit on a screen', async (t) => {
  const large = {
    ...next,
    baseOffset: 0,
    endOffset: 4521,
    at: '2026-11-24T12:00:00.000Z',
    afterBytes: 1.2 * GIB,
  };
  for (const line of describe({ compaction, nextDeletion: large })) t.ok(line.length <= 100, line);
});
