/** What the coordinator refuses, in words. */
import { type ErrorDetails, SeglogError } from '../common/errors.ts';
import type { AssignorName, PartitionOffset } from './types.ts';

export function unknownGroup(group: string): SeglogError {
  return new SeglogError('GROUP_ID_NOT_FOUND', `there is no group "${group}"`, { group });
}

export function unknownMember(group: string, memberId: string): SeglogError {
  return new SeglogError(
    'UNKNOWN_MEMBER_ID',
    `group "${group}" has no such member: it left, or was silent for too long; join again`,
    { group, memberId },
  );
}

export function notEmpty(group: string): SeglogError {
  return new SeglogError('NON_EMPTY_GROUP', `group "${group}" has members: they have to leave first`, {
    group,
  });
}

export function groupFull(group: string, limit: number): SeglogError {
  return new SeglogError(
    'GROUP_MAX_SIZE_REACHED',
    `group "${group}" has ${limit} members already, which is the most there may be (group.max.size)`,
    { group, setting: 'group.max.size', limit },
  );
}

export function otherAssignor(group: string, present: AssignorName, asked: AssignorName): SeglogError {
  return new SeglogError(
    'INCONSISTENT_GROUP_PROTOCOL',
    `the members of group "${group}" share partitions out by ${present}, not by ${asked}`,
    { group, assignor: present },
  );
}

/** A bound over all groups is reached; what it bounds may go down again. */
export function overLimit(what: string, setting: string, limit: number): SeglogError {
  return new SeglogError('THROTTLED', `there are ${limit} ${what} already (${setting}); nothing was stored`, {
    setting,
    limit,
  });
}

export function fenced(group: string, why: string, details: ErrorDetails = {}): SeglogError {
  return new SeglogError('FENCED_MEMBER_EPOCH', `group "${group}": ${why}`, { group, ...details });
}

export function commitFenced(group: string, why: string, details: ErrorDetails = {}): SeglogError {
  return fenced(group, `${why}; nothing was stored`, details);
}

/** A poll has first to commit where the group begins, and could not: in the words of an append that would be about the records. */
export function beginningNotStored(group: string, error: SeglogError): SeglogError {
  const why = error.message.replace(/[;:,] nothing was stored/, '');
  const message = `group "${group}": where it begins could not be committed, so nothing was read: ${why}`;
  return new SeglogError(error.code, message, error.details, { cause: error });
}

export function noCommittedOffset(group: string, topic: string, partition: number): SeglogError {
  return new SeglogError(
    'NO_COMMITTED_OFFSET',
    `group "${group}" has committed no offset in partition ${partition} of topic "${topic}", and its member wants none to be chosen (autoOffsetReset)`,
    { group, topic, partition },
  );
}

export function beyondEnd(
  { topic, partition, offset }: PartitionOffset,
  bounds: { logStartOffset: number; highWatermark: number },
): SeglogError {
  return new SeglogError(
    'OFFSET_OUT_OF_RANGE',
    `offset ${offset} is outside of partition ${partition} of topic "${topic}", which holds ${bounds.logStartOffset} to ${bounds.highWatermark} (exclusive)`,
    { topic, partition, offset, ...bounds },
  );
}

/** The log had to be read again while a change was prepared: what it was planned from is no more. */
export function changedMeanwhile(group: string): SeglogError {
  return new SeglogError('NOT_READY', `group "${group}" was read again from the log meanwhile; try again`, {
    group,
  });
}
