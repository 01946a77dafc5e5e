/**
 * Topics that seglog keeps for itself. They can be read by anybody, and changed by the part of seglog that keeps them only.
 * Names that begin with two underscores are reserved for them, so that no topic of a user stands in the way of one to come.
 */
import { SeglogError } from '../common/errors.ts';

/** Groups and what they have committed. The name is Kafka's; what is in it is not (docs/format.md). */
export const GROUPS_TOPIC = '__consumer_offsets';

const INTERNAL_TOPICS: ReadonlySet<string> = new Set([GROUPS_TOPIC]);

export function isInternalTopic(name: string): boolean {
  return INTERNAL_TOPICS.has(name);
}

/** Throws INVALID_TOPIC_EXCEPTION for a name that no user's topic may have. */
export function refuseReservedName(name: string): void {
  if (!name.startsWith('__')) return;
  throw new SeglogError(
    'INVALID_TOPIC_EXCEPTION',
    'topic names that begin with "__" are reserved for topics that seglog keeps for itself',
    { topic: name },
  );
}

/** Throws POLICY_VIOLATION for a topic that is not to be changed from outside. */
export function refuseInternal(name: string): void {
  if (!isInternalTopic(name)) return;
  throw new SeglogError(
    'POLICY_VIOLATION',
    `topic "${name}" is kept by seglog itself: it can be read, but not written to, altered or deleted`,
    { topic: name },
  );
}
