/**
 * Large buffers that are used again: memory fresh from the system costs a page fault for every 4 KiB, which for a page of
 * records is as much as reading and writing it.
 *
 * They are runs of units of one memory, the lowest that is free each time, so that what was used last is used next. It is
 * the memory of a WebAssembly module, because the record kernel can work in no other. The system provides it as it is
 * touched. While all of it is taken, buffers are ordinary ones, which the kernel leaves to slower code.
 *
 * Who takes a buffer gives it back, whatever happens: nobody else does.
 */
import assert from 'node:assert';
import { WebAssembly } from '../query/index.ts';

const UNIT_BYTES = 64 * 1024;
const UNITS = 1024;
/** What the module itself needs, at the begin of the memory. */
const MODULE_UNITS = 1;
/** The kernel reads and writes a little past the end of a buffer. */
const SPARE_UNITS = 1;
/** What is larger comes from elsewhere: one answer shall not take what many others need. */
const LARGEST_BYTES = 8 * 1024 * 1024;

const pages = MODULE_UNITS + UNITS + SPARE_UNITS;
/** Never grown: that would take all buffers away from whoever uses them. */
export const poolMemory = new WebAssembly.Memory({ initial: pages, maximum: pages });

/** How many units are taken from this one on; zero for free ones, and for the others of a run. */
const takenUnits = new Uint16Array(UNITS);

/** A buffer of at least `bytes`, with any content. */
export function takeBuffer(bytes: number): Buffer {
  const units = Math.max(1, Math.ceil(bytes / UNIT_BYTES));
  const first = bytes > LARGEST_BYTES ? UNITS : firstFree(units);
  if (first + units > UNITS) return Buffer.allocUnsafeSlow(bytes);
  takenUnits[first] = units;
  return Buffer.from(poolMemory.buffer, (MODULE_UNITS + first) * UNIT_BYTES, units * UNIT_BYTES);
}

/** Where the first run of free units begins that is long enough. */
function firstFree(units: number): number {
  let first = 0;
  for (let at = 0; at < first + units && at < UNITS; ) {
    const taken = takenUnits[at]!;
    at += Math.max(1, taken);
    if (taken > 0) first = at;
  }
  return first;
}

/** Gives back what `takeBuffer` gave, or a view of its begin. Nobody may use the memory any more. */
export function giveBuffer({ buffer, byteOffset }: Buffer): void {
  if (buffer !== poolMemory.buffer) return;
  const first = byteOffset / UNIT_BYTES - MODULE_UNITS;
  assert(takenUnits[first]! > 0, 'a buffer is given back once');
  takenUnits[first] = 0;
}

/** Bytes of the pool that are taken now. */
export function takenBytes(): number {
  return takenUnits.reduce((sum, units) => sum + units, 0) * UNIT_BYTES;
}
