/**
 * Large buffers that are used again: memory fresh from the system costs a page fault for every 4 KiB, which
 * for a page of records is as much as reading and writing it.
 */
const SMALLEST_BYTES = 64 * 1024;
const LARGEST_BYTES = 4 * 1024 * 1024;
/** Free buffers that are kept, in all. */
const KEPT_BYTES = 32 * 1024 * 1024;

const free = new Map<number, ArrayBufferLike[]>();
let kept = 0;

/** A buffer of at least `bytes`, with any content. */
export function takeBuffer(bytes: number): Buffer {
  if (bytes > LARGEST_BYTES) return Buffer.allocUnsafeSlow(bytes);
  let size = SMALLEST_BYTES;
  while (size < bytes) size *= 2;
  const found = free.get(size)?.pop();
  if (found === undefined) return Buffer.allocUnsafeSlow(size);
  kept -= size;
  return Buffer.from(found as ArrayBuffer);
}

/** Gives back what `takeBuffer` gave, or a view of it. Nobody may use the memory any more. */
export function giveBuffer({ buffer }: Buffer): void {
  const size = buffer.byteLength;
  if (size < SMALLEST_BYTES || size > LARGEST_BYTES || kept + size > KEPT_BYTES) return;
  const sameSize = free.get(size);
  if (sameSize === undefined) free.set(size, [buffer]);
  else sameSize.push(buffer);
  kept += size;
}
