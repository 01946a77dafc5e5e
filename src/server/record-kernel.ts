/**
 * Writes ordinary records with code that looks at 16 bytes at a time (wasm/record-kernel.ts), several times as fast as a
 * RecordWriter. That is who knows how each and every record is written: the kernel writes the same bytes for those it
 * knows, and stops before others, before limits and before damage. It never fails.
 *
 * The batches and the answer have to lie in buffers of the pool; nothing is written where they do not.
 */

import { WebAssembly } from '../query/index.ts';
import { poolMemory } from './buffer-pool.ts';
import type { OutputBuffer } from './output-buffer.ts';
import { RECORD_KERNEL_WASM } from './record-kernel-wasm.ts';

interface Global {
  readonly value: number;
}

/** What wasm/record-kernel.ts exports; positions are those of the pool's memory. */
interface Kernel {
  readonly frames: Global;
  readonly answerEnd: Global;
  readonly records: Global;
  readonly nextOffset: Global;
  readonly roomNeeded: Global;
  readonly batchEnd: Global;
  writeRecords(
    frame: number,
    chunk: number,
    chunkEnd: number,
    from: number,
    end: number,
    written: number,
    maxRecords: number,
    answer: number,
    answerLimit: number,
    softLimit: number,
  ): number;
}

const kernel = new WebAssembly.Instance(new WebAssembly.Module(Buffer.from(RECORD_KERNEL_WASM, 'base64')), {
  env: { memory: poolMemory },
}).exports as Kernel;

/** What stands around the fields of a record: up to 31 bytes each, as latin1 text. */
export interface RecordFrame {
  begin: string;
  timestamp: string;
  /** With what stands before the value. */
  noKey: string;
  key: string;
  value: string;
  noValue: string;
  end: string;
}

export interface KernelOptions {
  /** Numbers and bytes are packed as MessagePack has them; they are JSON else. */
  packed?: boolean;
  /** A byte between records. */
  separator?: number;
}

/** How the kernel is to write records: where the frame lies in its memory. */
export type KernelFormat = number & { readonly kernelFormat: unique symbol };

const SLOT_BYTES = 32;
const SLOTS = 8;
/** As many as there is room for. */
const MAX_FORMATS = 4;
let formats = 0;

/** Puts a frame where the kernel finds it: seven slots of text with its length at the end, and one of options. */
export function kernelFormat(
  frame: RecordFrame,
  { packed = false, separator = 0 }: KernelOptions,
): KernelFormat {
  if (formats === MAX_FORMATS) throw new RangeError('the kernel has no room for another format');
  const at = kernel.frames.value + formats++ * SLOTS * SLOT_BYTES;
  const slots = Buffer.from(poolMemory.buffer, at, SLOTS * SLOT_BYTES);
  const { begin, timestamp, noKey, key, value, noValue, end } = frame;
  const options = String.fromCharCode(packed ? 1 : 0, separator);
  for (const [i, text] of [begin, timestamp, noKey, key, value, noValue, end, options].entries()) {
    slots.write(text, i * SLOT_BYTES, 'latin1');
    slots[(i + 1) * SLOT_BYTES - 1] = text.length;
  }
  return at as KernelFormat;
}

export interface KernelLimits {
  /** Exclusive. */
  endOffset: number;
  maxRecords: number;
  /** Of the answer, which only its first record may pass. */
  maxLength: number;
}

/** How far a call came. */
export interface KernelProgress {
  /** The batch that it stopped in, from begin to end: positions in the chunk; both are its length when nothing is left. */
  stoppedAt: number;
  batchEnd: number;
  /** Of the answer so far. */
  records: number;
  nextOffset: number;
}

/** Adds the records of a chunk of batches, from position `at` and offset `from` on, to an answer that has `records`. */
export function writeOrdinaryRecords(
  format: KernelFormat,
  out: OutputBuffer,
  chunk: Buffer,
  at: number,
  from: number,
  records: number,
  { endOffset, maxRecords, maxLength }: KernelLimits,
): KernelProgress {
  const progress = { stoppedAt: at, batchEnd: chunk.length, records, nextOffset: from };
  const start = chunk.byteOffset;
  let room = 0;
  do {
    out.reserve(room);
    const { buffer, byteOffset, length } = out.bytes;
    if (chunk.buffer !== poolMemory.buffer || buffer !== poolMemory.buffer) return progress;
    const stoppedAt = kernel.writeRecords(
      format,
      start + progress.stoppedAt,
      start + chunk.length,
      progress.nextOffset,
      endOffset,
      progress.records,
      maxRecords,
      byteOffset + out.length,
      byteOffset + length,
      byteOffset + Math.max(0, Math.min(maxLength, length)),
    );
    out.length = kernel.answerEnd.value - byteOffset;
    progress.stoppedAt = stoppedAt - start;
    progress.batchEnd = kernel.batchEnd.value - start;
    progress.records = kernel.records.value;
    progress.nextOffset = kernel.nextOffset.value;
    room = kernel.roomNeeded.value;
  } while (room > 0);
  return progress;
}
