/** Cursors: places in the answer to a query, as text that a client gives back. Opaque to it, and of no use with another query. */
import { createHash } from 'node:crypto';
import type { EventPlace } from './event-order.ts';
import { QueryError } from './query-error.ts';

const VERSION = 1;
const FINGERPRINT_LENGTH = 12;

/** Of all that makes a query what it is. */
export function fingerprintOf(...parts: readonly (string | number)[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, FINGERPRINT_LENGTH);
}

export function encodeCursor(fingerprint: string, { timestamp, partition, offset }: EventPlace): string {
  const text = [VERSION, fingerprint, timestamp, partition, offset].join(' ');
  return Buffer.from(text, 'latin1').toString('base64url');
}

/** @throws QueryError invalid_cursor when it is none, or one of another query. */
export function decodeCursor(cursor: string, fingerprint: string): EventPlace {
  const text = Buffer.from(cursor, 'base64url').toString('latin1');
  const match = /^(\d+) ([\w-]+) (-?\d{1,16}) (\d{1,10}) (\d{1,16})$/.exec(text);
  const [timestamp = Number.NaN, partition = 0, offset = Number.NaN] = (match?.slice(3) ?? []).map(Number);
  if (match?.[1] !== String(VERSION) || !Number.isSafeInteger(timestamp) || !Number.isSafeInteger(offset))
    throw new QueryError('"cursor" must be a nextCursor that this server gave', undefined, 'invalid_cursor');
  if (match[2] !== fingerprint)
    throw new QueryError(
      'the cursor belongs to another query: give the same times, filters and order with it',
      undefined,
      'invalid_cursor',
    );
  return { timestamp, partition, offset };
}
