/**
 * Knowing a file again: by its begin, which stays when it is renamed, copied or compressed, and by its inode while it has no
 * begin yet.
 */
import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { codingOf, decoded } from '../ingest-inputs.ts';

export interface FileIdentity {
  readonly device: number;
  readonly inode: number;
  /** How many bytes of the begin `hash` is of. */
  readonly headBytes: number;
  readonly hash: string;
}

/** As much of the begin as is looked at. */
export const HEAD_BYTES = 1024;

/** Of the open file as it is now. */
export async function identityOf(handle: FileHandle): Promise<FileIdentity> {
  const { dev: device, ino: inode } = await handle.stat();
  const head = await headOf(handle, HEAD_BYTES);
  return { device, inode, headBytes: head.length, hash: hashOf(head) };
}

/** Whether the open file begins as the known one did; one that had no begin is known by its inode. */
export async function isSameFile(handle: FileHandle, known: FileIdentity): Promise<boolean> {
  if (known.headBytes === 0) {
    const { dev, ino } = await handle.stat();
    return dev === known.device && ino === known.inode;
  }
  const head = await headOf(handle, known.headBytes);
  return head.length === known.headBytes && hashOf(head) === known.hash;
}

/** As isSameFile, for a file of that name whose content may be compressed. */
export async function holdsFile(path: string, known: FileIdentity): Promise<boolean> {
  const handle = await open(path).catch(() => undefined);
  if (handle === undefined) return false;
  try {
    const coding = await codingOf(handle);
    if (coding === undefined) return await isSameFile(handle, known);
    if (known.headBytes === 0) return false;
    let head: Buffer = Buffer.alloc(0);
    const stream = handle.createReadStream({ autoClose: false });
    for await (const piece of decoded(path, coding, stream)) {
      head = Buffer.concat([head, piece]);
      if (head.length >= known.headBytes) break;
    }
    return head.length >= known.headBytes && hashOf(head.subarray(0, known.headBytes)) === known.hash;
  } catch {
    // Damaged, or gone meanwhile.
    return false;
  } finally {
    await handle.close();
  }
}

async function headOf(handle: FileHandle, bytes: number): Promise<Buffer> {
  const buffer = Buffer.alloc(bytes);
  let length = 0;
  for (;;) {
    const { bytesRead } = await handle.read(buffer, length, bytes - length, length);
    length += bytesRead;
    if (bytesRead === 0 || length === bytes) return buffer.subarray(0, length);
  }
}

function hashOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
