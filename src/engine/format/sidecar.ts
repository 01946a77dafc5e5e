/**
 * A sidecar: a small file of facts beside the log. What the facts are is the business of whoever keeps
 * them; this is the container, the same for each kind.
 *
 *     0   16 bytes  file header, magic by kind; its checksum protects the whole file
 *     16  body, one msgpack value
 *
 * Integers in a body are safe integers. A sidecar is replaced as a whole, never changed in place.
 */
import { Decoder, Encoder } from '@msgpack/msgpack';
import {
  checkFileHeader,
  FILE_HEADER_BYTES,
  type FileFormat,
  writeFileHeader,
  writeHeaderOfPieces,
} from './file-header.ts';

export type SidecarKind = 'summary' | 'checkpoint' | 'log start' | 'cleaned' | 'producers' | 'clean';

const FORMATS: Readonly<Record<SidecarKind, FileFormat>> = {
  summary: { magic: 'SLSU', version: 1, name: 'a segment summary' },
  checkpoint: { magic: 'SLCP', version: 1, name: 'a checkpoint' },
  'log start': { magic: 'SLLS', version: 1, name: 'a log start' },
  cleaned: { magic: 'SLCL', version: 1, name: 'a note of what was compacted' },
  producers: { magic: 'SLPR', version: 1, name: 'a snapshot of producers' },
  clean: { magic: 'SLCM', version: 1, name: 'the clean-shutdown marker' },
};

const encoder = new Encoder();
/** In msgpack, of a map with up to 15 entries. */
const FEW_ENTRIES = 0x80;

export function encodeSidecar(kind: SidecarKind, body: unknown): Buffer {
  const encoded = encoder.encodeSharedRef(body);
  const bytes = Buffer.allocUnsafe(FILE_HEADER_BYTES + encoded.length);
  bytes.set(encoded, FILE_HEADER_BYTES);
  writeFileHeader(bytes, FORMATS[kind]);
  return bytes;
}

/**
 * As `encodeSidecar`, of a body that has `large` as further entries, each an array of bytes: the file in pieces, in which these lie as
 * they are. They may be tens of megabytes, which to copy would take long: `pause` is awaited now and then.
 */
export async function encodeLargeSidecar(
  kind: SidecarKind,
  small: Readonly<Record<string, unknown>>,
  large: Readonly<Record<string, Buffer>>,
  pause: () => Promise<void>,
): Promise<Buffer[]> {
  const fields = Buffer.from(encoder.encodeSharedRef(small));
  const entries = Object.entries(large);
  fields[0] = FEW_ENTRIES + Object.keys(small).length + entries.length;
  const pieces: Buffer[] = [];
  let before = Buffer.concat([Buffer.alloc(FILE_HEADER_BYTES), fields]);
  for (const [name, bytes] of entries) {
    pieces.push(Buffer.concat([before, encoder.encodeSharedRef(name), binHeader(bytes.length)]), bytes);
    before = Buffer.alloc(0);
  }
  await writeHeaderOfPieces(pieces, FORMATS[kind], pause);
  return pieces;
}

/** What msgpack puts before an array of so many bytes. */
function binHeader(length: number): Buffer {
  if (length < 2 ** 8) return Buffer.from([0xc4, length]);
  const header = Buffer.alloc(length < 2 ** 16 ? 3 : 5);
  header[0] = header.length === 3 ? 0xc5 : 0xc6;
  header.writeUIntBE(length, 1, header.length - 1);
  return header;
}

/** The body, undefined when the file is damaged or of another kind; UNSUPPORTED_VERSION when it is newer. */
export function decodeSidecar<T>(kind: SidecarKind, bytes: Buffer): T | undefined {
  if (checkFileHeader(bytes, FORMATS[kind]) !== null) return undefined;
  const body = bytes.subarray(FILE_HEADER_BYTES);
  // Each element, character and byte takes at least a byte: no length beyond that is to be believed.
  const limits = {
    maxStrLength: body.length,
    maxBinLength: body.length,
    maxArrayLength: body.length,
    maxMapLength: body.length,
    maxExtLength: body.length,
  };
  try {
    return new Decoder(limits).decode(body) as T;
  } catch {
    return undefined;
  }
}
