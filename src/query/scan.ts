/**
 * A scan: goes through blocks of one segment's file, or through batches in memory, and answers what passes. Each block is read
 * as a whole and, where the last events are wanted first, gone through from its end, so that most of what is not wanted any more
 * need not be looked at.
 *
 * The file is immutable where it is scanned. It may be gone, or another may have its name: what does not look as it should
 * is told as a fault, and whoever asked finds out what the log has there now.
 */
import {
  BATCH_HEADER_BYTES,
  batchSize,
  checkBatch,
  errnoOf,
  type FileSystem,
  isSeglogError,
  type ReadableFile,
  viewBatch,
} from '../engine/index.ts';
import { EventCollector } from './event-collector.ts';
import { MatchCounter } from './match-counter.ts';
import { RecordSearch, type RecordSink } from './record-search.ts';
import { ScanControl } from './scan-control.ts';
import type { FileRange, ScanFault, ScanRequest, ScanResult } from './scan-request.ts';
import { MAX_WINDOW_BYTES, type SearchKernel } from './search-kernel.ts';

/** What is read at a time of a range that is longer. */
const READ_BYTES = 1024 * 1024;

class Fault extends Error {
  readonly fault: ScanFault;

  constructor(fault: ScanFault) {
    super(fault);
    this.fault = fault;
  }
}

/** A kernel is for one scan at a time. Rejects only with what is a bug, or a failure of the system. */
export async function scan(
  fileSystem: FileSystem,
  kernel: SearchKernel,
  request: ScanRequest,
): Promise<{ result: ScanResult } | { fault: ScanFault }> {
  try {
    const run = new ScanRun(kernel, request);
    await run.all(fileSystem);
    return { result: run.result() };
  } catch (error) {
    if (error instanceof Fault) return { fault: error.fault };
    if (isSeglogError(error, 'CORRUPT_MESSAGE')) return { fault: 'damaged' };
    if (errnoOf(error) === 'ENOENT') return { fault: 'missing' };
    throw error;
  }
}

class ScanRun {
  readonly #request: ScanRequest;
  readonly #kernel: SearchKernel;
  readonly #search: RecordSearch;
  readonly #sink: RecordSink;
  readonly #events: EventCollector | undefined;
  readonly #counts: MatchCounter | undefined;
  readonly #control: ScanControl;
  readonly #backwards: boolean;
  #bytesRead = 0;
  #batches = 0;
  #records = 0;

  constructor(kernel: SearchKernel, request: ScanRequest) {
    this.#kernel = kernel;
    this.#request = request;
    this.#search = new RecordSearch(request.filter, kernel);
    this.#control = new ScanControl(request.control);
    this.#events = request.events && new EventCollector(request.events);
    this.#counts = request.counts && new MatchCounter(request.counts);
    this.#sink = (this.#events ?? this.#counts)!;
    this.#backwards = request.events?.order === 'desc';
  }

  async all(fileSystem: FileSystem): Promise<void> {
    const { source } = this.#request;
    if ('chunks' in source) {
      for (const chunk of this.#inTurn(source.chunks))
        this.#batchesOf(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length));
      return;
    }
    const file = await fileSystem.open(source.path, 'read');
    try {
      for (const range of this.#inTurn(source.ranges)) await this.#range(file, range);
    } finally {
      await file.close();
    }
  }

  result(): ScanResult {
    return {
      events: this.#events?.result(),
      counts: this.#counts?.result(),
      bytesRead: this.#bytesRead,
      batches: this.#batches,
      records: this.#records,
    };
  }

  #inTurn<T>(items: readonly T[]): readonly T[] {
    return this.#backwards ? items.toReversed() : items;
  }

  async #range(file: ReadableFile, { position, end }: FileRange): Promise<void> {
    let from = position;
    let wanted = Math.min(end - from, READ_BYTES);
    while (from < end) {
      const bytes = await this.#read(file, from, wanted);
      const whole = wholeBatches(bytes);
      if (whole === 0) {
        // A batch that is longer than that.
        const size = bytes.length < BATCH_HEADER_BYTES ? end - from : batchSize(bytes, 0);
        if (size <= bytes.length || size > end - from) throw new Fault('damaged');
        wanted = size;
        continue;
      }
      this.#batchesOf(bytes.subarray(0, whole));
      from += whole;
      wanted = Math.min(end - from, READ_BYTES);
    }
  }

  async #read(file: ReadableFile, position: number, length: number): Promise<Buffer> {
    const window = length <= MAX_WINDOW_BYTES ? this.#kernel.window(length) : Buffer.allocUnsafeSlow(length);
    for (let count = 0; count < length; ) {
      const read = await file.read(window, count, length - count, position + count);
      if (read === 0) throw new Fault('damaged');
      count += read;
    }
    this.#bytesRead += length;
    return window;
  }

  #batchesOf(chunk: Buffer): void {
    const places: number[] = [];
    for (let at = 0; at < chunk.length; at += batchSize(chunk, at)) {
      if (checkBatch(chunk, at, chunk.length) !== null) throw new Fault('damaged');
      places.push(at);
    }
    for (const at of this.#inTurn(places)) {
      if (this.#control.cancelled) throw new Fault('cancelled');
      const view = viewBatch(chunk, at);
      if (!this.#search.batch(chunk, at, view, this.#sink)) continue;
      this.#batches++;
      this.#records += view.records;
    }
  }
}

/** Bytes of the batches that are there as a whole. */
function wholeBatches(bytes: Buffer): number {
  let end = 0;
  while (bytes.length - end >= BATCH_HEADER_BYTES) {
    const size = batchSize(bytes, end);
    if (size < BATCH_HEADER_BYTES || size > bytes.length - end) break;
    end += size;
  }
  return end;
}
