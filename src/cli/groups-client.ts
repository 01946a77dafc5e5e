/** What the daemon says of consumer groups, and the paths of its HTTP interface that lead there. */
import type {
  GroupDescription,
  GroupListing,
  GroupOffset,
  MemberView,
  OffsetChange,
  PartitionOffset,
} from '../engine/index.ts';
import { ServerError, UsageError } from './errors.ts';
import type { HttpClient, RequestOptions } from './http-client.ts';
import { nearestTo } from './nearest.ts';
import type { WireRecord } from './wire-record.ts';

export interface GroupPage extends MemberView {
  records: (WireRecord & { topic: string; partition: number })[];
  /** What to commit once the records are dealt with. */
  positions: PartitionOffset[];
  /** Reads on behind these records without a commit. */
  cursor: string | null;
  /** Partitions that failed while others gave something. */
  errors: { topic: string; partition: number; error: { detail: string } }[];
}

/** As the engine's GroupOffset, with its time in ISO 8601. */
export type OffsetInfo = Omit<GroupOffset, 'committedAt'> & { committedAt: string | null };

/** As the engine's GroupDescription, with times in ISO 8601. */
export type GroupInfo = Omit<GroupDescription, 'offsets' | 'expiresAt'> & {
  offsets: OffsetInfo[];
  expiresAt: string | null;
};

export interface OffsetChanges {
  dryRun: boolean;
  offsets: OffsetChange[];
}

/** A hint is not worth a longer wait. */
const HINT_TIMEOUT_MS = 2_000;

export function groupPath(group: string): string {
  // A URL with these as a segment would name something else; the daemon judges all other names.
  if (['', '.', '..'].includes(group)) throw new UsageError(`"${group}" is no name of a group`);
  return `/api/groups/${encodeURIComponent(group)}`;
}

export async function listGroups(client: HttpClient, options?: RequestOptions): Promise<GroupListing[]> {
  return (await client.json<{ groups: GroupListing[] }>('GET', '/api/groups', options)).groups;
}

export function describeGroup(
  client: HttpClient,
  group: string,
  options?: RequestOptions,
): Promise<GroupInfo> {
  return client.json<GroupInfo>('GET', groupPath(group), options);
}

/** When `error` says that the group does not exist: an Error that tells of one with a similar name; else `error` itself. */
export async function explainUnknownGroup(
  client: HttpClient,
  group: string,
  error: unknown,
): Promise<unknown> {
  if (!(error instanceof ServerError && error.code === 'unknown_group')) return error;
  const near = await nearestTo(group, async () =>
    (await listGroups(client, { timeoutMs: HINT_TIMEOUT_MS })).map((each) => each.groupId),
  );
  const hint = near === undefined ? '' : `did you mean "${near}"? If not, `;
  return new Error(`there is no group "${group}": ${hint}see \`seglog groups list\``, { cause: error });
}
