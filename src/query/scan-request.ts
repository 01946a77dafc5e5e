/** What a scan is asked and what it answers: plain data, which travels between threads. */
import type { Order, PartitionBound } from './event-order.ts';
import type { Expression } from './expression.ts';

/** Where batches lie one after the other in a file: a block of a segment, or all of it. */
export interface FileRange {
  readonly position: number;
  /** Exclusive. */
  readonly end: number;
}

export type ScanSource =
  | { readonly path: string; readonly ranges: readonly FileRange[] }
  /** Whole, checked batches. */
  | { readonly chunks: readonly Uint8Array[] };

export interface ScanRequest {
  readonly source: ScanSource;
  readonly filter: {
    readonly expression: Expression;
    /** The time of an event lies in [from, until). */
    readonly from: number;
    readonly until: number;
    readonly firstOffset: number;
    /** Exclusive. */
    readonly endOffset: number;
    /** All events have the times of their records. */
    readonly recordTimes: boolean;
  };
  /** What is wanted of the events that pass: themselves, or counts of them. */
  readonly events?: EventsWanted;
  readonly counts?: CountsWanted;
  /** Of a ScanControl. */
  readonly control: SharedArrayBuffer;
}

export interface EventsWanted {
  readonly order: Order;
  /** Only what comes behind it. */
  readonly after: PartitionBound | null;
  /** At most so many, the first ones. */
  readonly limit: number;
  /** Of their values together; one is given whatever its size. */
  readonly maxBytes: number;
}

export interface CountsWanted {
  /** What is counted by value. */
  readonly fields: readonly string[];
  /** Of the buckets of the histogram. */
  readonly intervalMs: number;
}

/** Events in the order that was asked for, in columns. */
export interface FoundEvents {
  readonly timestamps: Float64Array;
  readonly offsets: Float64Array;
  /** Where each value ends in `bytes`; the first begins at 0. */
  readonly ends: Uint32Array;
  readonly bytes: Uint8Array;
  /** There are more within the limit, for which there was no room. */
  readonly more: boolean;
}

export interface ScanResult {
  readonly events?: FoundEvents;
  readonly counts?: FoundCounts;
  /** Read from the file. */
  readonly bytesRead: number;
  /** Batches whose records were looked at, and how many records they have. */
  readonly batches: number;
  readonly records: number;
}

/** Counts of one value of a field. */
export interface ValueCount {
  readonly value: string | null;
  count: number;
  first: number;
  last: number;
}

/** Events of one bucket of the histogram with one level. */
export interface BucketCount {
  /** When the bucket begins, ms since 1970. */
  readonly time: number;
  readonly level: string | null;
  count: number;
}

export interface FoundCounts {
  total: number;
  /** Infinity and -Infinity where there are none. */
  first: number;
  last: number;
  /** In the order of the fields. */
  readonly fields: readonly (readonly ValueCount[])[];
  readonly histogram: readonly BucketCount[];
}

/** What a scan met instead of an answer. */
export type ScanFault =
  /** The file is gone: the log may have it elsewhere. */
  | 'missing'
  /** Bytes are not what they should be, or are of something else by now. */
  | 'damaged'
  | 'cancelled';

export type ScanAnswer = { result: ScanResult } | { fault: ScanFault } | { error: string };
