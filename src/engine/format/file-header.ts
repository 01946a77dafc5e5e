/**
 * The 16 bytes that segments, indexes and sidecar files begin with, in every version of them:
 *
 *     0   4 bytes  magic, four letters: which kind of file this is
 *     4   u16      version
 *     6   u16      reserved, zero
 *     8   u64      checksum: XXH3-64 of all the bytes that it protects, with this field as zero
 *
 * The checksum protects the version too: a flipped bit in it is damage, not a newer program's work.
 */

import { SeglogError } from '../common/errors.ts';
import { ChecksumOfPieces, checksumInto, checksumMatches } from './checksum.ts';

export const FILE_HEADER_BYTES = 16;
const VERSION_AT = 4;
const RESERVED_AT = 6;
const CHECKSUM_AT = 8;
/** A checksum of so much takes a fraction of a millisecond. */
const BYTES_AT_ONCE = 4 * 1024 * 1024;

export interface FileFormat {
  /** Four letters. */
  readonly magic: string;
  /** The newest version that this program knows, and the one it writes. */
  readonly version: number;
  /** For messages: "a segment", "an offset index". */
  readonly name: string;
}

export type FileHeaderFault = 'truncated' | 'magic' | 'checksum' | 'fields';

/** Writes the header over the first 16 of `bytes`, which the checksum protects as they are now. */
export function writeFileHeader(bytes: Buffer, format: FileFormat): void {
  writeHeaderFields(bytes, format);
  checksumInto(bytes, bytes, CHECKSUM_AT);
}

/** As `writeFileHeader`, for a file in pieces of which the first one has room for the header. `pause` is awaited now and then. */
export async function writeHeaderOfPieces(
  pieces: readonly Buffer[],
  format: FileFormat,
  pause: () => Promise<void>,
): Promise<void> {
  const [first] = pieces;
  writeHeaderFields(first!, format);
  const checksum = new ChecksumOfPieces();
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; at += BYTES_AT_ONCE) {
      checksum.add(piece.subarray(at, at + BYTES_AT_ONCE));
      if (at + BYTES_AT_ONCE < piece.length) await pause();
    }
  }
  checksum.into(first!, CHECKSUM_AT);
}

function writeHeaderFields(bytes: Buffer, format: FileFormat): void {
  bytes.write(format.magic, 0, VERSION_AT, 'latin1');
  bytes.writeUInt16LE(format.version, VERSION_AT);
  bytes.writeUInt16LE(0, RESERVED_AT);
  bytes.fill(0, CHECKSUM_AT, FILE_HEADER_BYTES);
}

/** What is wrong with the header of `bytes` or with what it protects, null when nothing is. Throws
 *  UNSUPPORTED_VERSION for a newer version whose checksum is right. */
export function checkFileHeader(bytes: Buffer, format: FileFormat): FileHeaderFault | null {
  if (bytes.length < FILE_HEADER_BYTES) return 'truncated';
  if (bytes.toString('latin1', 0, VERSION_AT) !== format.magic) return 'magic';
  if (!checksumIsRight(bytes)) return 'checksum';
  const version = bytes.readUInt16LE(VERSION_AT);
  if (version > format.version) throw newerVersion(format, version);
  return version === 0 || bytes.readUInt16LE(RESERVED_AT) !== 0 ? 'fields' : null;
}

function checksumIsRight(bytes: Buffer): boolean {
  const stored = Buffer.from(bytes.subarray(CHECKSUM_AT, FILE_HEADER_BYTES));
  bytes.fill(0, CHECKSUM_AT, FILE_HEADER_BYTES);
  try {
    return checksumMatches(bytes, stored, 0);
  } finally {
    bytes.set(stored, CHECKSUM_AT);
  }
}

function newerVersion(format: FileFormat, version: number): SeglogError {
  return new SeglogError(
    'UNSUPPORTED_VERSION',
    `${format.name} has format version ${version}, and this program knows up to ${format.version}: open the data ` +
      'with the release of seglog that wrote it, or a later one',
    { version, supported: format.version },
  );
}
