/**
 * Reads a range of a partition piece by piece and writes its records, up to limits on records and bytes.
 * One `step` reads and writes one piece, so that the caller decides between them whether to go on, to send
 * what there is, or to wait for the client: memory does not depend on the size of the range.
 */
import {
  type Engine,
  type ReadResult,
  type RecordVisitor,
  SeglogError,
  visitRecords,
} from '../engine/index.ts';
import { giveBuffer, takeBuffer } from './buffer-pool.ts';
import type { OutputBuffer } from './output-buffer.ts';
import type { RecordFormat } from './record-formats.ts';
import { type KernelFormat, writeOrdinaryRecords } from './record-kernel.ts';
import { Turns } from './turns.ts';

/** A step of a scan may take some 20 ms; more at once would only take as long one behind the other. */
export const scanTurns = new Turns(4);

/** Read at one time. */
export const PIECE_BYTES = 512 * 1024;
const SMALL_PIECE_BYTES = 64 * 1024;
const SMALLEST_PIECE_BYTES = 16 * 1024;
/** Room for a batch of the largest size that topics take unless they say otherwise: it is read as a whole. */
const ROOM_BYTES = 1024 * 1024 + SMALL_PIECE_BYTES;
/** A guess at the size of a record, to read less where few records are wanted. */
const BYTES_PER_RECORD = 1024;

export interface ScanRange {
  topic: string;
  partition: number;
  /** First offset. */
  start: number;
  /** Exclusive. */
  end: number;
}

export interface ScanLimits {
  maxRecords: number;
  /** Of the answer; one record is given whatever its size. */
  maxBytes: number;
  /**
   * Of what one step writes. A batch that was decompressed is written to its end all the same, up to four times as much.
   * Without it a step writes all of a piece, however well that is compressed.
   */
  stepBytes?: number;
  /** A byte between records, where the format has one. */
  separator?: number;
  /** Records that the answer has already, of other ranges. */
  recordsBefore?: number;
}

export class PartitionScan {
  /** The next offset to read. */
  nextOffset: number;
  /** Records of the answer so far. */
  records: number;
  readonly #engine: Engine;
  readonly #range: ScanRange;
  readonly #limits: ScanLimits;
  readonly #out: OutputBuffer;
  readonly #format: RecordFormat;
  readonly #visit: RecordVisitor;
  #pieceBytes: number;
  /** Bytes that were read, and those that were written of them. */
  #readBytes = 0;
  #writtenBytes = 0;
  /** Bytes written in earlier steps. */
  #sentBytes = 0;
  #full = false;
  /** Where in the output the present step began. */
  #stepStart = 0;

  constructor(engine: Engine, range: ScanRange, limits: ScanLimits, out: OutputBuffer, format: RecordFormat) {
    this.#engine = engine;
    this.#range = range;
    this.#limits = limits;
    this.#out = out;
    this.#format = format;
    this.nextOffset = range.start;
    this.records = limits.recordsBefore ?? 0;
    const wanted = Math.min(
      limits.maxBytes,
      Math.max(SMALL_PIECE_BYTES, limits.maxRecords * BYTES_PER_RECORD),
    );
    this.#pieceBytes = Math.min(PIECE_BYTES, wanted);
    this.#visit = this.#visitor(out, format);
  }

  /** True when a limit or the end of the range is reached. */
  get done(): boolean {
    return this.#full || this.nextOffset >= this.#range.end;
  }

  /** What was written so far has left the output buffer. */
  sent(bytes: number): void {
    this.#sentBytes += bytes;
  }

  /**
   * Reads and writes one piece, or as much of it as memory allows where it is compressed; false when there is nothing
   * left to read now.
   * @throws SeglogError OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE, UNKNOWN_TOPIC_OR_PARTITION; what was written before stays.
   */
  step(): Promise<boolean> {
    return this.done ? Promise.resolve(false) : scanTurns.run(() => this.#step());
  }

  async #step(): Promise<boolean> {
    const memory = takeBuffer(ROOM_BYTES);
    try {
      return await this.#readPiece(memory);
    } finally {
      giveBuffer(memory);
    }
  }

  /** What the rest of the answer takes, going by what the first part took, and a little more. */
  #nextBytes(): number {
    const left = this.#limits.maxBytes - this.#sentBytes - this.#out.length;
    const share = this.#writtenBytes === 0 ? 1 : this.#readBytes / this.#writtenBytes;
    return Math.min(this.#pieceBytes, Math.ceil(Math.max(0, left) * share * 1.125) + SMALLEST_PIECE_BYTES);
  }

  async #readPiece(into: Buffer): Promise<boolean> {
    const { topic, partition } = this.#range;
    const from = this.nextOffset;
    this.#stepStart = this.#out.length;
    const result = await this.#engine.read(topic, partition, {
      offset: from,
      maxBytes: this.#nextBytes(),
      into,
    });
    for (const chunk of this.#inPool(result, into)) {
      if (this.#write(chunk, from)) continue;
      // The rest of the piece was read in vain.
      this.#pieceBytes = Math.max(SMALL_PIECE_BYTES, this.#pieceBytes >>> 1);
      return !this.#full;
    }
    this.#readBytes += result.bytes;
    this.#writtenBytes += this.#out.length - this.#stepStart;
    this.nextOffset = Math.min(this.#range.end, result.nextOffset);
    return result.nextOffset > from && !this.done;
  }

  /** What was read, in `memory` where it fits: batches that are not in their segment yet come from elsewhere. */
  #inPool({ chunks, bytes }: ReadResult, memory: Buffer): readonly Buffer[] {
    if (this.#format.kernel === undefined || chunks.length === 0 || chunks[0]!.buffer === memory.buffer)
      return chunks;
    if (bytes > memory.length) return chunks;
    let at = 0;
    for (const chunk of chunks) at += chunk.copy(memory, at);
    return [memory.subarray(0, at)];
  }

  /** Writes the records of a chunk; false when a limit or the end of the range was reached. */
  #write(chunk: Buffer, from: number): boolean {
    const { kernel } = this.#format;
    for (let at = 0; at < chunk.length; ) {
      const rest = kernel === undefined ? chunk : this.#writeOrdinary(kernel, chunk, at);
      // What is out of the ordinary, malformed, or at a limit.
      if (!visitRecords(rest, from, this.#visit)) return false;
      at = rest.byteOffset - chunk.byteOffset + rest.length;
    }
    return true;
  }

  /** The batch before whose end the kernel stopped; empty when it wrote all. */
  #writeOrdinary(format: KernelFormat, chunk: Buffer, at: number): Buffer {
    const { maxRecords, maxBytes, stepBytes = Number.POSITIVE_INFINITY } = this.#limits;
    const maxLength = Math.min(maxBytes - this.#sentBytes, this.#stepStart + stepBytes);
    const limits = { endOffset: this.#range.end, maxRecords, maxLength };
    const progress = writeOrdinaryRecords(
      format,
      this.#out,
      chunk,
      at,
      this.nextOffset,
      this.records,
      limits,
    );
    this.records = progress.records;
    this.nextOffset = progress.nextOffset;
    return chunk.subarray(progress.stoppedAt, progress.batchEnd);
  }

  #visitor(out: OutputBuffer, { write }: RecordFormat): RecordVisitor {
    const { end } = this.#range;
    const { maxRecords, maxBytes, stepBytes = Number.POSITIVE_INFINITY, separator } = this.#limits;
    let batch: Buffer | undefined;
    return (offset, timestamp, chunk, keyStart, keyEnd, valueStart, valueEnd, headersStart) => {
      // The kernel wrote it.
      if (offset < this.nextOffset) return true;
      if (offset >= end || this.records >= maxRecords) return this.#stop(offset >= end ? end : offset);
      const before = out.length;
      const written = before - this.#stepStart;
      if (written >= stepBytes && (chunk !== batch || written >= 4 * stepBytes)) {
        this.nextOffset = offset;
        return false;
      }
      batch = chunk;
      if (separator !== undefined && this.records > 0) out.byte(separator);
      write(out, undefined, offset, timestamp, chunk, keyStart, keyEnd, valueStart, valueEnd, headersStart);
      if (this.records > 0 && this.#sentBytes + out.length > maxBytes) {
        out.truncate(before);
        return this.#stop(offset);
      }
      this.records++;
      this.nextOffset = offset + 1;
      return true;
    };
  }

  #stop(nextOffset: number): boolean {
    this.#full = true;
    this.nextOffset = nextOffset;
    return false;
  }
}

/** Where a read begins and ends, as the parameters of a request say. */
export interface RangeParameters {
  offset?: number;
  timestamp?: number;
  tail?: number;
  until_offset?: number;
  until_timestamp?: number;
}

/** The first offset of a read: `byDefault` when no parameter says one. */
export async function resolveStart(
  engine: Engine,
  topic: string,
  partition: number,
  parameters: RangeParameters,
  byDefault: 'logStartOffset' | 'highWatermark',
): Promise<number> {
  const bounds = engine.offsets(topic, partition);
  if (parameters.tail !== undefined)
    return Math.max(bounds.logStartOffset, bounds.highWatermark - parameters.tail);
  if (parameters.timestamp !== undefined)
    return engine.offsetForTimestamp(topic, partition, parameters.timestamp);
  const start = parameters.offset ?? bounds[byDefault];
  if (start < bounds.logStartOffset || start > bounds.highWatermark)
    throw outOfRange(topic, partition, start, bounds);
  return start;
}

/** The end (exclusive) of a read; infinite when no parameter says one. */
export async function resolveEnd(
  engine: Engine,
  topic: string,
  partition: number,
  parameters: RangeParameters,
): Promise<number> {
  let end = parameters.until_offset ?? Number.POSITIVE_INFINITY;
  if (parameters.until_timestamp !== undefined) {
    const found = await engine.offsetForTimestamp(topic, partition, parameters.until_timestamp);
    end = Math.min(end, found);
  }
  return end;
}

function outOfRange(
  topic: string,
  partition: number,
  offset: number,
  bounds: ReturnType<Engine['offsets']>,
): SeglogError {
  const { logStartOffset, highWatermark } = bounds;
  const message = `partition ${topic}-${partition} holds offsets ${logStartOffset} to ${highWatermark} (exclusive), not ${offset}`;
  return new SeglogError('OFFSET_OUT_OF_RANGE', message, {
    topic,
    partition,
    offset,
    logStartOffset,
    highWatermark,
  });
}
