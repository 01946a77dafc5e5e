/** Compaction through an engine: what stays and what goes, as Kafka documents it, when it happens and what readers see. */
import t from 'tap';
import type { JobDescription, ProduceRecord, SegmentsRewritten } from '../../src/engine/common/types.ts';
import { SimEngine } from '../helpers/sim-engine.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** A batch fills a segment, so that all but the last one are sealed. */
const COMPACTED = {
  'cleanup.policy': 'compact',
  'segment.bytes': 4096,
  'index.interval.bytes': 256,
  'min.cleanable.dirty.ratio': 0.5,
};
const FILLER = 'x'.repeat(3000);

type Keyed = readonly [key: string, value: string | null];

/** Each record as a batch of its own in a segment of its own. */
async function appendEach(log: SimEngine, records: readonly Keyed[], padded = true): Promise<void> {
  for (const [key, value] of records) {
    const record: ProduceRecord = { key, value, timestamp: log.clock.now() };
    if (padded) record.headers = [{ key: 'filler', value: FILLER }];
    await log.append('a', [record]);
    await log.settle();
  }
}

async function opened(config: Record<string, string | number> = {}, settings = {}): Promise<SimEngine> {
  // Nothing is done but what the test asks for.
  const log = await SimEngine.open({ 'housekeeping.interval.ms': HOUR, ...settings });
  await log.engine.createTopic('a', { config: { ...COMPACTED, ...config } });
  return log;
}

async function compact(log: SimEngine): Promise<JobDescription> {
  const { id } = log.engine.background.compact('a');
  return log.engine.background.waitFor(id, DAY);
}

async function compacted(log: SimEngine): Promise<SegmentsRewritten> {
  const job = await compact(log);
  if (job.state !== 'done') throw new Error(JSON.stringify(job));
  return (job.result as SegmentsRewritten[])[0]!;
}

/** Offset, key and value of each record. */
async function content(log: SimEngine): Promise<string[]> {
  const from = log.engine.offsets('a', 0).logStartOffset;
  return (await log.records('a', from)).map(({ offset, key, value }) => `${offset} ${key} ${value}`);
}

t.test("Kafka's example: the latest value of each key stays, with its offset, in order", async (t) => {
  const log = await opened();
  // The example of the documentation ("Log Compaction Basics").
  const keys = ['K1', 'K2', 'K1', 'K1', 'K3', 'K2', 'K4', 'K5', 'K5', 'K2', 'K6'];
  await appendEach(log, [...keys.map((key, i): Keyed => [key, `V${i + 1}`]), ['active', 'segment']]);
  const { recordsBefore, recordsAfter, segmentsAfter } = await compacted(log);
  t.same(await content(log), [
    '3 K1 V4',
    '4 K3 V5',
    '6 K4 V7',
    '8 K5 V9',
    '9 K2 V10',
    '10 K6 V11',
    '11 active segment',
  ]);
  t.same([recordsBefore, recordsAfter, segmentsAfter], [11, 6, 11]);
  t.same(log.engine.offsets('a', 0), { logStartOffset: 0, highWatermark: 12, logEndOffset: 12 });
  await log.reopenAfterKill();
  t.equal((await content(log)).length, 7, 'also after a kill');
});
