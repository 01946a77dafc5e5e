/** Checking what an append asks for, and what becomes of an idempotency key. */
import { hash, randomBytes } from 'node:crypto';
import { SeglogError } from '../common/errors.ts';
import type { AppendOptions, ProducerIdentity } from '../common/types.ts';

const MAX_EPOCH = 2 ** 15 - 1;
const MAX_SEQUENCE = 2 ** 31 - 1;
const MAX_FINGERPRINT = 2 ** 31 - 1;
/** Printable ASCII. */
const KEY = /^[\x20-\x7e]{1,255}$/;

/** INVALID_REQUEST where the options do not go together, or one of them is not what it is to be. */
export function checkAppendOptions(options: AppendOptions): void {
  const { producer, idempotency, expectedEndOffset } = options;
  if (producer !== undefined) {
    checkProducer(producer);
    check(
      isWithin(producer.sequence, MAX_SEQUENCE),
      `a sequence is a whole number from 0 to ${MAX_SEQUENCE}`,
    );
    check(
      idempotency === undefined,
      'a producer numbers its records: it takes no idempotency key beside that',
    );
    checkPlain(options, 'a producer');
  }
  if (idempotency !== undefined) {
    check(KEY.test(idempotency.key), 'an idempotency key is 1 to 255 printable ASCII characters');
    if (idempotency.fingerprint !== undefined) checkFingerprint(idempotency.fingerprint);
  }
  if (expectedEndOffset !== undefined) {
    check(
      Number.isSafeInteger(expectedEndOffset) && expectedEndOffset >= 0,
      'an offset is a whole number from 0',
    );
    checkPlain(options, 'an append that expects an end of the log');
  }
}

function checkProducer({ id, epoch }: ProducerIdentity): void {
  check(Number.isSafeInteger(id) && id >= 0, 'a producer id is a safe whole number from 0');
  check(isWithin(epoch, MAX_EPOCH), `an epoch is a whole number from 0 to ${MAX_EPOCH}`);
}

export function checkFingerprint(fingerprint: number): void {
  check(
    isWithin(fingerprint, MAX_FINGERPRINT),
    `a fingerprint is a whole number from 0 to ${MAX_FINGERPRINT}`,
  );
}

/** It is about one partition, the same for each try, and there is an answer to it. */
function checkPlain({ partition, acks }: AppendOptions, what: string): void {
  check(partition !== undefined, `${what} names its partition`);
  check(acks !== 0, `${what} takes acks=all or acks=1: with acks=0 nobody learns what became of it`);
}

function isWithin(value: number, max: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= max;
}

export function check(holds: boolean, rule: string): asserts holds {
  if (!holds) throw new SeglogError('INVALID_REQUEST', `${rule}; nothing was stored`);
}

/** 53 bits of the key's SHA-256: what stands for it in the log. */
export function requestId(key: string): number {
  return bitsOf(hash('sha256', key, 'buffer'));
}

/** There is nothing to keep of the ids that were given: of 2^53 none comes twice. */
export function randomProducerId(): number {
  return bitsOf(randomBytes(7));
}

export function nextEpoch(previous: ProducerIdentity): ProducerIdentity {
  checkProducer(previous);
  check(previous.epoch < MAX_EPOCH, `${MAX_EPOCH} is the last epoch of a producer: take a new id`);
  return { id: previous.id, epoch: previous.epoch + 1 };
}

/** The first 53 bits. */
function bitsOf(bytes: Buffer): number {
  return bytes.readUIntBE(0, 6) * 32 + (bytes[6]! >>> 3);
}
