/**
 * Shows what is in one file of a data directory, item by item, whatever state it is in. Reads only, takes no lock, and
 * goes on behind damage. The file's kind is told by its name, or by its first bytes where it has another name by now.
 */
import { basename } from 'node:path';
import { SeglogError } from '../common/errors.ts';
import { readFully } from '../files/file-operations.ts';
import type { FileHandle } from '../files/file-system.ts';
import {
  CLEANED_NAME,
  JOURNAL_SUFFIX,
  OFFSET_INDEX_SUFFIX,
  PRODUCERS_NAME,
  SEARCH_SUFFIX,
  SEGMENT_SUFFIX,
  SUMMARY_SUFFIX,
  SWAP_SUFFIX,
  TIME_INDEX_SUFFIX,
} from '../files/log-file-names.ts';
import { nodeFileSystem } from '../files/node-file-system.ts';
import { type DumpItem, type DumpOptions, dumpItem } from './dump-item.ts';
import { dumpJournal } from './dump-journal.ts';
import { dumpSegment } from './dump-segment.ts';
import {
  dumpJson,
  dumpOffsetIndex,
  dumpProducers,
  dumpSearchFile,
  dumpSidecar,
  dumpTimeIndex,
} from './dump-small-files.ts';

type FileKind =
  | 'segment'
  | 'offset index'
  | 'time index'
  | 'summary'
  | 'search index'
  | 'checkpoint'
  | 'log start'
  | 'cleaned'
  | 'producers'
  | 'clean marker'
  | 'journal'
  | 'json';

const BY_NAME: readonly [suffix: string, kind: FileKind][] = [
  [TIME_INDEX_SUFFIX, 'time index'],
  [OFFSET_INDEX_SUFFIX, 'offset index'],
  [SEGMENT_SUFFIX, 'segment'],
  [SWAP_SUFFIX, 'segment'],
  [SUMMARY_SUFFIX, 'summary'],
  [SEARCH_SUFFIX, 'search index'],
  [JOURNAL_SUFFIX, 'journal'],
  ['checkpoint', 'checkpoint'],
  ['log-start', 'log start'],
  [CLEANED_NAME, 'cleaned'],
  [PRODUCERS_NAME, 'producers'],
  ['clean-shutdown', 'clean marker'],
  ['.json', 'json'],
];

const BY_MAGIC: Readonly<Record<string, FileKind>> = {
  SLSG: 'segment',
  SLOI: 'offset index',
  SLTI: 'time index',
  SLSU: 'summary',
  SLSX: 'search index',
  SLCP: 'checkpoint',
  SLLS: 'log start',
  SLCL: 'cleaned',
  SLPR: 'producers',
  SLCM: 'clean marker',
  SLJO: 'journal',
};

/** Throws INVALID_REQUEST for a file that is none of ours, UNSUPPORTED_VERSION for one of a newer version. */
export async function* dumpFile(path: string, options: DumpOptions = {}): AsyncGenerator<DumpItem> {
  const { fileSystem = nodeFileSystem, records = false } = options;
  const file = await fileSystem.open(path, 'read');
  try {
    const size = await file.size();
    const kind = await kindOf(path, file);
    yield dumpItem('file', `${path}: ${kind}, ${size} bytes`, { path, type: kind, bytes: size });
    if (kind === 'segment') yield* dumpSegment(path, file, size, records);
    else if (kind === 'journal') yield* dumpJournal(path, file, size, records);
    else yield* dumpWhole(kind, path, await readFully(file, size, 0));
  } finally {
    await file.close();
  }
}

async function kindOf(path: string, file: FileHandle): Promise<FileKind> {
  const name = basename(path).replace(/~$/, '');
  const named = BY_NAME.find(([suffix]) => name.endsWith(suffix))?.[1];
  const kind = named ?? BY_MAGIC[(await readFully(file, 4, 0)).toString('latin1')];
  if (kind !== undefined) return kind;
  throw new SeglogError(
    'INVALID_REQUEST',
    `${path} is no file that can be shown: name a .log, .index, .timeindex, .summary, .search or .journal file, a checkpoint, ` +
      'a log-start, a cleaned, a producers, a clean-shutdown or a .json file',
  );
}

function dumpWhole(kind: FileKind, path: string, bytes: Buffer): Iterable<DumpItem> {
  switch (kind) {
    case 'offset index':
      return dumpOffsetIndex(path, bytes);
    case 'time index':
      return dumpTimeIndex(path, bytes);
    case 'search index':
      return dumpSearchFile(bytes);
    case 'json':
      return dumpJson(bytes);
    case 'producers':
      return dumpProducers(bytes);
    case 'summary':
    case 'checkpoint':
    case 'log start':
    case 'cleaned':
      return dumpSidecar(kind, bytes);
    default:
      return dumpSidecar('clean', bytes);
  }
}
