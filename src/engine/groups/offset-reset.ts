/**
 * Where a group begins in a partition: at what it has committed, or where `autoOffsetReset` of its member says; and where a
 * reset puts it.
 *
 * Where "the end" or a time is asked for, it is looked up once and committed: what comes afterwards is not passed over,
 * however late the member asks for it.
 */
import { isSeglogError } from '../common/errors.ts';
import type { Engine } from '../engine.ts';
import type { CommittedOffset, CommittedOffsets } from './committed-offsets.ts';
import type { GroupContext } from './group-context.ts';
import type { GroupPlan, OffsetEntry } from './group-plan.ts';
import type { GroupContent } from './group-state.ts';
import { type AutoOffsetReset, parseAutoOffsetReset } from './requests.ts';
import type { PartitionOffset, ResetTarget } from './types.ts';

/** What the group has committed there, for the topic that has the name now. */
export function committedFor(
  engine: Engine,
  offsets: CommittedOffsets,
  topic: string,
  partition: number,
): CommittedOffset | undefined {
  const committed = offsets.get(topic, partition);
  return committed !== undefined && committed.topicId === engine.findTopic(topic)?.id ? committed : undefined;
}

/** Where `autoOffsetReset` points now; undefined for `none`. Throws as Engine.offsetForTimestamp. */
export async function resetOffset(
  { engine, clock }: GroupContext,
  reset: AutoOffsetReset,
  topic: string,
  partition: number,
): Promise<number | undefined> {
  const { logStartOffset, highWatermark } = engine.offsets(topic, partition);
  switch (reset.kind) {
    case 'none':
      return undefined;
    case 'earliest':
      return logStartOffset;
    case 'latest':
      return highWatermark;
    case 'by_duration':
      return engine.offsetForTimestamp(topic, partition, Math.max(0, clock.now() - reset.durationMs));
  }
}

/** Offsets to be committed with a change: those of partitions that come to members which do not begin at the earliest one. */
export async function startingOffsets(
  context: GroupContext,
  { content: before, offsets }: { content: GroupContent; offsets: CommittedOffsets },
  { content }: GroupPlan,
): Promise<OffsetEntry[]> {
  const entries: OffsetEntry[] = [];
  for (const member of content.members.values()) {
    const reset = parseAutoOffsetReset(member.autoOffsetReset);
    if (reset.kind === 'earliest' || reset.kind === 'none') continue;
    const earlier = before.members.get(member.id);
    if (member === earlier) continue;
    for (const [topic, partitions] of member.target) {
      for (const [partition, since] of partitions) {
        if (since !== content.generation || earlier?.target.get(topic)?.get(partition) === since) continue;
        if (committedFor(context.engine, offsets, topic, partition) !== undefined) continue;
        const entry = await startingOffset(context, reset, topic, partition);
        if (entry !== undefined) entries.push(entry);
      }
    }
  }
  return entries;
}

/** Undefined where it cannot be told: the member's poll looks again, and says why. */
async function startingOffset(
  context: GroupContext,
  reset: AutoOffsetReset,
  topic: string,
  partition: number,
): Promise<OffsetEntry | undefined> {
  try {
    const offset = await resetOffset(context, reset, topic, partition);
    return offset === undefined ? undefined : offsetEntry(context, { topic, partition, offset });
  } catch (error) {
    if (isSeglogError(error)) return undefined;
    throw error;
  }
}

/** What is stored of an offset that is committed now; undefined when the topic is gone. */
export function offsetEntry(
  { engine, clock }: GroupContext,
  { topic, partition, offset }: PartitionOffset,
  metadata: string | null = null,
): OffsetEntry | undefined {
  const topicId = engine.findTopic(topic)?.id;
  if (topicId === undefined) return undefined;
  return { topic, partition, committed: { offset, metadata, topicId, committedAt: clock.now() } };
}

/** Where a reset puts the group; `before` is what it has committed. */
export async function targetOffset(
  { engine, clock }: GroupContext,
  to: ResetTarget,
  topic: string,
  partition: number,
  before: number | null,
): Promise<number> {
  const { logStartOffset, highWatermark } = engine.offsets(topic, partition);
  const clamp = (offset: number) => Math.min(Math.max(offset, logStartOffset), highWatermark);
  if (to === 'earliest') return logStartOffset;
  if (to === 'latest') return highWatermark;
  if ('offset' in to) return clamp(to.offset);
  if ('shift' in to) return clamp((before ?? logStartOffset) + to.shift);
  const timestamp = 'timestamp' in to ? to.timestamp : clock.now() - to.durationMs;
  return engine.offsetForTimestamp(topic, partition, Math.max(0, timestamp));
}
