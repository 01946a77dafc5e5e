/**
 * How far a member has been given records without a commit, as text that it hands back: opaque to it. The coordinator keeps no
 * memory of what it gave to whom.
 *
 * A place counts only while the partition has stayed with the member since the cursor was given: where somebody else had it in
 * between, the group goes on at what is committed.
 */
import { SeglogError } from '../common/errors.ts';
import type { PartitionOffset } from './types.ts';

const VERSION = 1;

export interface PollCursor {
  readonly memberId: string;
  /** Of the group when the cursor was given. */
  readonly generation: number;
  readonly positions: readonly PartitionOffset[];
}

export function encodeCursor({ memberId, generation, positions }: PollCursor): string {
  const byTopic = new Map<string, number[]>();
  for (const { topic, partition, offset } of positions) {
    const places = byTopic.get(topic);
    if (places === undefined) byTopic.set(topic, [partition, offset]);
    else places.push(partition, offset);
  }
  const text = JSON.stringify([VERSION, memberId, generation, ...[...byTopic].flat()]);
  return Buffer.from(text).toString('base64url');
}

/** Throws INVALID_CURSOR where it is none, or one of another member. */
export function decodeCursor(text: string, memberId: string): PollCursor {
  const fields = parse(text);
  if (fields === undefined || fields[0] !== VERSION) throw invalid('it is not one that a poll gave');
  if (fields[1] !== memberId) throw invalid('it was given to another member');
  const [, , generation, ...topics] = fields;
  const positions: PartitionOffset[] = [];
  for (let at = 0; at < topics.length; at += 2) {
    const [topic, places] = [topics[at], topics[at + 1]];
    if (
      typeof topic !== 'string' ||
      !Array.isArray(places) ||
      places.length % 2 !== 0 ||
      !places.every(isCount)
    )
      throw invalid('it is not one that a poll gave');
    for (let i = 0; i < places.length; i += 2)
      positions.push({ topic, partition: places[i]!, offset: places[i + 1]! });
  }
  if (!isCount(generation)) throw invalid('it is not one that a poll gave');
  return { memberId, generation, positions };
}

function parse(text: string): unknown[] | undefined {
  try {
    const fields: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    return Array.isArray(fields) ? fields : undefined;
  } catch {
    return undefined;
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function invalid(why: string): SeglogError {
  return new SeglogError('INVALID_CURSOR', `"cursor" is not valid: ${why}; poll without it`);
}
