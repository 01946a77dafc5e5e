/** What `seglog groups` prints: who is in a group, what each member reads, and how far behind it is. */
import type { TopicPartitions } from '../engine/index.ts';
import type { GroupInfo, OffsetChanges } from './groups-client.ts';
import { harmless } from './paint.ts';
import { count, humanDuration, table } from './text.ts';

export function groupText(info: GroupInfo, now: number): string {
  const parts = [heading(info, now), offsetTable(info), memberTable(info)];
  return parts.filter((part) => part !== '').join('\n');
}

/** "group web: Stable, 2 members, generation 4, cooperative-sticky, 120 records behind". */
function heading(
  { groupId, state, members, generation, assignor, offsets, expiresAt }: GroupInfo,
  now: number,
): string {
  const lag = offsets.reduce((sum, each) => sum + (each.lag ?? 0), 0);
  const facts = [state, count(members.length, 'member'), `generation ${generation}`];
  if (assignor !== null) facts.push(assignor);
  facts.push(`${count(lag, 'record')} behind`);
  if (expiresAt !== null) facts.push(expiry(Date.parse(expiresAt) - now));
  return `group ${harmless(groupId)}: ${facts.join(', ')}\n`;
}

function expiry(ms: number): string {
  return `forgotten ${ms <= 0 ? 'now' : `in ${humanDuration(ms)}`} unless somebody joins`;
}

function offsetTable({ offsets }: GroupInfo): string {
  if (offsets.length === 0) return '';
  const rows = offsets.map((each) => [
    each.topic,
    String(each.partition),
    String(each.committed ?? '-'),
    String(each.logEndOffset),
    String(each.lag ?? '-'),
    each.committedAt ?? '-',
    each.memberId ?? '-',
  ]);
  const head = ['TOPIC', 'PARTITION', 'CURRENT-OFFSET', 'LOG-END-OFFSET', 'LAG', 'COMMITTED-AT', 'MEMBER'];
  return table(head, rows);
}

function memberTable({ members }: GroupInfo): string {
  if (members.length === 0) return '';
  const rows = members.map((each) => [
    each.memberId,
    each.clientId === '' ? '-' : each.clientId,
    partitionsText(each.assignment),
    partitionsText(each.revoking),
    partitionsText(each.pending),
    each.idleMs === 0 ? 'now' : `${humanDuration(each.idleMs)} ago`,
  ]);
  return table(['MEMBER', 'CLIENT-ID', 'READS', 'GIVES-UP', 'GETS', 'HEARD-OF'], rows);
}

/** "access 0,2 app 1". */
function partitionsText(assignment: readonly TopicPartitions[]): string {
  if (assignment.length === 0) return '-';
  return assignment.map(({ topic, partitions }) => `${topic} ${partitions.join(',')}`).join(' ');
}

export function changeTable({ offsets }: OffsetChanges): string {
  const rows = offsets.map((each) => [
    each.topic,
    String(each.partition),
    String(each.before ?? '-'),
    String(each.after),
  ]);
  return table(['TOPIC', 'PARTITION', 'FROM', 'TO'], rows);
}
