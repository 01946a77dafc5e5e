/**
 * What a partition remembers, against the plain list of all its batches; and the same after it was stored and read again, at any
 * place of the log.
 */
import fc from 'fast-check';
import t from 'tap';
import { SeglogError } from '../../../src/engine/common/errors.ts';
import { ENGINE_SETTINGS, resolveSettings } from '../../../src/engine/common/settings.ts';
import type { ProducerSequence } from '../../../src/engine/common/types.ts';
import { CONTROL } from '../../../src/engine/format/record-batch.ts';
import { RecordBatchBuilder } from '../../../src/engine/format/record-batch-builder.ts';
import {
  type AppendConditions,
  conditionsOf,
  type RequestMark,
  stampConditions,
} from '../../../src/engine/partition/append-conditions.ts';
import { PartitionProducers } from '../../../src/engine/partition/partition-producers.ts';
import { ProducerMemory } from '../../../src/engine/partition/producer-memory.ts';
import { decodeProducers } from '../../../src/engine/partition/producers-file.ts';

const PRODUCER_MS = 50;
const KEY_MS = 30;
const OWNER = { topicId: 'ab'.repeat(16), partition: 3 };
const SETTINGS = { 'producer.id.expiration.ms': PRODUCER_MS, 'idempotency.key.expiration.ms': KEY_MS };

const noPause = async () => {};

const newMemory = () => new ProducerMemory(resolveSettings(ENGINE_SETTINGS, SETTINGS));

/** A batch of the log. */
interface Logged extends AppendConditions {
  baseOffset: number;
  count: number;
  maxTimestamp: number;
  appendedAt: number;
}

/** The rules once more, in the plainest way: from the list of all batches. */
class PlainLog {
  readonly batches: Logged[] = [];

  get endOffset(): number {
    const last = this.batches.at(-1);
    return last === undefined ? 0 : last.baseOffset + last.count;
  }

  judge({ producer, request }: AppendConditions, count: number, now: number): string | number {
    return producer === undefined
      ? this.#judgeRequest(request!, now)
      : this.#judgeProducer(producer, count, now);
  }

  #judgeRequest({ id, fingerprint }: RequestMark, now: number): string | number {
    const known = this.batches.findLast(({ request }) => request?.id === id);
    if (known === undefined || known.appendedAt <= now - KEY_MS) return 'append';
    return known.request!.fingerprint === fingerprint ? known.baseOffset : 'IDEMPOTENCY_KEY_REUSED';
  }

  #judgeProducer({ id, epoch, sequence }: ProducerSequence, count: number, now: number): string | number {
    const run = this.#runOf(id);
    const last = run.at(-1);
    const isKnown = last !== undefined && last.appendedAt > now - PRODUCER_MS;
    if (!isKnown || epoch > last.producer!.epoch)
      return sequence === 0 ? 'append' : 'OUT_OF_ORDER_SEQUENCE_NUMBER';
    if (epoch < last.producer!.epoch) return 'INVALID_PRODUCER_EPOCH';
    const five = run.slice(-5);
    const same = five.find((batch) => batch.producer!.sequence === sequence && batch.count === count);
    if (same !== undefined) return same.baseOffset;
    if (sequence === last.producer!.sequence + last.count) return 'append';
    const isOld = run.length >= 5 && sequence + count <= five[0]!.producer!.sequence;
    return isOld ? 'DUPLICATE_SEQUENCE_NUMBER' : 'OUT_OF_ORDER_SEQUENCE_NUMBER';
  }

  /** The batches of a producer since it last began. */
  #runOf(id: number): Logged[] {
    const own = this.batches.filter(({ producer }) => producer?.id === id);
    return own.slice(own.findLastIndex(({ producer }) => producer!.sequence === 0));
  }
}

interface Step {
  isRequest: boolean;
  id: number;
  /** Of the epoch, or of the fingerprint. */
  change: number;
  /** How many batches back the sequence is one of a retry; 0 for the next one. */
  back: number;
  count: number;
  wait: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  isRequest: fc.boolean(),
  id: fc.nat(3),
  change: fc.constantFrom(0, 0, 0, 0, 1, -1),
  back: fc.constantFrom(0, 0, 0, 1, 2, 4, 5, 6),
  count: fc.integer({ min: 1, max: 3 }),
  wait: fc.constantFrom(0, 1, 1, 5, 5, 29, 30, 51),
});

/** Something that is sent, made to be of interest in this log. */
function toSend(
  { isRequest, id, change, back, count }: Step,
  { batches }: PlainLog,
): [AppendConditions, number] {
  const none = { producer: undefined, request: undefined, expectedEndOffset: undefined };
  if (isRequest)
    return [{ ...none, request: { id, fingerprint: 5 + Math.max(0, change), partitions: 4 } }, count];
  const own = batches.filter(({ producer }) => producer?.id === id);
  const last = own.at(-1);
  const epoch = Math.max(0, (last?.producer?.epoch ?? 0) + change);
  const repeated = back === 0 ? undefined : own.at(-back);
  if (repeated !== undefined)
    return [{ ...none, producer: { id, epoch, sequence: repeated.producer!.sequence } }, repeated.count];
  const isFirst = last === undefined || change > 0 || back > 0;
  const sequence = isFirst ? 0 : last.producer!.sequence + last.count;
  return [{ ...none, producer: { id, epoch, sequence } }, count];
}

function plain(found: ReturnType<PartitionProducers['judge']>): string | number {
  if (found === 'append') return found;
  return found instanceof SeglogError ? found.code : found.baseOffset;
}

/** All that could be asked of the log, and the answers. */
function probe(subject: Pick<PartitionProducers, 'judge'>, now: number): (string | number)[] {
  const answers: (string | number)[] = [];
  for (let id = 0; id < 4; id++) {
    for (let epoch = 0; epoch < 4; epoch++)
      for (let sequence = 0; sequence < 12; sequence++)
        for (const count of [1, 2, 3])
          answers.push(
            plain(
              subject.judge(
                { producer: { id, epoch, sequence }, request: undefined, expectedEndOffset: undefined },
                count,
                now,
              ),
            ),
          );
    const request = { id, fingerprint: 5, partitions: 4 };
    answers.push(
      plain(subject.judge({ producer: undefined, request, expectedEndOffset: undefined }, 1, now)),
    );
  }
  return answers;
}

function note(producers: PartitionProducers, batch: Logged): void {
  producers.note(batch, batch, batch.appendedAt, 100);
}

t.test('it judges as the list of all batches does, also once it was stored and read again', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), fc.nat(), async (steps, place) => {
      const log = new PlainLog();
      const producers = new PartitionProducers(newMemory());
      let now = 1000;
      for (const each of steps) {
        now += each.wait;
        const [conditions, count] = toSend(each, log);
        const verdict = plain(producers.judge(conditions, count, now));
        t.equal(verdict, log.judge(conditions, count, now));
        if (verdict === 'append') {
          const baseOffset = log.endOffset;
          const batch = { ...conditions, baseOffset, count, maxTimestamp: now - 7, appendedAt: now };
          log.batches.push(batch);
          producers.expire(now);
          note(producers, batch);
        }
      }
      const offset = log.batches[place % (log.batches.length + 1)]?.baseOffset ?? log.endOffset;
      const { file } = await producers.snapshot('/partition', OWNER, offset, noPause);
      const restored = new PartitionProducers(newMemory());
      restored.restore(decodeProducers(Buffer.concat(file.buffers), OWNER)!);
      for (const batch of log.batches) if (batch.baseOffset >= offset) note(restored, batch);
      t.same(probe(restored, now), probe(producers, now));
      const range = producers.rangeBelow(log.endOffset);
      const rebuilt = new PartitionProducers(newMemory());
      for (const batch of log.batches)
        if (range !== undefined && batch.baseOffset >= range.from) note(rebuilt, batch);
      t.same(probe(rebuilt, now), probe(producers, now), 'the range has all that matters');
    }),
  );
});

t.test('a crash takes it back to any end of the log that was synced, or later', async (t) => {
  const steps = fc.array(fc.tuple(step, fc.nat(9)), { maxLength: 60, size: 'max' });
  await fc.assert(
    fc.asyncProperty(steps, fc.nat(), async (steps, place) => {
      const log = new PlainLog();
      const producers = new PartitionProducers(newMemory());
      let synced = 0;
      const upTo = (offset: number) => {
        const earlier = new PartitionProducers(newMemory());
        for (const batch of log.batches) if (batch.baseOffset < offset) note(earlier, batch);
        return earlier;
      };
      for (const [each, syncs] of steps) {
        const [conditions, count] = toSend(each, log);
        if (producers.judge(conditions, count, 1000) === 'append') {
          const baseOffset = log.endOffset;
          log.batches.push({ ...conditions, baseOffset, count, maxTimestamp: 993, appendedAt: 1000 });
          note(producers, log.batches.at(-1)!);
        }
        // It lags behind, for ten batches or so.
        if (syncs > 0) continue;
        synced =
          log.batches.find(({ baseOffset }) => baseOffset >= synced && baseOffset % 3 === 0)?.baseOffset ??
          synced;
        producers.synced(synced);
      }
      const ends = [...log.batches.map(({ baseOffset }) => baseOffset), log.endOffset].filter(
        (end) => end >= synced,
      );
      const offset = ends[place % ends.length]!;
      const { file } = await producers.snapshot('/partition', OWNER, offset, noPause);
      const restored = new PartitionProducers(newMemory());
      restored.restore(decodeProducers(Buffer.concat(file.buffers), OWNER)!);
      const expected = probe(upTo(offset), 1000);
      t.same(probe(restored, 1000), expected);
      const rebuilt = new PartitionProducers(newMemory());
      const { from } = producers.rangeBelow(offset) ?? { from: Number.POSITIVE_INFINITY };
      for (const batch of log.batches)
        if (batch.baseOffset >= from && batch.baseOffset < offset) note(rebuilt, batch);
      t.same(probe(rebuilt, 1000), expected, 'the range has all that matters');
    }),
  );
});

t.test(
  'what is kept for a crash is kept as long as a snapshot is made, and no longer than until a sync',
  async (t) => {
    const producers = new PartitionProducers(newMemory());
    const append = (sequence: number) =>
      producers.note(
        { producer: { id: 1, epoch: 0, sequence }, request: undefined, expectedEndOffset: undefined },
        { baseOffset: sequence, count: 1, maxTimestamp: 0 },
        1000,
        100,
      );
    for (let i = 0; i < 10; i++) append(i);
    producers.synced(10);
    t.same(producers.rangeBelow(10), { from: 5, to: 10 });
    append(10);
    t.same(producers.rangeBelow(11), { from: 5, to: 11 });
    for (let id = 2; id < 5000; id++)
      producers.note(
        { producer: { id, epoch: 0, sequence: 0 }, request: undefined, expectedEndOffset: undefined },
        { baseOffset: 9 + id, count: 1, maxTimestamp: 0 },
        1000,
        100,
      );
    let pauses = 0;
    const { file } = await producers.snapshot('/partition', OWNER, 10, async () => {
      pauses++;
      producers.synced(6000);
    });
    t.equal(pauses, 1);
    const [state] = [...decodeProducers(Buffer.concat(file.buffers), OWNER)!.producers()];
    t.equal(state!.batches.length / 4, 5);
    t.same(producers.rangeBelow(6000), { from: 6, to: 5009 }, 'the sync of before counts then');
    t.notOk(producers.needsSync);
    for (let i = 11; i < 5000; i++) append(i);
    t.ok(producers.needsSync);
    producers.synced(6000);
    t.notOk(producers.needsSync);
  },
);

t.test('a large snapshot is made in pieces, and what comes and goes meanwhile does no harm', async (t) => {
  const producers = new PartitionProducers(newMemory());
  const log: Logged[] = [];
  const append = (given: Partial<AppendConditions>, appendedAt: number) => {
    const baseOffset = log.length;
    const none = { producer: undefined, request: undefined, expectedEndOffset: undefined };
    log.push({ ...none, ...given, baseOffset, count: 1, maxTimestamp: baseOffset, appendedAt });
    note(producers, log[baseOffset]!);
  };
  const request = (id: number) => ({ request: { id, fingerprint: 5, partitions: 4 } });
  const producer = (id: number, sequence: number) => ({ producer: { id, epoch: 0, sequence } });
  for (let id = 0; id < 10_000; id++) {
    append(request(id), id < 6000 ? 0 : 20);
    append(producer(id, 0), 20);
  }
  const offset = log.length;
  let pauses = 0;
  const { file } = await producers.snapshot('/partition', OWNER, offset, async () => {
    if (pauses++ === 2) producers.expire(KEY_MS);
    for (let i = 0; i < 500; i++) {
      append(request(9000 + 20_000 * pauses + i), 25);
      append(producer(9000 + i, pauses), 25);
    }
    append(request(9999), 25);
  });
  t.equal(pauses, 4);
  const restored = new PartitionProducers(newMemory());
  restored.restore(decodeProducers(Buffer.concat(file.buffers), OWNER)!);
  for (const batch of log.slice(offset)) note(restored, batch);
  const now = KEY_MS + 1;
  for (const batch of log) {
    const found = [producers, restored].map((each) => plain(each.judge(batch, 1, now)));
    if (found[0] !== found[1]) t.fail(`${JSON.stringify(batch)}: ${found}`);
  }
  t.ok(restored.size >= producers.size, 'what has expired since may be in it');
});

t.test('a batch’s header says whose it is', async (t) => {
  const CASES: Record<string, Partial<AppendConditions>> = {
    'the first batch of a producer': { producer: { id: 0, epoch: 0, sequence: 0 } },
    'a producer at the limits': { producer: { id: 2 ** 53 - 1, epoch: 2 ** 15 - 1, sequence: 2 ** 31 - 1 } },
    'a request': { request: { id: 17, fingerprint: 0, partitions: 1 } },
    'a request at the limits': {
      request: { id: 2 ** 53 - 1, fingerprint: 2 ** 31 - 1, partitions: 2 ** 15 - 1 },
    },
    nobody: {},
  };
  for (const [what, given] of Object.entries(CASES)) {
    const conditions = { producer: undefined, request: undefined, expectedEndOffset: undefined, ...given };
    const builder = new RecordBatchBuilder();
    builder.add(5, null, 'x');
    const { bytes } = builder.finish('none');
    stampConditions(bytes, conditions);
    t.same(conditionsOf(bytes, 0), what === 'nobody' ? undefined : conditions, what);
    bytes.writeUInt16LE(CONTROL, 70);
    t.equal(conditionsOf(bytes, 0), undefined, 'a control batch has no place in a sequence');
  }
});

t.test('a snapshot is due when enough has come since the last one', async (t) => {
  const producers = new PartitionProducers(newMemory());
  const append = (sequence: number, bytes: number) =>
    producers.note(
      { producer: { id: 1, epoch: 0, sequence }, request: undefined, expectedEndOffset: undefined },
      { baseOffset: sequence, count: 1, maxTimestamp: 0 },
      sequence,
      bytes,
    );
  t.notOk(producers.hasChanged);
  append(0, 100);
  t.ok(producers.isSnapshotDue, 'there is none yet');
  const first = await producers.snapshot('/partition', OWNER, 1, noPause);
  append(1, 100);
  first.stored();
  const bytes = first.file.buffers.reduce((sum, { length }) => sum + length, 0);
  t.ok(producers.hasChanged, 'what came while it was written is not in it');
  t.ok(producers.hasUnstoredBelow(2));
  t.notOk(producers.hasUnstoredBelow(1));
  t.notOk(producers.isSnapshotDue);
  append(2, 4 * bytes - 100);
  t.notOk(producers.isSnapshotDue);
  append(3, 1);
  t.ok(producers.isSnapshotDue);
  (await producers.snapshot('/partition', OWNER, 4, noPause)).stored();
  t.notOk(producers.hasChanged);
  t.same(producers.rangeBelow(4), { from: 0, to: 4 });
  t.same(producers.rangeBelow(2), { from: 0, to: 2 });
  t.equal(producers.rangeBelow(0), undefined);
});

t.test('all partitions together remember so much and no more', async (t) => {
  const memory = new ProducerMemory(
    resolveSettings(ENGINE_SETTINGS, { ...SETTINGS, 'producer.state.max.entries': 3 }),
  );
  const [a, b] = [new PartitionProducers(memory), new PartitionProducers(memory)];
  const add = (to: PartitionProducers, id: number, appendedAt: number) =>
    to.note(
      { producer: undefined, request: { id, fingerprint: 0, partitions: 1 }, expectedEndOffset: undefined },
      { baseOffset: id, count: 1, maxTimestamp: 0 },
      appendedAt,
      100,
    );
  add(a, 1, 0);
  add(b, 2, 10);
  t.equal(memory.refusal(), undefined);
  memory.admit();
  t.match(memory.refusal(), {
    code: 'THROTTLED',
    details: { setting: 'producer.state.max.entries', limit: 3 },
  });
  memory.endGroup();
  add(a, 3, 20);
  t.equal(memory.entries, 3);
  memory.expire(KEY_MS + 10);
  t.equal(memory.entries, 1);
  a.clear();
  t.equal(memory.entries, 0);
});
