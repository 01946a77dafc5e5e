/**
 * What is remembered of appends that may be sent again lasts: whatever happens in between, a retry gets the first answer, and
 * nothing is stored twice. With the snapshot of it, and without.
 */
import t, { type Test } from 'tap';
import type { AppendOptions, PartitionAppend, ProduceRecord } from '../../src/engine/common/types.ts';
import { decodeSidecar, encodeSidecar } from '../../src/engine/format/sidecar.ts';
import { decodeProducers, type ProducersBody } from '../../src/engine/partition/producers-file.ts';
import { CRASH_VARIANTS } from '../crash/sim/crash-image.ts';
import { KeyedLog } from '../helpers/keyed-log.ts';

const CHECKPOINT = '/data/topics/a/0/checkpoint';
const SNAPSHOT = '/data/topics/a/0/producers';

const producer = (id: number, sequence: number, epoch = 0): AppendOptions => ({
  producer: { id, epoch, sequence },
});
const request = (key: string): AppendOptions => ({ idempotency: { key, fingerprint: 7 } });

interface Sending {
  options: AppendOptions;
  records: ProduceRecord[];
  answer: PartitionAppend;
}

/** A log with appends of all kinds in it, each of which can be sent again. */
class Resent {
  readonly log: KeyedLog;
  readonly #sent: Sending[] = [];

  constructor(log: KeyedLog) {
    this.log = log;
  }

  /** Several segments, the last of which is active; most records of all are superseded by others. */
  static async filled(settings: Record<string, string | number> = {}): Promise<Resent> {
    const resent = new Resent(await KeyedLog.with({}, settings));
    const { log } = resent;
    for (let i = 0; i < 4; i++) {
      await log.each([['same', `plain ${i}`]]);
      await resent.send(producer(11, 2 * i), 'same', 'same');
      await resent.send(request(`request ${i}`), 'same', `own ${i}`, 'same');
      await resent.send(producer(12, i), `own ${i}`);
      await log.append('a', [{ key: 'same', value: 'of an old epoch' }], producer(13, i));
    }
    await resent.send(producer(13, 0, 1), 'same');
    // Its newest record goes, another one stays.
    await resent.send(request('partly'), 'same', 'only here');
    await log.each([['same', 'last']]);
    return resent;
  }

  async send(options: AppendOptions, ...keys: string[]): Promise<void> {
    const timestamp = this.log.clock.now();
    const records = keys.map((key, i) => ({ key, value: 'x'.repeat(200), timestamp: timestamp - i }));
    this.#sent.push({ options, records, answer: await this.log.append('a', records, options) });
    await this.log.clock.advance(1000);
  }

  /** Sends all of it again, in another order, and looks at the answers; then the producers go on. */
  async check(t: Test, what: string): Promise<void> {
    const { engine } = this.log;
    const { logEndOffset } = engine.offsets('a', 0);
    for (const { options, records, answer } of this.#sent.toReversed())
      t.same(await this.log.append('a', records, options), { ...answer, duplicate: true }, what);
    await t.rejects(this.log.append('a', [{ key: 'k', value: '' }], producer(13, 4)), {
      code: 'INVALID_PRODUCER_EPOCH',
    });
    await t.rejects(this.log.append('a', [{ key: 'k', value: '' }], producer(11, 9)), {
      code: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
      details: { expectedSequence: 8 },
    });
    await t.rejects(
      this.log.append('a', [{ key: 'k', value: '' }], { idempotency: { key: 'request 0', fingerprint: 8 } }),
      { code: 'IDEMPOTENCY_KEY_REUSED' },
    );
    t.equal(engine.offsets('a', 0).logEndOffset, logEndOffset, `nothing was stored: ${what}`);
  }

  async lose(...paths: string[]): Promise<void> {
    for (const path of paths) await this.log.disk.remove(path);
  }

  damage(path: string): void {
    const bytes = this.log.disk.contents(path);
    bytes[bytes.length - 1]! ^= 1;
    this.log.disk.plant(path, bytes);
  }
}

type Event = (resent: Resent) => Promise<void>;

const compact: Event = async ({ log }) => {
  for (let i = 0; i < 2; i++) await log.each([['active', 'segment']]);
  const { recordsBefore, recordsAfter } = await log.compacted();
  if (recordsAfter > recordsBefore / 2) throw new Error('there was to be more to compact');
};
const stop: Event = ({ log }) => log.engine.close();
const restart: Event = ({ log }) => log.reopen();
const kill: Event = ({ log }) => log.reopenAfterKill();

const EVENTS: Record<string, Event[]> = {
  'a stop': [restart],
  'a kill': [kill],
  'a roll': [({ log }) => log.each([['other', 'x']])],
  'a roll and a kill': [({ log }) => log.each([['other', 'x']]), kill],
  compaction: [compact],
  'compaction and a stop': [compact, restart],
  'compaction and a kill': [compact, kill],
  'a stop, and the snapshot is lost': [stop, (each) => each.lose(SNAPSHOT), restart],
  'compaction, a stop, and the snapshot is lost': [compact, stop, (each) => each.lose(SNAPSHOT), restart],
  'a stop, and the snapshot is damaged': [stop, async (each) => each.damage(SNAPSHOT), restart],
  'a kill, and the snapshot is lost': [(each) => each.lose(SNAPSHOT), kill],
  'a kill, and snapshot and checkpoint are lost': [(each) => each.lose(SNAPSHOT, CHECKPOINT), kill],
  'a kill, and the checkpoint is damaged': [async (each) => each.damage(CHECKPOINT), kill],
  'two kills': [kill, kill],
  'two kills, and the snapshot is lost between them': [kill, (each) => each.lose(SNAPSHOT), kill],
  'a kill, and a stop without the snapshot': [kill, stop, (each) => each.lose(SNAPSHOT), restart],
};

t.test('a snapshot of a log that went further is no snapshot of this one', async (t) => {
  const { log } = await Resent.filled();
  await log.engine.close();
  const further = log.disk.contents(SNAPSHOT);
  const other = await KeyedLog.with();
  const { id } = await other.engine.describeTopic('a');
  await other.append('a', [{ key: 'k', value: 'x' }], request('request 0'));
  await other.engine.close();
  const { offset } = decodeProducers(further)!;
  const body = decodeSidecar<ProducersBody>('producers', further)!;
  other.disk.plant(SNAPSHOT, encodeSidecar('producers', { ...body, topicId: id }));
  await other.reopenAfterKill();
  t.ok(offset > other.engine.offsets('a', 0).logEndOffset);
  t.equal((await other.append('a', [{ key: 'k', value: 'x' }], request('request 0'))).duplicate, true);
  t.equal((await other.append('a', [{ key: 'k', value: 'x' }], request('request 1'))).duplicate, false);
});

for (const [journal, settings] of Object.entries({
  'without a journal': { 'journal.files': 0 },
  'through the journal': { 'journal.files': 2 },
})) {
  for (const [what, events] of Object.entries(EVENTS)) {
    t.test(`a retry gets the first answer after ${what} (${journal})`, async (t) => {
      const resent = await Resent.filled(settings);
      await resent.check(t, 'at first');
      for (const event of events) await event(resent);
      await resent.check(t, what);
      await resent.log.append('a', [{ key: 'k', value: 'goes on' }], producer(11, 8));
      await resent.log.reopen();
      t.equal(
        (await resent.log.append('a', [{ key: 'k', value: 'goes on' }], producer(11, 8))).duplicate,
        true,
      );
    });
  }

  for (const variant of CRASH_VARIANTS) {
    t.test(`a retry gets the first answer after a power cut (${variant}, ${journal})`, async (t) => {
      const resent = await Resent.filled(settings);
      for (let seed = 0; seed < 5; seed++) {
        resent.log.disk = resent.log.disk.crashImage({ variant, seed });
        await resent.log.reopenAfterKill();
        await resent.check(t, `seed ${seed}`);
      }
    });
  }
}
