/**
 * What a disk may hold after a crash. The process alone may die (`kill`: the OS keeps all that was written),
 * or the power goes: then everything synced is there, and of the rest whatever the variant says.
 *
 * What is kept apart is what a real file system keeps apart. Pieces of a file survive independently, in any
 * version they had since the last sync; the sizes of one file change in order; changes of a directory
 * survive independently, except that those of one name or one file survive in order.
 */

import { type Disk, ROOT, spaceOf } from './disk.ts';
import { applyEntryChange, DiskDirectory, type EntryChange } from './disk-directory.ts';
import {
  copyView,
  cutView,
  DiskFile,
  type FileView,
  type PendingWrite,
  PIECE_BYTES,
  patched,
} from './disk-file.ts';
import { combineSeeds, Random } from './random.ts';

interface PowerCut {
  /** Which unsynced bytes of a file survive: `prefix` up to a piece, `torn` up to any byte, in the order written. */
  readonly data: 'none' | 'all' | 'some' | 'prefix' | 'torn' | 'last';
  /** Which sizes: that of the last write that left something, any of them, or the last one whatever the data. */
  readonly size: 'as data' | 'some' | 'last';
  /** What is read where the size survived and the bytes did not. */
  readonly hole: 'zeros' | 'garbage';
  readonly entries: 'none' | 'all' | 'some';
}

const POWER_CUTS = {
  'only what was synced': { data: 'none', size: 'as data', hole: 'zeros', entries: 'none' },
  everything: { data: 'all', size: 'last', hole: 'zeros', entries: 'all' },
  'some pieces': { data: 'some', size: 'some', hole: 'zeros', entries: 'some' },
  'some pieces, garbage between': { data: 'some', size: 'last', hole: 'garbage', entries: 'all' },
  'cut at a sector': { data: 'prefix', size: 'as data', hole: 'zeros', entries: 'all' },
  'cut at a byte': { data: 'torn', size: 'as data', hole: 'zeros', entries: 'all' },
  'last write only': { data: 'last', size: 'last', hole: 'zeros', entries: 'all' },
  'size before data, zeros': { data: 'none', size: 'last', hole: 'zeros', entries: 'all' },
  'size before data, garbage': { data: 'none', size: 'last', hole: 'garbage', entries: 'all' },
  'names without data': { data: 'none', size: 'as data', hole: 'zeros', entries: 'all' },
  'data without names': { data: 'all', size: 'last', hole: 'zeros', entries: 'none' },
  'some names': { data: 'all', size: 'last', hole: 'zeros', entries: 'some' },
} as const satisfies Record<string, PowerCut>;

export type CrashVariant = 'kill' | keyof typeof POWER_CUTS;

export const CRASH_VARIANTS = ['kill', ...Object.keys(POWER_CUTS)] as CrashVariant[];

/** The disk after a crash; the disk given is not changed. */
export function crashDisk(disk: Disk, variant: CrashVariant, seed: number): Disk {
  const image = disk.clone();
  if (variant !== 'kill') cutPower(disk, image, POWER_CUTS[variant], combineSeeds(seed, variant));
  image.usedBytes = reachableSpace(image);
  return image;
}

function cutPower(disk: Disk, image: Disk, cut: PowerCut, seed: number): void {
  const survived = new Set<number>();
  const directories = [...disk.ids()].filter((id) => disk.directory(id));
  // Targets of renames between directories first: their sources ask whether they survived.
  for (const id of directories) {
    const directory = disk.directory(id)!;
    for (const change of survivingEntries(directory.pending, cut, new Random(seed, id)))
      survived.add(change.sequence);
  }
  const pending = new Set(
    directories.flatMap((id) => disk.directory(id)!.pending.map(({ sequence }) => sequence)),
  );
  const isThere = (sequence: number) => survived.has(sequence) || !pending.has(sequence);
  for (const id of disk.ids()) {
    const node = disk.node(id);
    image.put(
      id,
      node.kind === 'file'
        ? survivingFile(node, cut, new Random(seed, id))
        : survivingDirectory(node, isThere),
    );
  }
}

function survivingDirectory(directory: DiskDirectory, isThere: (sequence: number) => boolean): DiskDirectory {
  const entries = new Map(directory.durable);
  for (const change of directory.pending) {
    if (isThere(change.sequence) && (change.after === undefined || isThere(change.after))) {
      applyEntryChange(entries, change);
    }
  }
  return new DiskDirectory(entries, new Map(entries));
}

/** What happened to one name or to one file survives in order: nothing after the first change that was lost. */
function survivingEntries(pending: readonly EntryChange[], cut: PowerCut, random: Random): EntryChange[] {
  if (cut.entries === 'none') return [];
  if (cut.entries === 'all') return [...pending];
  const lost = new Set<number | string>();
  const chance = random.pick(CHANCES);
  return pending.filter((change) => {
    const touched = [change.add, change.remove].flatMap((entry) => (entry ? [entry.name, entry.node] : []));
    const survives = !touched.some((key) => lost.has(key)) && random.chance(chance);
    if (!survives) for (const key of touched) lost.add(key);
    return survives;
  });
}

function survivingFile(file: DiskFile, cut: PowerCut, random: Random): DiskFile {
  const view = copyView(file.durable);
  const bytes = survivingBytes(file, cut, random);
  const metadata = survivingMetadata(file, cut, bytes, random);
  const written = new Set<number>();
  let size = view.size;
  for (const [number, change] of file.pending.entries()) {
    if (change.kind === 'truncate') {
      if (number >= metadata) continue;
      cutView(view, change.size);
      size = change.size;
      continue;
    }
    for (const index of change.pieces.keys()) {
      const piece = survivingPiece(view, change, index, bytes[number]!);
      if (piece === undefined || isBehindLostTruncate(file, number, metadata, index)) continue;
      view.pieces.set(index, piece);
      written.add(index);
    }
    if (number < metadata)
      size = Math.max(size, cut.size === 'as data' ? bytesEnd(change, bytes[number]!) : change.end);
  }
  cutView(view, size);
  if (cut.hole === 'garbage') fillHoles(view, file, written, random);
  return new DiskFile(view, copyView(view));
}

/** Which bytes of one write survive: a set of pieces, or all bytes before a position. */
type Bytes = { readonly pieces: ReadonlySet<number> } | { readonly before: number };

const ALL: Bytes = { before: Number.MAX_SAFE_INTEGER };
const NONE: Bytes = { before: 0 };

/** How likely one piece or one name is to survive: a disk that was nearly done, half done, hardly begun. */
const CHANCES = [0.1, 0.5, 0.9, 0.98];

function survivingBytes(file: DiskFile, cut: PowerCut, random: Random): Bytes[] {
  const lastWrite = file.pending.findLastIndex((change) => change.kind === 'write');
  // Of the changes in order, all before this one survive, this one in part, and those after not.
  const torn = random.below(file.pending.length + 1);
  const chance = random.pick(CHANCES);
  return file.pending.map((change, number): Bytes => {
    switch (cut.data) {
      case 'none':
        return NONE;
      case 'all':
        return ALL;
      case 'last':
        return number === lastWrite ? ALL : NONE;
      case 'some':
        if (change.kind === 'truncate') return ALL;
        return { pieces: new Set([...change.pieces.keys()].filter(() => random.chance(chance))) };
      default:
        if (number !== torn || change.kind === 'truncate') return number < torn ? ALL : NONE;
        return { before: tornPosition(change, cut.data, random) };
    }
  });
}

function tornPosition(change: PendingWrite, where: 'prefix' | 'torn', random: Random): number {
  const position = change.position + 1 + random.below(change.end - change.position);
  return where === 'torn' ? position : Math.floor(position / PIECE_BYTES) * PIECE_BYTES;
}

/** How many of the file's changes count for its size, from the first on. */
function survivingMetadata(file: DiskFile, cut: PowerCut, bytes: readonly Bytes[], random: Random): number {
  if (cut.size === 'last') return file.pending.length;
  if (cut.size === 'some') return random.below(file.pending.length + 1);
  const lost = (number: number) => {
    const change = file.pending[number]!;
    return change.kind === 'truncate'
      ? bytes[number] === NONE
      : bytesEnd(change, bytes[number]!) <= change.position;
  };
  let count = 0;
  while (count < file.pending.length && !lost(count)) count++;
  return count;
}

function bytesEnd(change: PendingWrite, bytes: Bytes): number {
  return 'before' in bytes ? Math.min(change.end, Math.max(change.position, bytes.before)) : change.end;
}

function survivingPiece(
  view: FileView,
  change: PendingWrite,
  index: number,
  bytes: Bytes,
): Uint8Array | undefined {
  const piece = change.pieces.get(index)!;
  if ('pieces' in bytes) return bytes.pieces.has(index) ? piece : undefined;
  const kept = bytes.before - index * PIECE_BYTES;
  if (kept <= 0) return undefined;
  return kept >= PIECE_BYTES ? piece : patched(view.pieces.get(index), 0, piece.subarray(0, kept));
}

/** Space that a truncation freed is not used again before the truncation is durable. */
function isBehindLostTruncate(file: DiskFile, number: number, metadata: number, index: number): boolean {
  return file.pending.some(
    (change, at) =>
      change.kind === 'truncate' && at >= metadata && at < number && index * PIECE_BYTES >= change.size,
  );
}

/** Puts garbage where the file has grown over what was durable and the bytes written there are lost. */
function fillHoles(view: FileView, file: DiskFile, written: ReadonlySet<number>, random: Random): void {
  const lost = file.pending.flatMap((change) => (change.kind === 'write' ? [...change.pieces.keys()] : []));
  for (const index of new Set(lost)) {
    if (written.has(index)) continue;
    const from = Math.max(0, file.durable.size - index * PIECE_BYTES);
    const to = Math.min(PIECE_BYTES, view.size - index * PIECE_BYTES);
    if (to > from) view.pieces.set(index, patched(view.pieces.get(index), from, random.bytes(to - from)));
  }
}

function reachableSpace(disk: Disk): number {
  let bytes = 0;
  const visit = (id: number): void => {
    const node = disk.node(id);
    if (node.kind === 'file') bytes += spaceOf(node);
    else for (const child of node.entries.values()) visit(child);
  };
  visit(ROOT);
  return bytes;
}
