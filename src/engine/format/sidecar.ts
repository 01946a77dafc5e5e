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
import { checkFileHeader, FILE_HEADER_BYTES, type FileFormat, writeFileHeader } from './file-header.ts';

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
/** An encoder keeps the memory of the largest body that it had: what is larger than this gets one of its own. */
const MAX_KEPT_BYTES = 64 * 1024;
/** What a body takes beside large pieces of it. */
const FRAME_BYTES = 1024;

/** `largeBytes`: about how much of the body is in pieces that may be large. */
export function encodeSidecar(kind: SidecarKind, body: unknown, largeBytes = 0): Buffer {
  const isLarge = largeBytes > MAX_KEPT_BYTES;
  const used = isLarge ? new Encoder({ initialBufferSize: largeBytes + FRAME_BYTES }) : encoder;
  const encoded = used.encodeSharedRef(body);
  const bytes = Buffer.allocUnsafe(FILE_HEADER_BYTES + encoded.length);
  bytes.set(encoded, FILE_HEADER_BYTES);
  writeFileHeader(bytes, FORMATS[kind]);
  return bytes;
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
