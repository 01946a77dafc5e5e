/**
 * From what is known of a segment's blocks to what is to be read of it: pure. A unit is what one scan reads: some blocks of one
 * segment. The first units in the order of a query are small, since a few events are mostly all that is wanted; further ones
 * are larger, because then much has to be looked at.
 *
 * The units of a segment depend on the query and on the segment alone: asked again, the same units are scanned, and what they
 * had to give may still be known.
 */
import { SEGMENT_HEADER_BYTES, type SearchSegment } from '../engine/index.ts';
import type { BlockSet } from './block-set.ts';
import type { Order } from './event-order.ts';
import type { FileRange } from './scan-request.ts';
import type { BlockTable } from './search-index.ts';

export interface ScanUnit {
  readonly partition: number;
  readonly segment: SearchSegment;
  readonly ranges: readonly FileRange[];
  /** All offsets of the blocks, and of those between them. */
  readonly firstOffset: number;
  /** Exclusive. */
  readonly endOffset: number;
  /** Of the times of its events; Infinity the wrong way round where nothing is known. */
  readonly minTime: number;
  readonly maxTime: number;
  /** All events have the times of their records. */
  readonly recordTimes: boolean;
  /** What it has of the file stays as it is, as long as the file is the segment's. */
  readonly settled: boolean;
}

/** A unit has at most so many blocks, and so many bytes once decompressed. */
const MAX_UNIT_BLOCKS = 32;
const MAX_UNIT_BYTES = 8 * 1024 * 1024;
/** So many units of a size come before larger ones. */
const UNITS_OF_A_SIZE = 2;

export interface SegmentBlocks {
  readonly partition: number;
  readonly segment: SearchSegment;
  readonly table: BlockTable;
  /** Those that may hold what is looked for. */
  readonly blocks: BlockSet;
  /** Those with events of other times than their records have. */
  readonly otherTimes: BlockSet;
}

/** What is to be read of a segment, in units; for counting (no order) they are as large as they may be. */
export function unitsOf(
  { partition, segment, table, blocks, otherTimes }: SegmentBlocks,
  order?: Order,
): ScanUnit[] {
  const list = [...blocks];
  if (order === 'desc') list.reverse();
  const units: ScanUnit[] = [];
  for (let at = 0; at < list.length; ) {
    const most = order === undefined ? MAX_UNIT_BLOCKS : sizeOfUnit(units.length);
    const taken = [list[at++]!];
    let bytes = table.bytes[taken[0]!]!;
    while (at < list.length && taken.length < most && bytes + table.bytes[list[at]!]! <= MAX_UNIT_BYTES) {
      bytes += table.bytes[list[at]!]!;
      taken.push(list[at++]!);
    }
    taken.sort((a, b) => a - b);
    units.push(unitOf(partition, segment, table, taken, otherTimes));
  }
  return units;
}

function sizeOfUnit(before: number): number {
  return Math.min(MAX_UNIT_BLOCKS, 2 ** Math.floor(before / UNITS_OF_A_SIZE));
}

function unitOf(
  partition: number,
  segment: SearchSegment,
  { positions, offsets, minTimes, maxTimes }: BlockTable,
  blocks: readonly number[],
  otherTimes: BlockSet,
): ScanUnit {
  return {
    partition,
    segment,
    ranges: blocks.map((block) => ({ position: positions[block]!, end: positions[block + 1]! })),
    firstOffset: offsets[blocks[0]!]!,
    endOffset: offsets[blocks.at(-1)! + 1]!,
    minTime: blocks.reduce((least, block) => Math.min(least, minTimes[block]!), Number.POSITIVE_INFINITY),
    maxTime: blocks.reduce((most, block) => Math.max(most, maxTimes[block]!), Number.NEGATIVE_INFINITY),
    recordTimes: !blocks.some((block) => otherTimes.has(block)),
    settled: true,
  };
}

/** All of a segment. */
export function unindexedUnit(partition: number, segment: SearchSegment): ScanUnit {
  const { bytes, baseOffset, endOffset } = segment;
  return unknownUnit(
    partition,
    segment,
    { position: SEGMENT_HEADER_BYTES, end: bytes },
    baseOffset,
    endOffset,
  );
}

/** A piece of a segment of which nothing is known but where it lies. */
export function unknownUnit(
  partition: number,
  segment: SearchSegment,
  range: FileRange,
  firstOffset: number,
  endOffset: number,
): ScanUnit {
  const times = { minTime: Number.NEGATIVE_INFINITY, maxTime: Number.POSITIVE_INFINITY };
  return {
    partition,
    segment,
    ranges: [range],
    firstOffset,
    endOffset,
    ...times,
    recordTimes: false,
    settled: segment.sealed,
  };
}
