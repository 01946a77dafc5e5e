/**
 * The clean-shutdown marker: one file for the data directory, written last by a close that went well and
 * removed before the first write of the next life. While it is there, the segments need no scan: it lists
 * what each partition holds, and opening compares that with the names in the directory and the size of the
 * active segment. One marker, not one for each partition: removing it costs one sync, not hundreds.
 */
import { readWholeFile, removeIfExists, replaceFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import { cleanMarkerPath } from '../files/log-file-names.ts';
import { decodeSidecar, encodeSidecar } from '../format/sidecar.ts';
import { isProducerRange, type ProducerRange } from '../partition/producer-range.ts';
import { isSegmentStats, type SegmentStats } from '../segment/log-segment.ts';

/** A segment's stats as a row, in the order of SegmentStats: the marker of 10,000 segments stays small. */
type SegmentRow = number[];

interface MarkerBody {
  /** By topic id and partition, as "id/partition". */
  partitions: Record<string, PartitionEnds & { segments: SegmentRow[] }>;
}

interface PartitionEnds {
  logStartOffset: number;
  logEndOffset: number;
  /** Where batches lie that a retry may repeat; missing where none does. */
  producers?: ProducerRange;
}

export interface CleanPartition extends PartitionEnds {
  segments: SegmentStats[];
}

const key = (topicId: string, partition: number) => `${topicId}/${partition}`;

export class CleanMarker {
  readonly #body: MarkerBody;
  #counts: Map<string, number> | undefined;

  constructor(body: MarkerBody = { partitions: {} }) {
    this.#body = body;
  }

  /** A damaged one counts as missing. */
  static async read(fileSystem: FileSystem, data: string): Promise<CleanMarker | undefined> {
    const bytes = await readWholeFile(fileSystem, cleanMarkerPath(data));
    return bytes === undefined ? undefined : CleanMarker.decode(bytes);
  }

  /** Undefined when it is damaged. */
  static decode(bytes: Buffer): CleanMarker | undefined {
    const body = decodeSidecar<MarkerBody>('clean', bytes);
    return isMarkerBody(body) ? new CleanMarker(body) : undefined;
  }

  /** Of which partitions it tells: topic ids and partitions. */
  *partitions(): Generator<[topicId: string, partition: number]> {
    for (const name of Object.keys(this.#body.partitions)) {
      const [topicId, partition] = name.split('/');
      yield [topicId!, Number(partition)];
    }
  }

  /** One more than the highest partition that it tells of, 0 if none. */
  partitionsOf(topicId: string): number {
    this.#counts ??= this.#countPartitions();
    return this.#counts.get(topicId) ?? 0;
  }

  #countPartitions(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [topicId, partition] of this.partitions())
      counts.set(topicId, Math.max(counts.get(topicId) ?? 0, partition + 1));
    return counts;
  }

  set(topicId: string, partition: number, state: CleanPartition): void {
    this.#counts = undefined;
    const { logStartOffset, logEndOffset, producers, segments } = state;
    this.#body.partitions[key(topicId, partition)] = {
      logStartOffset,
      logEndOffset,
      ...(producers && { producers }),
      segments: segments.map(toRow),
    };
  }

  delete(topicId: string, partition: number): void {
    this.#counts = undefined;
    delete this.#body.partitions[key(topicId, partition)];
  }

  get(topicId: string, partition: number): CleanPartition | undefined {
    const name = key(topicId, partition);
    if (!Object.hasOwn(this.#body.partitions, name)) return undefined;
    const entry = this.#body.partitions[name]!;
    return { ...entry, segments: entry.segments.map(fromRow) };
  }

  /** Durable when it resolves; the caller has synced everything else before. */
  write(fileSystem: FileSystem, data: string): Promise<void> {
    return replaceFile(fileSystem, cleanMarkerPath(data), [encodeSidecar('clean', this.#body)]);
  }

  /** Gone for good when it resolves: only then may anything be written. */
  static async remove(fileSystem: FileSystem, data: string): Promise<void> {
    if (await removeIfExists(fileSystem, cleanMarkerPath(data))) await fileSystem.syncDirectory(data);
  }
}

function isMarkerBody(value: unknown): value is MarkerBody {
  const partitions = (value as MarkerBody | null | undefined)?.partitions;
  return (
    typeof partitions === 'object' &&
    partitions !== null &&
    Object.values(partitions).every(
      (entry) =>
        Number.isSafeInteger(entry?.logStartOffset) &&
        Number.isSafeInteger(entry.logEndOffset) &&
        (entry.producers === undefined || isProducerRange(entry.producers)) &&
        Array.isArray(entry.segments) &&
        entry.segments.every((row) => Array.isArray(row) && isSegmentStats(fromRow(row))),
    )
  );
}

function toRow(stats: SegmentStats): SegmentRow {
  return [
    stats.baseOffset,
    stats.endOffset,
    stats.bytes,
    stats.records,
    stats.batches,
    stats.firstTimestamp,
    stats.minTimestamp,
    stats.maxTimestamp,
    stats.firstAppendAt,
  ];
}

function fromRow(row: SegmentRow): SegmentStats {
  return {
    baseOffset: row[0]!,
    endOffset: row[1]!,
    bytes: row[2]!,
    records: row[3]!,
    batches: row[4]!,
    firstTimestamp: row[5]!,
    minTimestamp: row[6]!,
    maxTimestamp: row[7]!,
    firstAppendAt: row[8]!,
  };
}
