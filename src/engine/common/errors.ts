/**
 * The one error class of seglog and the table of its codes.
 *
 * Codes are Kafka's where Kafka has one. Each says whether a retry of the very same call can
 * succeed. HTTP statuses and exit codes are mapped elsewhere (src/server, src/cli), never here.
 */
export const ERROR_CODES = {
  /** A topic name outside 1–249 of [a-zA-Z0-9._-], or "." or "..". */
  INVALID_TOPIC_EXCEPTION: { retriable: false },
  /** No job has that id, or it ended a while ago and is forgotten. */
  UNKNOWN_JOB: { retriable: false },
  /** The topic or the partition does not exist; `details.partition` tells which was missing. */
  UNKNOWN_TOPIC_OR_PARTITION: { retriable: false },
  /** A topic of that name exists with other partitions or settings. */
  TOPIC_ALREADY_EXISTS: { retriable: false },
  /** A partition count that is out of range, or lower than the present one. */
  INVALID_PARTITIONS: { retriable: false },
  /** An unknown setting, or a value outside its range. */
  INVALID_CONFIG: { retriable: false },
  /** An argument of a call is malformed: an offset that is no safe integer, a bad timestamp, … */
  INVALID_REQUEST: { retriable: false },
  /** A cursor that is none, or was not given to who brings it. */
  INVALID_CURSOR: { retriable: false },
  /** A record or batch larger than `max.message.bytes`. */
  MESSAGE_TOO_LARGE: { retriable: false },
  /** A record that the topic cannot take (a bad timestamp, a header without a key, …). */
  INVALID_RECORD: { retriable: false },
  /** What is asked for does not go with the topic's `cleanup.policy`, or the topic is kept by seglog itself. */
  POLICY_VIOLATION: { retriable: false },
  /** A group name outside 1–255 bytes without control characters. */
  INVALID_GROUP_ID: { retriable: false },
  /** No group has that name. */
  GROUP_ID_NOT_FOUND: { retriable: false },
  /** What is asked for needs a group without members. */
  NON_EMPTY_GROUP: { retriable: false },
  /** The group has as many members as group.max.size allows. */
  GROUP_MAX_SIZE_REACHED: { retriable: false },
  /** The members of the group share their partitions out by another assignor. */
  INCONSISTENT_GROUP_PROTOCOL: { retriable: false },
  /** The group has no such member: it never had, it left, or it was silent for too long. */
  UNKNOWN_MEMBER_ID: { retriable: false },
  /** A commit of an older generation, for a partition that is somebody else's, or by who is no member any more. */
  FENCED_MEMBER_EPOCH: { retriable: false },
  /** The group has committed nothing in the partition, and its member has `autoOffsetReset` none. */
  NO_COMMITTED_OFFSET: { retriable: false },
  /** A codec this build does not know. */
  UNSUPPORTED_COMPRESSION_TYPE: { retriable: false },
  /** The offset lies outside [log start offset, high watermark]; `details` has the bounds. */
  OFFSET_OUT_OF_RANGE: { retriable: false },
  /** A producer's sequence does not follow on its last one, and none of its remembered batches is the same; `details` has the expected one. */
  OUT_OF_ORDER_SEQUENCE_NUMBER: { retriable: false },
  /** A producer's records were stored once, but before the batches that are remembered: where they stand is forgotten. */
  DUPLICATE_SEQUENCE_NUMBER: { retriable: false },
  /** Another one has taken the producer's place, with the newer epoch in `details`. */
  INVALID_PRODUCER_EPOCH: { retriable: false },
  /** The log does not end where the append expects it to; `details` has its end. */
  CONDITION_FAILED: { retriable: false },
  /** The idempotency key was used for another request. */
  IDEMPOTENCY_KEY_REUSED: { retriable: false },
  /** Stored bytes are damaged; `details` has the range of offsets and positions. */
  CORRUPT_MESSAGE: { retriable: false },
  /** A file carries a format version that is newer than this program. */
  UNSUPPORTED_VERSION: { retriable: false },
  /** The data directory is in use by another process. */
  DIRECTORY_LOCKED: { retriable: true },
  /** No space: nothing of this call was stored. Appends resume by themselves. */
  STORAGE_FULL: { retriable: true },
  /** A write or sync failed under this call: what it wrote may or may not survive. */
  OUTCOME_UNKNOWN: { retriable: false },
  /** The partition, or the whole log, takes no appends since an earlier write or sync failed; or a read of its files failed. */
  KAFKA_STORAGE_ERROR: { retriable: false },
  /** Bytes in flight, or producers that are remembered, are at their limit, or no file descriptors are left; nothing of this call was stored. */
  THROTTLED: { retriable: true },
  /** The call was given up by its caller or ran into its deadline; nothing was stored. */
  REQUEST_TIMED_OUT: { retriable: true },
  /** The engine is closing or closed. */
  NOT_READY: { retriable: true },
  /** Work in the background was given up: by who asked for it, or because the engine closes. */
  TASK_CANCELLED: { retriable: true },
  /** The thread that did work in the background died, or met a bug; the work is tried again by whoever had it done. */
  TASK_FAILED: { retriable: false },
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** Facts a caller may act on: offsets, limits, names of settings. Plain JSON values only. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | null>>;

export class SeglogError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SeglogError';
    this.code = code;
    this.details = details;
  }

  /** Whether the same call can succeed later without a change. */
  get retriable(): boolean {
    return ERROR_CODES[this.code].retriable;
  }
}

/** True for a SeglogError of one of the given codes (of any, when none is given). */
export function isSeglogError(error: unknown, ...codes: ErrorCode[]): error is SeglogError {
  return error instanceof SeglogError && (codes.length === 0 || codes.includes(error.code));
}

/** The errno name (`ENOSPC`, `ENOENT`, …) of a failed file call, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}
