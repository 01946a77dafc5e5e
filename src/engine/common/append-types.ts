/** The shapes of appends that cross the engine's door. */

/** What an acknowledgement means: `all` = synced to disk, `1` = written to the OS, `0` = accepted in memory. */
export type Acks = 'all' | 1 | 0;

export type CompressionType = 'none' | 'gzip' | 'snappy' | 'lz4' | 'zstd';

/** A key, value or header value to be stored: text is stored as UTF-8. */
export type BytesLike = Uint8Array | string;

export interface ProduceRecord {
  key?: BytesLike | null;
  value: BytesLike | null;
  /** In order; the same name may occur more than once. */
  headers?: readonly ProduceHeader[];
  /** Missing: the time of the append. */
  timestamp?: number;
  /** Missing: by key as Kafka does, or sticky round robin when there is no key. */
  partition?: number;
}

export interface ProduceHeader {
  key: string;
  value: BytesLike | null;
}

export interface AppendOptions {
  /** Default `all`. */
  acks?: Acks;
  /** All records go to this partition, unless a record names its own. */
  partition?: number;
  /** The producer's codec; it counts where the topic has `compression.type=producer`. Default `none`. */
  compression?: CompressionType;
  /** For a producer that numbers its records, so that a retry stores nothing twice; takes `partition`, and not `acks=0`. */
  producer?: ProducerSequence;
  /** For a request that may be sent again, so that a retry stores nothing twice; not together with `producer`. */
  idempotency?: IdempotencyKey;
  /** Appended only where the log ends exactly here, else CONDITION_FAILED; takes `partition`, and not `acks=0`. */
  expectedEndOffset?: number;
  /** Gives up waiting for memory (see `max.in.flight.bytes`): REQUEST_TIMED_OUT, nothing was stored. */
  signal?: AbortSignal;
}

/** What became of the records of one append in one partition. They are stored together or not at all. */
export interface PartitionAppend {
  partition: number;
  /** With acks=0 the offsets are not known yet: -1. */
  baseOffset: number;
  lastOffset: number;
  count: number;
  /** The largest timestamp among them. */
  timestamp: number;
  /** They had been appended before, and this is the answer to that; nothing was appended now. */
  duplicate: boolean;
}

/** A producer as `Engine.newProducer` gives it. */
export interface ProducerIdentity {
  /** From 0. */
  id: number;
  /** 0 to 32767. */
  epoch: number;
}

/** Where the records of an append stand among those that a producer sends to one partition. */
export interface ProducerSequence extends ProducerIdentity {
  /**
   * Of the first record: 0 for the first one under an epoch, and one more for each that follows, 0 again after 2^31 - 1. As
   * Kafka's idempotent producer numbers them.
   */
  sequence: number;
}

/** What tells a retry of a request from another request. */
export interface IdempotencyKey {
  /** 1 to 255 printable ASCII characters. */
  key: string;
  /** A hash of the request, 0 to 2^31 - 1; see PendingAppend.setFingerprint where it is known only at the end. */
  fingerprint?: number;
}
