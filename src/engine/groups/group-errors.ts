/** What the coordinator refuses, in words. */
import { SeglogError } from '../common/errors.ts';

export function unknownGroup(group: string): SeglogError {
  return new SeglogError('GROUP_ID_NOT_FOUND', `there is no group "${group}"`, { group });
}

export function unknownMember(group: string, memberId: string): SeglogError {
  return new SeglogError(
    'UNKNOWN_MEMBER_ID',
    `group "${group}" has no member "${memberId}": it left, or was silent for too long; join again`,
    { group, memberId },
  );
}

export function notEmpty(group: string): SeglogError {
  return new SeglogError('NON_EMPTY_GROUP', `group "${group}" has members`, { group });
}

export function fenced(group: string, why: string, details: Record<string, string | number>): SeglogError {
  return new SeglogError(
    'FENCED_MEMBER_EPOCH',
    `the commit of a member of group "${group}" is refused: ${why}`,
    {
      group,
      ...details,
    },
  );
}
