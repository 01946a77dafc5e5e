/** The inputs of `seglog ingest`: standard input, or files, all of which are opened before anything is sent. Compressed ones are read as what is in them. */
import { type FileHandle, open } from 'node:fs/promises';
import { basename } from 'node:path';
import type { Io } from './io.ts';

export interface IngestInput {
  /** For messages. */
  readonly name: string;
  /** Bytes of the file; undefined where they are not known beforehand (a pipe, a device). */
  readonly bytes: number | undefined;
  readonly isStandardInput: boolean;
  /** Bytes of the file that were read so far. */
  bytesRead: number;
  /** The source that the file's name suggests. */
  readonly suggestedSource: string | undefined;
  pieces(signal: AbortSignal): AsyncIterable<Buffer>;
  close(): Promise<void>;
}

const PIECE_BYTES = 1024 * 1024;
const GZIP = Buffer.from([0x1f, 0x8b]);
const ZSTD = Buffer.from([0x28, 0xb5, 0x2f, 0xfd]);

export type FileCoding = 'gzip' | 'zstd';

/** No files, or "-" among them, is standard input. Throws an Error for a file that cannot be read. */
export async function openIngestInputs(files: readonly string[], io: Io): Promise<IngestInput[]> {
  if (files.length === 0) return [standardInput(io)];
  const inputs: IngestInput[] = [];
  try {
    for (const file of files) inputs.push(file === '-' ? standardInput(io) : await openFile(file));
  } catch (error) {
    await Promise.all(inputs.map((input) => input.close()));
    throw error;
  }
  return inputs;
}

/** A file, or why it cannot be read in words. */
export async function openReadable(file: string): Promise<{ handle: FileHandle; bytes: number | undefined }> {
  const handle = await open(file).catch((error: NodeJS.ErrnoException) => {
    throw new Error(`cannot read ${file}: ${reasonOf(error)}`);
  });
  const status = await handle.stat();
  if (!status.isDirectory()) return { handle, bytes: status.isFile() ? status.size : undefined };
  await handle.close();
  throw new Error(`cannot read ${file}: it is a directory; name the files in it`);
}

function reasonOf({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ENOENT') return 'there is no such file';
  return code === 'EACCES' ? 'no permission' : message;
}

/** How a file is compressed, by its first bytes. */
export async function codingOf(handle: FileHandle): Promise<FileCoding | undefined> {
  const { buffer } = await handle.read(Buffer.alloc(ZSTD.length), 0, ZSTD.length, 0);
  if (buffer.subarray(0, GZIP.length).equals(GZIP)) return 'gzip';
  return buffer.equals(ZSTD) ? 'zstd' : undefined;
}

/** What is in compressed pieces. */
export async function* decoded(
  file: string,
  coding: FileCoding,
  pieces: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer> {
  const { decodePieces } = await import('../server/index.ts');
  try {
    yield* decodePieces(coding, pieces, Number.POSITIVE_INFINITY);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw code === 'corrupt_payload'
      ? new Error(`${file} is damaged or cut off: it is no complete ${coding} file`)
      : error;
  }
}

/** "access" for "/var/log/nginx/access.log.2.gz". */
export function sourceOfFile(file: string): string | undefined {
  const name = basename(file)
    .replace(/\.(?:gz|zst|zstd)$/i, '')
    .replace(/[.-](?:\d{1,3}|\d{8}(?:-\d+)?|\d{4}-\d\d-\d\d)$/, '')
    .replace(/\.(?:log|txt|out|err|json|jsonl|ndjson)$/i, '');
  return name === '' ? undefined : name;
}

async function openFile(file: string): Promise<IngestInput> {
  const { handle, bytes } = await openReadable(file);
  // The first bytes of what is no regular file are not there a second time.
  const coding = bytes === undefined ? undefined : await codingOf(handle);
  const input: IngestInput = {
    name: file,
    bytes,
    isStandardInput: false,
    bytesRead: 0,
    suggestedSource: sourceOfFile(file),
    pieces(signal) {
      const stream = handle.createReadStream({ highWaterMark: PIECE_BYTES, signal, autoClose: false });
      const counted = countedPieces(stream, input);
      return coding === undefined ? counted : decoded(file, coding, counted);
    },
    close: () => handle.close(),
  };
  return input;
}

function standardInput(io: Io): IngestInput {
  const input: IngestInput = {
    name: 'standard input',
    bytes: undefined,
    isStandardInput: true,
    bytesRead: 0,
    suggestedSource: undefined,
    pieces(signal) {
      signal.addEventListener('abort', () => void io.stdin.destroy());
      return countedPieces(io.stdin, input);
    },
    close: async () => {},
  };
  return input;
}

async function* countedPieces(pieces: AsyncIterable<Buffer>, input: IngestInput): AsyncGenerator<Buffer> {
  for await (const piece of pieces) {
    input.bytesRead += piece.length;
    yield piece;
  }
}
