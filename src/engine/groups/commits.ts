/** Commits of members and resets of groups without any: what is checked of them, and what is stored. */
import type { Engine } from '../engine.ts';
import { unknownPartition } from '../partition/partition-log.ts';
import type { Group } from './group.ts';
import type { GroupContext } from './group-context.ts';
import { beyondEnd, commitFenced, notEmpty, unknownGroup } from './group-errors.ts';
import type { OffsetEntry } from './group-plan.ts';
import { ownedSince } from './group-state.ts';
import type { MemberSession } from './member-session.ts';
import { committedFor, offsetEntry, targetOffset } from './offset-reset.ts';
import { checkOffsets, checkReset } from './requests.ts';
import type {
  CommitRequest,
  OffsetChange,
  OffsetToCommit,
  ResetRequest,
  ResetTarget,
  TopicPartitions,
} from './types.ts';

/**
 * What a member has processed. It is judged by who owns what once no change of the group is on its way, so that nothing is
 * committed behind the back of a new owner.
 */
export async function commitOffsets(
  context: GroupContext,
  group: Group,
  session: MemberSession,
  { generation, offsets }: CommitRequest,
): Promise<OffsetChange[]> {
  checkOffsets(offsets, context.engine.settings['offset.metadata.max.bytes']);
  return group.afterChange(async () => {
    checkGeneration(group, session, generation);
    for (const each of offsets) checkOwned(context.engine, group, session, generation, each);
    return storeOffsets(context, group, offsets);
  });
}

function checkGeneration(group: Group, session: MemberSession, generation: number): void {
  const present = group.content.generation;
  if (!group.content.members.has(session.id)) throw commitFenced(group.id, 'it has no such member any more');
  if (generation >= session.confirmed && generation <= present) return;
  throw commitFenced(
    group.id,
    `the commit is of generation ${generation}, the group has come to ${present} and the member to ${session.confirmed}`,
    { generation: present },
  );
}

/** The partition is the member's own, has been so in the generation that it speaks of, and the offset is not beyond its end. */
function checkOwned(
  engine: Engine,
  group: Group,
  session: MemberSession,
  generation: number,
  each: OffsetToCommit,
): void {
  const { topic, partition, offset } = each;
  const since = ownedSince(group.content.members.get(session.id)!, topic, partition);
  const isSame = engine.findTopic(topic)?.id === group.content.topics.get(topic)?.id;
  if (since === undefined || since > generation || !isSame)
    throw commitFenced(group.id, `partition ${partition} of topic "${topic}" is not the member's own`, {
      topic,
      partition,
    });
  const { logStartOffset, highWatermark } = engine.offsets(topic, partition);
  if (offset > highWatermark) throw beyondEnd(each, { logStartOffset, highWatermark });
}

async function storeOffsets(
  context: GroupContext,
  group: Group,
  offsets: readonly OffsetToCommit[],
): Promise<OffsetChange[]> {
  if (offsets.length === 0) return [];
  let changes: OffsetChange[] = [];
  await group.store(entriesOf(context, offsets), () => {
    changes = changesOf(context.engine, group, offsets);
  });
  return changes;
}

/** Offsets of a group without members, as they would be or as they are from now on. */
export async function resetOffsets(
  context: GroupContext,
  group: Group,
  request: ResetRequest,
): Promise<OffsetChange[]> {
  const { engine } = context;
  checkReset(request, engine.settings['offset.metadata.max.bytes']);
  const offsets =
    request.offsets !== undefined
      ? request.offsets.map((each) => checkWithin(engine, each))
      : await targetsOf(context, group, request.to!, scopeOf(engine, group, request));
  if (group.content.members.size > 0) throw notEmpty(group.id);
  const changes = changesOf(engine, group, offsets);
  if (request.dryRun === true || offsets.length === 0) return changes;
  const entries = entriesOf(context, offsets);
  group.checkRoom(entries);
  await group.change({ kind: 'reset', offsets: entries });
  return changes;
}

function checkWithin(engine: Engine, each: OffsetToCommit): OffsetToCommit {
  const { logStartOffset, highWatermark } = engine.offsets(each.topic, each.partition);
  if (each.offset >= logStartOffset && each.offset <= highWatermark) return each;
  throw beyondEnd(each, { logStartOffset, highWatermark });
}

async function targetsOf(
  context: GroupContext,
  group: Group,
  to: ResetTarget,
  scope: readonly TopicPartitions[],
): Promise<OffsetToCommit[]> {
  const targets: OffsetToCommit[] = [];
  for (const { topic, partitions } of scope) {
    for (const partition of partitions) {
      const before = committedFor(context.engine, group.offsets, topic, partition)?.offset ?? null;
      targets.push({ topic, partition, offset: await targetOffset(context, to, topic, partition, before) });
    }
  }
  return targets;
}

/** The partitions that are asked for; all that the group has committed where none are. */
function scopeOf(engine: Engine, group: Group, { topics, partitions }: ResetRequest): TopicPartitions[] {
  if (topics === undefined && partitions === undefined) {
    if (group.isBlank) throw unknownGroup(group.id);
    return [...group.offsets.topics()].flatMap(([topic, committed]) => {
      const found = [...committed.keys()].filter((each) => committedFor(engine, group.offsets, topic, each));
      return found.length === 0 ? [] : { topic, partitions: found.sort((a, b) => a - b) };
    });
  }
  const whole = (topics ?? []).map((topic) => {
    // A topic that is not there says so.
    const count = engine.findTopic(topic)?.partitions ?? engine.offsets(topic, 0).logStartOffset;
    return { topic, partitions: Array.from({ length: count }, (_, partition) => partition) };
  });
  return [...whole, ...(partitions ?? [])];
}

function entriesOf(context: GroupContext, offsets: readonly OffsetToCommit[]): OffsetEntry[] {
  return offsets.map((each) => {
    const entry = offsetEntry(context, each, each.metadata ?? null);
    if (entry === undefined) throw unknownPartition(each.topic);
    return entry;
  });
}

function changesOf(engine: Engine, group: Group, offsets: readonly OffsetToCommit[]): OffsetChange[] {
  return offsets.map(({ topic, partition, offset }) => ({
    topic,
    partition,
    before: committedFor(engine, group.offsets, topic, partition)?.offset ?? null,
    after: offset,
  }));
}
