/** Files that are compressed: their bytes are no lines, so sending them as such is most likely a slip. */
import { open } from 'node:fs/promises';

const FORMATS = [
  { name: 'gzip', magic: Buffer.from([0x1f, 0x8b]), tool: 'zcat' },
  { name: 'zstd', magic: Buffer.from([0x28, 0xb5, 0x2f, 0xfd]), tool: 'zstdcat' },
] as const;

/** A sentence that tells how to send what is in the file; undefined for one that begins like any other. */
export async function compressedFileNote(file: string, topic: string): Promise<string | undefined> {
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, 0);
    const format = FORMATS.find(({ magic }) => buffer.subarray(0, magic.length).equals(magic));
    if (format === undefined) return undefined;
    return `${file} is ${format.name} and is sent as it is; for the lines in it: ${format.tool} ${file} | seglog produce ${topic}`;
  } finally {
    await handle.close();
  }
}
