/** What the daemon says of topics, and the paths of its HTTP interface that lead there. */
import type {
  CompactionState,
  ConfigEntry,
  DamagedRange,
  NextDeletion,
  OffsetGap,
  TopicListing,
} from '../engine/index.ts';
import { ServerError, UsageError } from './errors.ts';
import type { HttpClient, RequestOptions } from './http-client.ts';
import { nearestTo } from './nearest.ts';

/** As the engine's NextDeletion, with its time in ISO 8601. */
export type DeletionInfo = Omit<NextDeletion, 'at'> & { at: string | null };

/** As the engine's PartitionDescription, with times in ISO 8601. */
export interface PartitionInfo {
  partition: number;
  logStartOffset: number;
  highWatermark: number;
  logEndOffset: number;
  bytes: number;
  segments: number;
  minTimestamp: string | null;
  maxTimestamp: string | null;
  fenced: string | null;
  damaged: DamagedRange[];
  gaps: OffsetGap[];
  compaction: CompactionState | null;
  nextDeletion: DeletionInfo | null;
}

export interface TopicInfo {
  name: string;
  id: string;
  partitions: PartitionInfo[];
  config: Record<string, ConfigEntry>;
}

export interface SegmentInfo {
  baseOffset: number;
  endOffset: number;
  bytes: number;
  records: number;
  batches: number;
  minTimestamp: string | null;
  maxTimestamp: string | null;
  sealed: boolean;
}

/** A hint is not worth a longer wait. */
const HINT_TIMEOUT_MS = 2_000;

/** A URL with these as a segment would name something else; the daemon judges all other names. */
export function assertTopicName(topic: string): void {
  if (['', '.', '..'].includes(topic)) throw new UsageError(`"${topic}" is no topic name`);
}

export function topicPath(topic: string): string {
  assertTopicName(topic);
  return `/api/topics/${encodeURIComponent(topic)}`;
}

export const recordsPath = (topic: string) => `${topicPath(topic)}/records`;
export const partitionRecordsPath = (topic: string, partition: number) =>
  `${topicPath(topic)}/partitions/${partition}/records`;
export const segmentsPath = (topic: string, partition: number) =>
  `${topicPath(topic)}/partitions/${partition}/segments`;

export async function listTopics(client: HttpClient, options?: RequestOptions): Promise<TopicListing[]> {
  return (await client.json<{ topics: TopicListing[] }>('GET', '/api/topics', options)).topics;
}

/** Throws an Error that tells of a topic with a similar name, and how to make this one, when it does not exist. */
export async function describeTopic(
  client: HttpClient,
  topic: string,
  options?: RequestOptions,
): Promise<TopicInfo> {
  try {
    return await client.json<TopicInfo>('GET', topicPath(topic), options);
  } catch (error) {
    throw await explainUnknownTopic(client, topic, error, `make it with \`seglog topics create ${topic}\``);
  }
}

/** When `error` says that the topic does not exist: an Error that says what to do about it; else `error` itself. */
export async function explainUnknownTopic(
  client: HttpClient,
  topic: string,
  error: unknown,
  remedy = 'see `seglog topics list`',
): Promise<unknown> {
  if (!isUnknownTopic(error)) return error;
  const near = await nearestTo(topic, async () =>
    (await listTopics(client, { timeoutMs: HINT_TIMEOUT_MS })).map((each) => each.name),
  );
  const hint = near === undefined ? '' : `did you mean "${near}"? If not, `;
  return new Error(`there is no topic "${topic}": ${hint}${remedy}`, { cause: error });
}

export function isUnknownTopic(error: unknown): boolean {
  return error instanceof ServerError && error.code === 'unknown_topic';
}

export async function listSegments(
  client: HttpClient,
  topic: string,
  partition: number,
): Promise<SegmentInfo[]> {
  return (await client.json<{ segments: SegmentInfo[] }>('GET', segmentsPath(topic, partition))).segments;
}
