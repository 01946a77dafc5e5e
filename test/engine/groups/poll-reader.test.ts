/** Polls whose caller reads the records itself, and makes something else of them than batches in memory: here, text. */
import t from 'tap';
import { decodeRecords } from '../../../src/engine/format/record-batch-reader.ts';
import type {
  PartitionOffset,
  RecordReader,
  RecordShare,
  ShareRead,
} from '../../../src/engine/groups/types.ts';
import { openGroups } from '../../helpers/open-groups.ts';
import { join, type SimGroups } from '../../helpers/sim-groups.ts';

const values = (...texts: string[]) => texts.map((value) => ({ value }));

class TextReader implements RecordReader {
  begun = 0;
  text = '';
  /** Called before each read. */
  interfere: () => unknown = () => {};
  readonly #groups: SimGroups;

  constructor(groups: SimGroups) {
    this.#groups = groups;
  }

  begin(): void {
    this.begun++;
    this.text = '';
  }

  async read({ topic, partition, offset }: PartitionOffset, share: RecordShare): Promise<ShareRead> {
    await this.interfere();
    const { chunks } = await this.#groups.engine.read(topic, partition, { offset });
    const end = this.text.length + share.bytes;
    const read = { position: offset, records: 0, bytes: this.text.length };
    for (const record of decodeRecords(chunks, offset, share.records)) {
      if (this.text !== '' && this.text.length + record.value!.length > end) break;
      this.text += record.value!.toString();
      read.position = record.offset + 1;
      read.records++;
    }
    return { ...read, bytes: this.text.length - read.bytes };
  }
}

t.test('what is read counts as what batches would', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { coordinator, log } = groups;
  await log.append('a', values('p', 'q', 'r'), { partition: 0 });
  await log.append('a', values('x', 'y', 'z'), { partition: 1 });
  const { memberId } = await join(groups);
  const reader = new TextReader(groups);
  const first = await coordinator.poll('g', memberId, { reader, maxRecords: 4 });
  t.equal(reader.text, 'pqxy');
  t.match(first, {
    partitions: [
      { partition: 0, offset: 0, endOffset: 2, chunks: { length: 0 } },
      { partition: 1, offset: 0, endOffset: 2, chunks: { length: 0 } },
    ],
    positions: [
      { topic: 'a', partition: 0, offset: 2 },
      { topic: 'a', partition: 1, offset: 2 },
    ],
  });
  const second = await coordinator.poll('g', memberId, { reader, cursor: first.cursor! });
  t.same([...reader.text].sort(), ['r', 'z']);
  t.match(second.positions, [{ offset: 3 }, { offset: 3 }]);
});

t.test('a record that finds no place is left, and its partition comes first the next time', async (t) => {
  const groups = await openGroups({ a: 3 });
  const { coordinator, log } = groups;
  for (const [partition, value] of ['small', 'x'.repeat(100), 'little'].entries())
    await log.append('a', values(value, value), { partition });
  const { memberId } = await join(groups);
  const reader = new TextReader(groups);
  const texts: string[] = [];
  let cursor: string | null = null;
  for (let polls = 0; polls < 3; polls++) {
    const answer = await coordinator.poll('g', memberId, {
      reader,
      maxBytes: 40,
      cursor: cursor ?? undefined,
    });
    texts.push(reader.text);
    cursor = answer.cursor;
  }
  t.same(texts, ['smallsmalllittlelittle', 'x'.repeat(100), 'x'.repeat(100)]);
});

t.test('it begins again where the partitions change hands meanwhile', async (t) => {
  const groups = await openGroups({ a: 2 });
  const { coordinator, log } = groups;
  for (const partition of [0, 1]) await log.append('a', `v${partition}`, { partition });
  const { memberId } = await join(groups);
  const reader = new TextReader(groups);
  reader.interfere = async () => {
    reader.interfere = () => {};
    await join(groups);
  };
  const answer = await coordinator.poll('g', memberId, { reader });
  t.equal(reader.begun, 2);
  t.match(answer, { assignment: [{ partitions: [0] }], revoking: [{ partitions: [1] }] });
  t.equal(reader.text, 'v0', 'what is revoked is not given any more');
});

t.test('what a reader throws ends the poll, unless it is about a partition', async (t) => {
  const groups = await openGroups({ a: 1 });
  await groups.log.append('a', 'v');
  const { memberId } = await join(groups);
  const reader = new TextReader(groups);
  reader.interfere = () => {
    throw new RangeError('no memory for it');
  };
  await t.rejects(groups.coordinator.poll('g', memberId, { reader }), new RangeError('no memory for it'));
});
