import t from 'tap';
import { decodeRecords } from '../../../src/engine/format/record-batch-reader.ts';
import { GroupCoordinator } from '../../../src/engine/groups/group-coordinator.ts';
import type { PollAnswer } from '../../../src/engine/groups/types.ts';
import { SimEngine } from '../../helpers/sim-engine.ts';

/** What a poll gave, as "topic-partition@offset=value". */
function given({ partitions }: PollAnswer): string[] {
  return partitions.flatMap(({ topic, partition, offset, endOffset, chunks }) =>
    decodeRecords(chunks, offset)
      .filter((record) => record.offset < endOffset)
      .map((record) => `${topic}-${partition}@${record.offset}=${record.value}`),
  );
}

t.test('a member joins, reads, commits and leaves; the next one goes on from there', async (t) => {
  const log = await SimEngine.open();
  await log.engine.createTopic('a', { partitions: 2 });
  const groups = await GroupCoordinator.open(log.engine, { clock: log.clock });
  await log.append('a', [{ value: 'x' }, { value: 'y' }]);
  const first = await groups.join('g', { topics: ['a'] });
  t.match(first, { generation: 1, assignment: [{ topic: 'a', partitions: [0, 1] }], revoking: [] });
  const poll = await groups.poll('g', first.memberId);
  t.same(given(poll), ['a-0@0=x', 'a-0@1=y']);
  const { memberId, generation, positions } = poll;
  t.same(await groups.commit('g', { memberId, generation, offsets: positions }), [
    { topic: 'a', partition: 0, before: null, after: 2 },
  ]);
  t.match(await groups.describe('g'), {
    state: 'Stable',
    offsets: [{ topic: 'a', partition: 0, committed: 2, logEndOffset: 2, lag: 0, memberId }],
  });
  await groups.leave('g', memberId);
  const second = await groups.join('g', { topics: ['a'] });
  const next = groups.poll('g', second.memberId, { waitMs: 1_000 });
  await log.settle();
  await log.append('a', 'z');
  t.same(given(await next), ['a-0@2=z']);
  await groups.close();
});
