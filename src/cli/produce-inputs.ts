/** The inputs of `seglog produce`: standard input, or files that are all looked at before anything is sent. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import type { Io } from './io.ts';

export interface ProduceInput {
  /** For messages. */
  readonly name: string;
  /** Undefined where it is not known beforehand (a pipe, a device). */
  readonly bytes: number | undefined;
  readonly isStandardInput: boolean;
  open(): Readable;
}

/** No files, or "-" among them, is standard input. Throws an Error for a file that cannot be read. */
export async function openInputs(
  files: readonly string[],
  io: Io,
  chunkBytes: number,
): Promise<ProduceInput[]> {
  if (files.length === 0) return [standardInput(io)];
  return Promise.all(
    files.map(async (file) => {
      if (file === '-') return standardInput(io);
      const status = await stat(file).catch((error: NodeJS.ErrnoException) => {
        throw new Error(
          `cannot read ${file}: ${error.code === 'ENOENT' ? 'there is no such file' : error.message}`,
        );
      });
      if (status.isDirectory())
        throw new Error(`cannot read ${file}: it is a directory; name the files in it`);
      return {
        name: file,
        bytes: status.isFile() ? status.size : undefined,
        isStandardInput: false,
        open: () => createReadStream(file, { highWaterMark: chunkBytes }),
      };
    }),
  );
}

function standardInput(io: Io): ProduceInput {
  return { name: 'standard input', bytes: undefined, isStandardInput: true, open: () => io.stdin };
}
