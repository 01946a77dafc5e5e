/**
 * PartitionReader: reads one partition of a daemon's topic from a start to an end, a page at a time.
 *
 * One fetch at a time. `nextOffset` is where the next fetch goes on; it is known after the first one.
 */
import { decode } from '@msgpack/msgpack';
import type { HttpClient, Query, RequestOptions } from './http-client.ts';
import type { ConsumedRecord } from './record-format.ts';
import { partitionRecordsPath } from './topics-client.ts';
import { consumedRecord, type WireRecord } from './wire-record.ts';

/** Where reading begins: one of the query parameters of the daemon's read route. */
export type ReadStart = { offset: number } | { timestamp: string } | { tail: number };

/** Where reading ends, exclusively. Without either it never ends. */
export interface ReadEnd {
  offset?: number;
  /** Ends before the first record that is not older than this (ms), and at the log's end once the time has come. */
  timestamp?: number;
}

export interface FetchLimits {
  maxBytes: number;
  maxRecords?: number;
  /** How long the daemon may wait for a first record. */
  waitMs: number;
  /** Longest wait for its answer, with that. Default: none. */
  timeout?: Pick<RequestOptions, 'timeoutMs' | 'timeoutOption'>;
}

interface WirePage {
  records: WireRecord[];
  nextOffset: number;
  highWatermark: number;
}

export class PartitionReader {
  readonly partition: number;
  /** Undefined before the first fetch, unless reading begins at an offset. */
  nextOffset: number | undefined;
  /** True once the end is reached: there is nothing more to fetch. */
  finished = false;
  readonly #client: HttpClient;
  readonly #topic: string;
  readonly #start: ReadStart;
  readonly #end: ReadEnd;

  constructor(client: HttpClient, topic: string, partition: number, start: ReadStart, end: ReadEnd) {
    this.#client = client;
    this.#topic = topic;
    this.partition = partition;
    this.#start = start;
    this.#end = end;
    if ('offset' in start) {
      this.nextOffset = start.offset;
      this.finished = end.offset !== undefined && start.offset >= end.offset;
    }
  }

  /** The next records in offset order; none when the wait was in vain or the end is reached. */
  async fetch(limits: FetchLimits, signal?: AbortSignal): Promise<ConsumedRecord[]> {
    const timeLeftMs = Math.max(0, (this.#end.timestamp ?? Number.POSITIVE_INFINITY) - Date.now());
    const query: Query = {
      ...(this.nextOffset === undefined ? this.#start : { offset: this.nextOffset }),
      until_offset: this.#end.offset,
      max_records: limits.maxRecords,
      max_bytes: limits.maxBytes,
      wait_ms: Math.min(timeLeftMs, limits.waitMs),
    };
    const path = partitionRecordsPath(this.#topic, this.partition);
    const response = await this.#client.request('GET', path, {
      query,
      headers: { accept: 'application/msgpack' },
      signal,
      ...limits.timeout,
    });
    return this.#take(decode(response.body) as WirePage, timeLeftMs === 0);
  }

  #take(page: WirePage, timeIsUp: boolean): ConsumedRecord[] {
    const records: ConsumedRecord[] = [];
    for (const wire of page.records) {
      const record = consumedRecord(this.#topic, this.partition, wire);
      if (this.#end.timestamp !== undefined && record.timestamp >= this.#end.timestamp) {
        this.finished = true;
        this.nextOffset = wire.offset;
        return records;
      }
      records.push(record);
    }
    this.nextOffset = page.nextOffset;
    if (this.#end.offset !== undefined && page.nextOffset >= this.#end.offset) this.finished = true;
    if (timeIsUp && page.nextOffset >= page.highWatermark) this.finished = true;
    return records;
  }
}
