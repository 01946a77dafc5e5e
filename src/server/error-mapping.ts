/**
 * Errors as HTTP answers: the one table of codes and statuses, and the way from what was thrown to an
 * `application/problem+json` body. A body never carries a stack trace or a path of this machine.
 * docs/errors.md has the same table; a test compares the two in both directions.
 */
import type { FastifyReply } from 'fastify';
import { type ErrorCode, type ErrorDetails, type Logger, SeglogError } from '../engine/index.ts';
import { QueryError } from '../query/index.ts';

interface ProblemKind {
  readonly status: number;
  readonly title: string;
  /** Seconds after which the same request may succeed; sent as Retry-After. */
  readonly retryAfter?: number;
}

export const PROBLEMS = {
  invalid_topic: { status: 400, title: 'The topic name is not valid' },
  invalid_partition: { status: 400, title: 'The partition is not a number' },
  invalid_partitions: { status: 400, title: 'The number of partitions is not valid' },
  invalid_offset: { status: 400, title: 'The offset is not valid' },
  invalid_timestamp: { status: 400, title: 'The timestamp is not valid' },
  invalid_cursor: { status: 400, title: 'The cursor is not valid' },
  invalid_query: { status: 400, title: 'The query is not valid' },
  invalid_parameter: { status: 400, title: 'A query parameter is unknown or not valid' },
  invalid_request: { status: 400, title: 'The request is not valid' },
  invalid_config: { status: 400, title: 'A setting is unknown or not valid' },
  invalid_group: { status: 400, title: 'The group name is not valid' },
  invalid_record: { status: 400, title: 'A record is not valid' },
  invalid_event: { status: 400, title: 'A log event is not valid' },
  invalid_json: { status: 400, title: 'The body is not valid JSON' },
  invalid_msgpack: { status: 400, title: 'The body is not valid MessagePack' },
  nesting_too_deep: { status: 400, title: 'The body is nested too deeply' },
  corrupt_payload: { status: 400, title: 'The body is damaged or incomplete' },
  forbidden: { status: 403, title: 'It is not allowed' },
  unknown_topic: { status: 404, title: 'There is no such topic' },
  unknown_partition: { status: 404, title: 'There is no such partition' },
  unknown_group: { status: 404, title: 'There is no such group' },
  unknown_member: { status: 404, title: 'The group has no such member' },
  unknown_job: { status: 404, title: 'There is no such job' },
  not_found: { status: 404, title: 'There is no such route' },
  method_not_allowed: { status: 405, title: 'The route does not take this method' },
  not_acceptable: { status: 406, title: 'None of the accepted media types can be given' },
  request_timeout: { status: 408, title: 'The request did not arrive in time' },
  topic_exists: { status: 409, title: 'Another topic of this name exists' },
  out_of_order_sequence: { status: 409, title: 'The sequence of the producer is out of order' },
  policy_violation: { status: 409, title: 'The policy of the topic does not allow it' },
  fenced: { status: 409, title: 'A newer epoch or generation has taken its place' },
  inconsistent_group_protocol: { status: 409, title: 'The group uses another assignor' },
  group_not_empty: { status: 409, title: 'The group has members' },
  group_full: { status: 409, title: 'The group has as many members as it may have' },
  no_committed_offset: { status: 409, title: 'The group has no committed offset' },
  load_running: { status: 409, title: 'A load is running' },
  precondition_failed: { status: 412, title: 'The log does not end where it was expected to' },
  body_too_large: { status: 413, title: 'The body is too large' },
  decompressed_too_large: { status: 413, title: 'The decompressed body is too large' },
  record_too_large: { status: 413, title: 'A record or batch is too large' },
  unsupported_media_type: { status: 415, title: 'The media type of the body is not supported' },
  unsupported_encoding: { status: 415, title: 'The content encoding of the body is not supported' },
  offset_out_of_range: { status: 416, title: 'The offset lies outside the log' },
  idempotency_key_reused: { status: 422, title: 'The idempotency key was used for another request' },
  headers_too_large: { status: 431, title: 'The headers are too large' },
  internal_error: { status: 500, title: 'The server failed' },
  corrupt_data: { status: 500, title: 'Stored data is damaged' },
  unsupported_version: { status: 500, title: 'Stored data is of a newer format' },
  not_ready: { status: 503, title: 'The server is not ready', retryAfter: 1 },
  overloaded: { status: 503, title: 'The server is overloaded', retryAfter: 1 },
  timed_out: { status: 503, title: 'The request was given up in time', retryAfter: 1 },
  outcome_unknown: { status: 503, title: 'It is unknown whether the records were stored' },
  storage_failed: { status: 503, title: 'The disk failed' },
  storage_full: { status: 507, title: 'The disk is full', retryAfter: 10 },
} as const satisfies Record<string, ProblemKind>;

export type ProblemCode = keyof typeof PROBLEMS;

/** What may stand in a problem beside its fixed fields: plain JSON. */
export type ProblemDetails = Readonly<Record<string, unknown>>;

/** An error of the HTTP layer that knows its answer. */
export class HttpProblem extends Error {
  readonly code: ProblemCode;
  readonly details: ProblemDetails;
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: ProblemCode,
    detail: string,
    details: ProblemDetails = {},
    headers: Readonly<Record<string, string>> = {},
  ) {
    super(detail);
    this.name = 'HttpProblem';
    this.code = code;
    this.details = details;
    this.headers = headers;
  }
}

/** A request that failed when a part of what it brought was stored. */
export class PartlyDone extends Error {
  /** Facts for the answer. */
  readonly details: ProblemDetails;
  /** The same request again stores nothing twice: it has a key. */
  readonly mayBeRepeated: boolean;

  /** `done` says in a few words what was done before `cause` came. */
  constructor(cause: unknown, done: string, details: ProblemDetails, mayBeRepeated: boolean) {
    super(done, { cause });
    this.name = 'PartlyDone';
    this.details = details;
    this.mayBeRepeated = mayBeRepeated;
  }
}

/** The answer to each code of the engine; UNKNOWN_TOPIC_OR_PARTITION is told apart by its details. */
export const ENGINE_PROBLEMS: Readonly<Record<ErrorCode, ProblemCode>> = {
  INVALID_TOPIC_EXCEPTION: 'invalid_topic',
  UNKNOWN_TOPIC_OR_PARTITION: 'unknown_topic',
  TOPIC_ALREADY_EXISTS: 'topic_exists',
  INVALID_PARTITIONS: 'invalid_partitions',
  INVALID_CONFIG: 'invalid_config',
  INVALID_REQUEST: 'invalid_request',
  INVALID_CURSOR: 'invalid_cursor',
  MESSAGE_TOO_LARGE: 'record_too_large',
  INVALID_RECORD: 'invalid_record',
  UNKNOWN_JOB: 'unknown_job',
  POLICY_VIOLATION: 'policy_violation',
  INVALID_GROUP_ID: 'invalid_group',
  GROUP_ID_NOT_FOUND: 'unknown_group',
  NON_EMPTY_GROUP: 'group_not_empty',
  GROUP_MAX_SIZE_REACHED: 'group_full',
  INCONSISTENT_GROUP_PROTOCOL: 'inconsistent_group_protocol',
  UNKNOWN_MEMBER_ID: 'unknown_member',
  FENCED_MEMBER_EPOCH: 'fenced',
  NO_COMMITTED_OFFSET: 'no_committed_offset',
  UNSUPPORTED_COMPRESSION_TYPE: 'invalid_request',
  OFFSET_OUT_OF_RANGE: 'offset_out_of_range',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'out_of_order_sequence',
  DUPLICATE_SEQUENCE_NUMBER: 'out_of_order_sequence',
  INVALID_PRODUCER_EPOCH: 'fenced',
  CONDITION_FAILED: 'precondition_failed',
  IDEMPOTENCY_KEY_REUSED: 'idempotency_key_reused',
  CORRUPT_MESSAGE: 'corrupt_data',
  UNSUPPORTED_VERSION: 'unsupported_version',
  DIRECTORY_LOCKED: 'not_ready',
  STORAGE_FULL: 'storage_full',
  OUTCOME_UNKNOWN: 'outcome_unknown',
  KAFKA_STORAGE_ERROR: 'storage_failed',
  THROTTLED: 'overloaded',
  REQUEST_TIMED_OUT: 'timed_out',
  NOT_READY: 'not_ready',
  TASK_CANCELLED: 'timed_out',
  TASK_FAILED: 'internal_error',
};

const FASTIFY_PROBLEMS: Readonly<Record<string, ProblemCode>> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: 'unsupported_media_type',
  FST_ERR_CTP_BODY_TOO_LARGE: 'body_too_large',
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'corrupt_payload',
  FST_ERR_BAD_URL: 'invalid_request',
  FST_ERR_VALIDATION: 'invalid_request',
  FST_ERR_NOT_FOUND: 'not_found',
};

export interface Problem {
  readonly code: ProblemCode;
  readonly title: string;
  readonly detail: string;
  readonly status: number;
}

/** The problem for whatever was thrown. What is no known error becomes `internal_error` without its message. */
export function problemOf(error: unknown): {
  problem: Problem & ProblemDetails;
  headers: Record<string, string>;
} {
  if (error instanceof PartlyDone) return partlyDone(error);
  if (error instanceof HttpProblem) return build(error.code, error.message, error.details, error.headers);
  if (error instanceof QueryError) {
    const { code, message, position } = error;
    return build(code, message, position === undefined ? {} : { position });
  }
  if (error instanceof SeglogError) {
    const code = engineProblem(error.code, error.details);
    const detail = PROBLEMS[code].status >= 500 ? hidePaths(error.message) : error.message;
    return build(code, detail, code === 'corrupt_data' ? withNextOffset(error.details) : error.details);
  }
  const code = frameworkProblem(error);
  if (code === undefined)
    return build('internal_error', 'The request failed; the log of the server says why.');
  const detail =
    code === 'unsupported_media_type'
      ? 'the content-type is no media type such as application/json'
      : undefined;
  return build(code, detail ?? (error as Error).message);
}

function partlyDone({ cause, message, details, mayBeRepeated }: PartlyDone): ReturnType<typeof problemOf> {
  const { problem, headers } = problemOf(cause);
  if (!mayBeRepeated) delete headers['retry-after'];
  return {
    problem: { ...problem, detail: `${message} before this: ${problem.detail}`, ...details },
    headers,
  };
}

function engineProblem(code: ErrorCode, details: ErrorDetails): ProblemCode {
  if (code === 'UNKNOWN_TOPIC_OR_PARTITION' && typeof details.partition === 'number')
    return 'unknown_partition';
  return ENGINE_PROBLEMS[code];
}

function frameworkProblem(error: unknown): ProblemCode | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, statusCode } = error as { code?: unknown; statusCode?: unknown };
  if (typeof code === 'string' && Object.hasOwn(FASTIFY_PROBLEMS, code)) return FASTIFY_PROBLEMS[code];
  return typeof statusCode === 'number' && statusCode >= 400 && statusCode < 500
    ? 'invalid_request'
    : undefined;
}

function build(
  code: ProblemCode,
  detail: string,
  details: ProblemDetails = {},
  headers: Readonly<Record<string, string>> = {},
): { problem: Problem & ProblemDetails; headers: Record<string, string> } {
  const kind: ProblemKind = PROBLEMS[code];
  const fixed = { code, title: kind.title, detail, status: kind.status };
  // The fixed fields stand first, and no detail can take their place.
  const problem = { ...fixed, ...details, ...fixed };
  if (kind.retryAfter === undefined) return { problem, headers: { ...headers } };
  return { problem, headers: { 'retry-after': String(kind.retryAfter), ...headers } };
}

/** Where a reader of a damaged range may go on. */
function withNextOffset(details: ErrorDetails): ProblemDetails {
  return typeof details.endOffset === 'number' ? { ...details, nextOffset: details.endOffset } : details;
}

/** The engine's messages are for its operator and may name files; who asks over HTTP sees none of them. */
export function hidePaths(message: string): string {
  return message.replace(/[\w.~-]*(?:\/[\w.~-]+){2,}\/?/g, '(a file)');
}

/** What clients do wrong, and what passes by itself, is told to them alone. */
export function logOwnFault(logger: Logger, problem: Problem, error: unknown, url: string): void {
  if (problem.status === 500) logger.error({ err: error, url }, 'a request failed');
}

/** Answers with the problem for `error`, and logs what is the server's own fault. */
export function sendProblem(reply: FastifyReply, error: unknown, logger: Logger): Problem {
  const { problem, headers } = problemOf(error);
  logOwnFault(logger, problem, error, reply.request.url);
  void reply
    .code(problem.status)
    .headers(headers)
    .type('application/problem+json')
    .send(`${JSON.stringify(problem)}\n`);
  return problem;
}
