/** The cursor of a merged read as text that a client gives back: opaque to it, bound to the topic that it came from. */
import { HttpProblem } from './error-mapping.ts';
import type { MergePosition } from './partition-cursor.ts';

/** Enough of a topic's id to notice that the topic was deleted and made again. */
const ID_DIGITS = 12;

export function encodeCursor(topicId: string, position: MergePosition): string {
  const { maxTimestamp, partition, nextOffset } = position;
  const text = [1, topicId.slice(0, ID_DIGITS), maxTimestamp, partition, nextOffset].join(' ');
  return Buffer.from(text, 'latin1').toString('base64url');
}

/** @throws HttpProblem invalid_cursor when it is none, or one of another topic. */
export function decodeCursor(cursor: string, topicId: string): MergePosition {
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const match = /^1 ([0-9a-f]{1,32}) (-?\d{1,16}) (\d{1,9}) (\d{1,16})$/.exec(text);
  const [maxTimestamp, partition, nextOffset] = (match?.slice(2) ?? []).map(Number);
  if (match === null || !Number.isSafeInteger(maxTimestamp) || !Number.isSafeInteger(nextOffset)) {
    throw new HttpProblem('invalid_cursor', '"cursor" must be a nextCursor that this server gave');
  }
  if (match[1] !== topicId.slice(0, ID_DIGITS)) {
    throw new HttpProblem(
      'invalid_cursor',
      'the cursor belongs to another topic, or to one of this name that was deleted',
    );
  }
  return { maxTimestamp: maxTimestamp!, partition: partition!, nextOffset: nextOffset! };
}
