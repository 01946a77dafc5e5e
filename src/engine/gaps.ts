/**
 * The record of what `seglog repair` gave up: ranges of offsets that hold nothing any more, with the owner's consent.
 * Reads pass over them. A JSON file beside the segments, replaced as one step, for people to read as well.
 */
import { SeglogError } from './errors.ts';
import { type FileContent, readWholeFile } from './file-operations.ts';
import type { FileSystem } from './file-system.ts';
import { gapsPath } from './log-file-names.ts';
import type { OffsetGap } from './types.ts';

export const GAPS_VERSION = 1;

export async function readGaps(fileSystem: FileSystem, partitionDir: string): Promise<OffsetGap[]> {
  const bytes = await readWholeFile(fileSystem, gapsPath(partitionDir));
  if (bytes === undefined) return [];
  let file: { version: number; gaps: OffsetGap[] };
  try {
    file = JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new SeglogError(
      'CORRUPT_MESSAGE',
      `${gapsPath(partitionDir)} is no JSON: restore or remove it`,
      {},
      { cause: error },
    );
  }
  if (file.version > GAPS_VERSION) {
    throw new SeglogError('UNSUPPORTED_VERSION', `gaps.json has version ${file.version}: use a newer seglog`);
  }
  return file.gaps;
}

export function gapsFile(partitionDir: string, gaps: readonly OffsetGap[]): FileContent {
  const text = `${JSON.stringify({ version: GAPS_VERSION, gaps }, null, 2)}\n`;
  return { path: gapsPath(partitionDir), buffers: [Buffer.from(text)] };
}
