/** What callers of the coordinator may ask for: each check throws what is wrong, and how it is meant. */

import { SeglogError } from '../common/errors.ts';
import { parseQuantity } from '../common/quantities.ts';
import type { EngineSettings } from '../common/settings.ts';
import { checkTopicName } from '../directory/topic.ts';
import { ASSIGNORS } from './assignors.ts';
import type { AssignorName, JoinRequest, OffsetToCommit, PollOptions, ResetRequest } from './types.ts';

const MAX_GROUP_ID_BYTES = 255;
const MAX_CLIENT_ID_BYTES = 255;
const MAX_TOPICS = 1_000;
const TARGETS = ['offset', 'timestamp', 'durationMs'];

/** A checked join, with all that it left out. */
export interface CheckedJoin {
  readonly topics: readonly string[];
  readonly clientId: string;
  readonly sessionTimeoutMs: number;
  /** Undefined: whatever the group has. */
  readonly assignor: AssignorName | undefined;
  readonly autoOffsetReset: string;
}

export function checkGroupId(groupId: unknown): asserts groupId is string {
  if (isShortText(groupId, MAX_GROUP_ID_BYTES) && groupId !== '') return;
  throw new SeglogError(
    'INVALID_GROUP_ID',
    `a group name has 1 to ${MAX_GROUP_ID_BYTES} bytes of UTF-8 and no control characters`,
  );
}

export function checkJoin(request: JoinRequest, settings: EngineSettings): CheckedJoin {
  const {
    topics,
    clientId = '',
    sessionTimeoutMs = settings['group.consumer.session.timeout.ms'],
    assignor,
    autoOffsetReset = 'earliest',
  } = request;
  if (!Array.isArray(topics) || topics.length === 0 || topics.length > MAX_TOPICS)
    throw invalid(`"topics" names 1 to ${MAX_TOPICS} topics`);
  for (const topic of topics) checkTopicName(topic);
  if (!isShortText(clientId, MAX_CLIENT_ID_BYTES))
    throw invalid(`"clientId" has at most ${MAX_CLIENT_ID_BYTES} bytes of UTF-8 and no control characters`);
  const min = settings['group.min.session.timeout.ms'];
  const max = settings['group.max.session.timeout.ms'];
  if (!Number.isSafeInteger(sessionTimeoutMs) || sessionTimeoutMs < min || sessionTimeoutMs > max)
    throw invalid(
      `"sessionTimeoutMs" is a whole number from ${min} (group.min.session.timeout.ms) to ${max} (group.max.session.timeout.ms)`,
    );
  if (assignor !== undefined && !Object.hasOwn(ASSIGNORS, assignor))
    throw invalid(`"assignor" is one of ${Object.keys(ASSIGNORS).join(', ')}`);
  parseAutoOffsetReset(autoOffsetReset);
  return { topics: [...new Set(topics)].sort(), clientId, sessionTimeoutMs, assignor, autoOffsetReset };
}

export type AutoOffsetReset =
  | { readonly kind: 'earliest' }
  | { readonly kind: 'latest' }
  | { readonly kind: 'none' }
  | { readonly kind: 'by_duration'; readonly durationMs: number };

/** `earliest`, `latest`, `none`, or `by_duration:` with an ISO 8601 duration (PT1H30M) or a time (90m), as Kafka spells it. */
export function parseAutoOffsetReset(text: unknown): AutoOffsetReset {
  if (text === 'earliest' || text === 'latest' || text === 'none') return { kind: text };
  if (typeof text === 'string' && text.startsWith('by_duration:')) {
    const durationMs = parseDuration(text.slice('by_duration:'.length));
    if (durationMs !== undefined) return { kind: 'by_duration', durationMs };
  }
  throw invalid('"autoOffsetReset" is earliest, latest, none, or by_duration:<duration> (PT1H30M, 90m, 7d)');
}

/** Milliseconds; undefined when it is no duration of at least 0 in safe integers. */
export function parseDuration(text: string): number | undefined {
  const ms = text.startsWith('P') ? isoDuration(text) : parseQuantity(text, 'ms');
  return ms !== undefined && Number.isSafeInteger(ms) && ms >= 0 ? ms : undefined;
}

/** Days, hours, minutes and seconds, as java.time.Duration takes them; and weeks. */
function isoDuration(text: string): number | undefined {
  const match = /^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,3})?)S)?)?$/.exec(text);
  if (match === null || !/\d[A-Z]$/.test(text)) return undefined;
  const [weeks, days, hours, minutes, seconds] = match.slice(1).map((part) => Number(part ?? 0));
  return Math.round(((((weeks! * 7 + days!) * 24 + hours!) * 60 + minutes!) * 60 + seconds!) * 1_000);
}

export function checkPoll({ maxBytes = 1, maxRecords = 1, waitMs = 0 }: PollOptions): void {
  if (!Number.isSafeInteger(maxBytes) || maxBytes < 1) throw invalid('"maxBytes" is a whole number from 1');
  if (maxRecords !== Number.POSITIVE_INFINITY && (!Number.isSafeInteger(maxRecords) || maxRecords < 1))
    throw invalid('"maxRecords" is a whole number from 1');
  if (!(waitMs >= 0)) throw invalid('"waitMs" is a number from 0');
}

/** Checks the form of offsets to be committed, not whether they lie in the log. */
export function checkOffsets(offsets: readonly OffsetToCommit[], maxMetadataBytes: number): void {
  if (!Array.isArray(offsets)) throw invalid('"offsets" is a list of {topic, partition, offset}');
  const seen = new Set<string>();
  for (const { topic, partition, offset, metadata } of offsets) {
    checkTopicName(topic);
    if (!Number.isSafeInteger(partition) || partition < 0)
      throw invalid('"partition" is a whole number from 0');
    if (!Number.isSafeInteger(offset) || offset < 0)
      throw invalid('"offset" is a whole number from 0 to 2^53-1', { topic, partition });
    if (metadata !== undefined && metadata !== null && !isText(metadata, maxMetadataBytes))
      throw invalid(`"metadata" has at most ${maxMetadataBytes} bytes (offset.metadata.max.bytes)`, {
        topic,
        partition,
        setting: 'offset.metadata.max.bytes',
      });
    const place = `${topic}/${partition}`;
    if (seen.has(place))
      throw invalid(`partition ${partition} of topic "${topic}" is named twice`, { topic, partition });
    seen.add(place);
  }
}

export function checkReset(request: ResetRequest, maxMetadataBytes: number): void {
  const { offsets, to, topics, partitions } = request;
  if ((offsets === undefined) === (to === undefined)) throw invalid('a reset has either "offsets" or "to"');
  if (offsets !== undefined) {
    if (topics !== undefined || partitions !== undefined)
      throw invalid('"topics" and "partitions" go with "to": "offsets" name their partitions themselves');
    checkOffsets(offsets, maxMetadataBytes);
    return;
  }
  checkTarget(to);
  if (topics !== undefined && !Array.isArray(topics)) throw invalid('"topics" is a list of names');
  for (const topic of topics ?? []) checkTopicName(topic);
  if (partitions !== undefined && !Array.isArray(partitions))
    throw invalid('"partitions" is a list of {topic, partitions}');
  const places = (partitions ?? []).flatMap(({ topic, partitions: numbers }) => {
    if (!Array.isArray(numbers)) throw invalid('"partitions" is a list of {topic, partitions}');
    if (topics?.includes(topic)) throw invalid(`topic "${topic}" is named twice`, { topic });
    return numbers.map((partition) => ({ topic, partition, offset: 0 }));
  });
  checkOffsets(places, maxMetadataBytes);
}

function checkTarget(to: unknown): void {
  if (to === 'earliest' || to === 'latest') return;
  const [[name, value] = [], ...others] = Object.entries(typeof to === 'object' && to !== null ? to : {});
  const isNumber = Number.isSafeInteger(value);
  if (
    others.length === 0 &&
    isNumber &&
    (name === 'shift' || (TARGETS.includes(name!) && (value as number) >= 0))
  )
    return;
  throw invalid(
    '"to" is "earliest", "latest", {"offset"}, {"timestamp"}, {"shift"} or {"durationMs"} with a whole number',
  );
}

export function invalid(message: string, details: Record<string, string | number> = {}): SeglogError {
  return new SeglogError('INVALID_REQUEST', message, details);
}

function isText(text: unknown, maxBytes: number): text is string {
  return typeof text === 'string' && text.isWellFormed() && Buffer.byteLength(text) <= maxBytes;
}

function isShortText(text: unknown, maxBytes: number): text is string {
  return isText(text, maxBytes) && !/[\u0000-\u001f\u007f-\u009f]/.test(text);
}
