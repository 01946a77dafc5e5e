/**
 * The JSON files of a data directory: small facts that people may want to read, and that must not change unnoticed.
 *
 *     { …fields, "checksum": "<16 hexadecimal digits>" }
 *
 * The checksum is XXH3-64 of all other fields as JSON without spaces, in the order in which they stand in the file. So a
 * file may be laid out in any way, but what it says is protected, its version too.
 */

import { SeglogError } from '../common/errors.ts';
import { checksumInto } from './checksum.ts';

type Fields = Record<string, unknown>;

/** The bytes of a file with these fields. */
export function encodeJsonFile(fields: object): Buffer {
  const plain = JSON.parse(JSON.stringify(fields)) as Fields;
  return Buffer.from(`${JSON.stringify({ ...plain, checksum: checksumOf(plain) }, null, 2)}\n`);
}

/** The fields of a file, or in one phrase what is wrong with it. */
export function decodeJsonFile(bytes: Buffer): Fields | string {
  let file: unknown;
  try {
    file = JSON.parse(bytes.toString('utf8'));
  } catch {
    return 'it is no JSON';
  }
  if (typeof file !== 'object' || file === null || Array.isArray(file)) return 'it is no JSON object';
  const { checksum, ...fields } = file as Fields;
  if (checksum === undefined) return 'it has no checksum';
  return checksum === checksumOf(fields) ? fields : 'its checksum is wrong';
}

/** Throws UNSUPPORTED_VERSION for a version above `supported`. Anything but a whole number from 1 on is a fault: false. */
export function checkJsonVersion(version: unknown, supported: number, name: string): boolean {
  if (typeof version !== 'number' || !Number.isSafeInteger(version) || version < 1) return false;
  if (version <= supported) return true;
  throw new SeglogError(
    'UNSUPPORTED_VERSION',
    `${name} has format version ${version}, and this program knows up to ${supported}: open the data with the release ` +
      'of seglog that wrote it, or a later one',
    { version, supported },
  );
}

function checksumOf(fields: Fields): string {
  const sum = Buffer.alloc(8);
  checksumInto(Buffer.from(JSON.stringify(fields)), sum, 0);
  return sum.reverse().toString('hex');
}
