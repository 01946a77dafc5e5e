/** What `seglog topics describe` prints: tables that fit on a screen, and a line for everything that is wrong. */
import type { Output } from './io.ts';
import { bytesFor, humanBytes, humanDuration, range, table } from './text.ts';
import type { DeletionInfo, PartitionInfo, SegmentInfo, TopicInfo } from './topics-client.ts';

export function descriptionText(info: TopicInfo, output: Output, now: number): string {
  const parts = [
    `topic ${info.name} (${info.id})\n`,
    partitionTable(info, output),
    timeTable(info, now),
    troubleOf(info),
    configTable(info),
  ];
  return parts.filter((part) => part !== '').join('\n');
}

function partitionTable(info: TopicInfo, output: Output): string {
  const rows = info.partitions.map((each) => [
    String(each.partition),
    String(each.logStartOffset),
    String(each.highWatermark),
    String(each.logEndOffset),
    bytesFor(output, each.bytes),
    String(each.segments),
    dirtiness(each),
  ]);
  const head = ['PARTITION', 'LOG-START', 'HIGH-WATERMARK', 'LOG-END', 'BYTES', 'SEGMENTS', 'DIRTY'];
  return table(head, rows);
}

/** "62%", "100% due"; a partition that is not compacted is not dirty either. */
function dirtiness({ compaction }: PartitionInfo): string {
  if (compaction === null) return '-';
  return `${Math.round(compaction.dirtyRatio * 100)}%${compaction.due ? ' due' : ''}`;
}

function timeTable(info: TopicInfo, now: number): string {
  const rows = info.partitions.map((each) => [
    String(each.partition),
    each.minTimestamp ?? '-',
    each.maxTimestamp ?? '-',
    deletion(each, now),
  ]);
  return table(['PARTITION', 'FROM', 'TO', 'NEXT-DELETION'], rows);
}

/** "0–4520 in 3 d 4 h or 1.2 GiB more", "0–4520 after 1.2 GiB more", "never"; of an empty partition there is nothing to say. */
function deletion({ nextDeletion, minTimestamp }: PartitionInfo, now: number): string {
  if (nextDeletion === null) return minTimestamp === null ? '-' : 'never';
  return `${range(nextDeletion.baseOffset, nextDeletion.endOffset)} ${whenDeleted(nextDeletion, now)}`;
}

function whenDeleted({ at, afterBytes }: DeletionInfo, now: number): string {
  const ms = at === null ? Number.POSITIVE_INFINITY : Date.parse(at) - now;
  if (ms <= 0 || afterBytes === 0) return 'now';
  // A time that no date can express never comes.
  const age = Number.isFinite(ms) ? `in ${humanDuration(ms)}` : undefined;
  if (afterBytes === null) return age ?? 'never';
  return `${age === undefined ? 'after' : `${age} or`} ${humanBytes(afterBytes)} more`;
}

/** A line for everything that is wrong or was repaired; nothing when all is well. */
function troubleOf(info: TopicInfo): string {
  let text = '';
  for (const each of info.partitions) {
    if (each.fenced !== null) text += `partition ${each.partition} takes no records: ${each.fenced}\n`;
    for (const { firstOffset, endOffset, reason } of each.damaged) {
      text += `partition ${each.partition} is damaged at offsets ${range(firstOffset, endOffset)}: ${reason}\n`;
    }
    for (const gap of each.gaps) {
      text += `partition ${each.partition} lost offsets ${range(gap.firstOffset, gap.endOffset)} to a repair on ${gap.repairedAt}: ${gap.reason}\n`;
    }
  }
  return text;
}

function configTable(info: TopicInfo): string {
  const rows = Object.entries(info.config).map(([name, entry]) => [name, String(entry.value), entry.source]);
  return table(['SETTING', 'VALUE', 'FROM'], rows);
}

export function segmentTable(
  partitions: readonly { partition: number; segments: readonly SegmentInfo[] }[],
  output: Output,
): string {
  const rows = partitions.flatMap(({ partition, segments }) =>
    segments.map((each) => [
      String(partition),
      String(each.baseOffset),
      String(each.endOffset),
      String(each.records),
      String(each.batches),
      bytesFor(output, each.bytes),
      each.sealed ? 'sealed' : 'active',
      each.minTimestamp ?? '-',
      each.maxTimestamp ?? '-',
    ]),
  );
  return table(['PARTITION', 'BASE', 'END', 'RECORDS', 'BATCHES', 'BYTES', 'STATE', 'FROM', 'TO'], rows);
}
