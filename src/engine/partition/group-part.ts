/**
 * Taking queued batches into a group commit: they get their offsets, the durable floor and their checksum. Nothing is applied
 * to the log yet, so on failure there is nothing to undo but bytes in a file.
 */
import { SeglogError } from '../common/errors.ts';
import { type EncodedBatch, stampBatch } from '../format/record-batch.ts';
import { addBatch, type BatchFacts, type LogSegment } from '../segment/log-segment.ts';
import { mustRollBefore } from '../segment/roll-policy.ts';
import { GroupAdmission } from './append-admission.ts';
import type { StoredAppend } from './append-conditions.ts';
import type { PartitionLog, QueuedBatch } from './partition-log.ts';

/** The batches of one partition in one group commit; all go to one segment. */
export interface GroupPart {
  readonly partition: PartitionLog;
  readonly segment: LogSegment;
  readonly batches: QueuedBatch[];
  /** Of each batch, in the same order. */
  readonly facts: BatchFacts[];
  readonly baseOffset: number;
  readonly endOffset: number;
  readonly bytes: number;
  readonly records: number;
  /** Somebody waits for the sync. */
  readonly needsSync: boolean;
  /** Some of the batches were appended under conditions. */
  readonly hasConditions: boolean;
  /** By the clock. */
  readonly takenAt: number;
}

/** What forming a group brings about beside it. */
export interface GroupListener {
  /** Work that a roll leaves behind: the sealed segment's derived files. */
  rolled(partition: PartitionLog, rolled: LogSegment): void;
  /** A batch repeats one that stands in the log: it is to be answered once that one is as safe as is asked for. */
  repeated(partition: PartitionLog, queued: QueuedBatch, stored: StoredAppend): void;
}

/** Of batches that are not appended. */
type Answers = Map<QueuedBatch, StoredAppend | SeglogError>;

/**
 * Takes batches from the queue, up to where the segment must roll, one must wait for the next group, or `maxBytes` are
 * reached. Undefined when none of them is appended.
 */
export function takeGroup(
  partition: PartitionLog,
  maxBytes: number,
  listener: GroupListener,
  now: number,
): GroupPart | undefined {
  const { queue, topic } = partition;
  let stats = partition.appended;
  let offset = partition.logEndOffset;
  let bytes = 0;
  let needsSync = false;
  let seen = 0;
  const facts: BatchFacts[] = [];
  let admission: GroupAdmission | undefined;
  let answers: Answers | undefined;
  for (; seen < queue.length; seen++) {
    const queued = queue[seen]!;
    const { batch, acks, conditions } = queued;
    if (conditions !== undefined) {
      admission ??= new GroupAdmission(partition, now);
      const judged = admission.judge(conditions, batch.recordCount, offset);
      if (judged === 'wait') break;
      const verdict = judged === 'append' ? (queued.unfit ?? judged) : judged;
      if (verdict !== 'append') {
        answers ??= new Map();
        answers.set(queued, verdict);
        continue;
      }
    }
    const isFirst = facts.length === 0;
    if (!isFirst && bytes + batch.bytes.length > maxBytes) break;
    if (mustRollBefore(stats, batch.bytes.length, batch.maxTimestamp, topic.settings, now)) {
      if (!isFirst) break;
      listener.rolled(partition, partition.roll());
      stats = partition.appended;
    }
    stampBatch(batch.bytes, offset, partition.durableOffset);
    const fact = factsAt(batch, offset);
    facts.push(fact);
    offset += batch.recordCount;
    bytes += batch.bytes.length;
    needsSync ||= acks === 'all';
    if (conditions !== undefined) admission!.accept(conditions, batch.recordCount);
    // Where the segment must roll depends on what comes before in this group.
    if (seen + 1 < queue.length) {
      if (isFirst) stats = { ...stats };
      addBatch(stats, fact, now);
    }
  }
  const taken = takeFirst(partition, seen);
  const batches = answers === undefined ? taken : taken.filter((queued) => !answers.has(queued));
  if (answers !== undefined) giveAnswers(partition, answers, listener);
  if (batches.length === 0) return undefined;
  partition.inDoubt = admission === undefined ? [] : batches;
  if (now > partition.lastAppendAt) partition.lastAppendAt = now;
  return {
    partition,
    segment: partition.active,
    batches,
    facts,
    baseOffset: partition.logEndOffset,
    endOffset: offset,
    bytes,
    records: offset - partition.logEndOffset,
    needsSync,
    hasConditions: admission !== undefined,
    takenAt: now,
  };
}

function takeFirst(partition: PartitionLog, count: number): QueuedBatch[] {
  const { queue } = partition;
  if (count < queue.length) return queue.splice(0, count);
  partition.queue = [];
  return queue;
}

function giveAnswers(partition: PartitionLog, answers: Answers, listener: GroupListener): void {
  for (const [queued, answer] of answers) {
    partition.context.budget.give(partition, queued.batch.bytes.length);
    if (answer instanceof SeglogError) queued.refuse(answer);
    else listener.repeated(partition, queued, answer);
  }
}

function factsAt(batch: EncodedBatch, baseOffset: number): BatchFacts {
  return {
    baseOffset,
    nextOffset: baseOffset + batch.recordCount,
    records: batch.recordCount,
    bytes: batch.bytes.length,
    minTimestamp: batch.baseTimestamp,
    maxTimestamp: batch.maxTimestamp,
  };
}
