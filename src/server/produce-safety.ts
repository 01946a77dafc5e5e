/**
 * What makes it safe to send a produce request again, or to send it at all: the number that a producer gives its records,
 * an idempotency key, the log end offset that the client goes by.
 */
import type { IncomingMessage } from 'node:http';
import { crc32 } from 'node:zlib';
import type { AppendOptions, IdempotencyKey } from '../engine/index.ts';
import { HttpProblem } from './error-mapping.ts';
import type { ValueEncoding } from './record-sink.ts';

/** The header of an answer that was given before. */
export const REPLAYED = 'idempotent-replayed';

export interface ProducerParameters {
  producerId?: number;
  producerEpoch?: number;
  sequence?: number;
}

export interface SafetyHeaders {
  'idempotency-key'?: string;
  'if-match'?: string;
}

/** Two keys reach us as one that has them both in it. @throws HttpProblem invalid_request. */
export function refuseSecondKey({ headers, rawHeaders }: IncomingMessage): void {
  // Both have a comma between them then; a key with one of its own is rare.
  if (!String(headers['idempotency-key'] ?? '').includes(',')) return;
  const keys = rawHeaders.filter((name, i) => i % 2 === 0 && name.toLowerCase() === 'idempotency-key');
  if (keys.length > 1)
    throw new HttpProblem('invalid_request', 'the request has more than one Idempotency-Key header', {
      parameter: 'idempotency-key',
    });
}

/** @throws HttpProblem invalid_parameter where a producer says not all of its number; invalid_offset. */
export function safetyOptions(
  { producerId, producerEpoch, sequence }: ProducerParameters,
  { 'idempotency-key': key, 'if-match': expected }: SafetyHeaders,
): Pick<AppendOptions, 'producer' | 'idempotency' | 'expectedEndOffset'> {
  return {
    producer: producerSequence(producerId, producerEpoch, sequence),
    idempotency: key === undefined ? undefined : { key },
    expectedEndOffset: expected === undefined ? undefined : expectedOffset(expected),
  };
}

/** Of an If-Match whose form was checked with the other headers. */
function expectedOffset(text: string): number {
  const offset = Number(text.replaceAll('"', ''));
  if (Number.isSafeInteger(offset)) return offset;
  throw new HttpProblem(
    'invalid_offset',
    `"if-match" takes an offset up to ${Number.MAX_SAFE_INTEGER}, not ${text}`,
    { parameter: 'if-match' },
  );
}

function producerSequence(id?: number, epoch?: number, sequence?: number): AppendOptions['producer'] {
  if (id === undefined && epoch === undefined && sequence === undefined) return undefined;
  if (id !== undefined && epoch !== undefined && sequence !== undefined) return { id, epoch, sequence };
  throw new HttpProblem('invalid_parameter', 'producerId, producerEpoch and sequence go together');
}

/** What an answer depends on, beside the body. */
export interface RequestShape {
  contentType: string | undefined;
  partition: number | undefined;
  encoding: ValueEncoding | undefined;
  key: string | undefined;
}

/** Tells a request with a key from another one with the same key: 31 bits. */
export function requestFingerprint(body: Buffer, shape: RequestShape): number {
  return fingerprintOf(crc32(body), shape);
}

/** As requestFingerprint, for a body whose CRC-32 is known. */
export function fingerprintOf(
  bodyCrc: number,
  { contentType, partition, encoding, key }: RequestShape,
): number {
  return crc32(JSON.stringify([contentType, partition, encoding, key]), bodyCrc) >>> 1;
}

/**
 * The idempotency key of a request that becomes several appends: each has a key of its own, made of the request's and of its number. The
 * same body makes the same appends, so a retry finds those that were stored.
 */
export class RequestKey {
  readonly #key: string;
  readonly #shape: RequestShape;

  constructor(key: string, shape: RequestShape) {
    this.#key = key;
    this.#shape = shape;
  }

  /** For a part of the body. */
  ofPart(part: string, bytes: Buffer): IdempotencyKey {
    return { key: `${this.#key}#${part}`, fingerprint: requestFingerprint(bytes, this.#shape) };
  }

  /** For all of the body, by its CRC-32. */
  ofAll(bodyCrc: number): Required<IdempotencyKey> {
    return { key: this.#key, fingerprint: fingerprintOf(bodyCrc, this.#shape) };
  }
}
