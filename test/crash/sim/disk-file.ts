/**
 * A file of the simulated disk: what readers see now, what a power cut would leave for sure, and the changes
 * between the two, each of which may reach the disk by itself, in part, or not at all.
 *
 * Content is kept in pieces of 512 bytes, the unit in which a disk writes. A piece is never changed in
 * place, so copies of a file share the pieces. A piece that is not there reads as zeros.
 */
export const PIECE_BYTES = 512;

export interface FileView {
  size: number;
  readonly pieces: Map<number, Uint8Array>;
}

/** One unsynced write: the new state of each piece that it touches. */
export interface PendingWrite {
  readonly kind: 'write';
  readonly sequence: number;
  readonly position: number;
  /** Exclusive. */
  readonly end: number;
  readonly pieces: ReadonlyMap<number, Uint8Array>;
}

export interface PendingTruncate {
  readonly kind: 'truncate';
  readonly sequence: number;
  readonly size: number;
}

export type PendingChange = PendingWrite | PendingTruncate;

export class DiskFile {
  readonly kind = 'file';
  readonly current: FileView;
  readonly durable: FileView;
  pending: PendingChange[];

  constructor(current = emptyView(), durable = emptyView(), pending: PendingChange[] = []) {
    this.current = current;
    this.durable = durable;
    this.pending = pending;
  }

  clone(): DiskFile {
    return new DiskFile(copyView(this.current), copyView(this.durable), [...this.pending]);
  }

  read(target: Uint8Array, offset: number, length: number, position: number): number {
    const count = Math.max(0, Math.min(length, this.current.size - position));
    target.fill(0, offset, offset + count);
    for (let done = 0; done < count; ) {
      const within = (position + done) % PIECE_BYTES;
      const part = Math.min(PIECE_BYTES - within, count - done);
      const piece = this.current.pieces.get(Math.floor((position + done) / PIECE_BYTES));
      if (piece) target.set(piece.subarray(within, within + part), offset + done);
      done += part;
    }
    return count;
  }

  write(sequence: number, position: number, data: Uint8Array): void {
    const pieces = new Map<number, Uint8Array>();
    for (let done = 0; done < data.length; ) {
      const index = Math.floor((position + done) / PIECE_BYTES);
      const within = (position + done) % PIECE_BYTES;
      const part = Math.min(PIECE_BYTES - within, data.length - done);
      const bytes = data.subarray(done, done + part);
      pieces.set(
        index,
        part === PIECE_BYTES ? bytes : patched(this.current.pieces.get(index), within, bytes),
      );
      done += part;
    }
    this.#change({ kind: 'write', sequence, position, end: position + data.length, pieces });
  }

  truncate(sequence: number, size: number): void {
    this.#change({ kind: 'truncate', sequence, size });
  }

  /** Makes durable what was changed up to `sequence`. */
  sync(sequence: number): void {
    for (const change of this.pending) if (change.sequence <= sequence) applyChange(this.durable, change);
    this.loseUnsynced(sequence);
  }

  /** A failed sync: the changes stay visible, but count as clean, so that no later sync writes them. */
  loseUnsynced(sequence: number): void {
    this.pending = this.pending.filter((change) => change.sequence > sequence);
  }

  #change(change: PendingChange): void {
    applyChange(this.current, change);
    this.pending.push(change);
  }
}

export const emptyView = (): FileView => ({ size: 0, pieces: new Map() });
export const copyView = (view: FileView): FileView => ({ size: view.size, pieces: new Map(view.pieces) });

export function applyChange(view: FileView, change: PendingChange): void {
  if (change.kind === 'truncate') {
    cutView(view, change.size);
    return;
  }
  for (const [index, piece] of change.pieces) view.pieces.set(index, piece);
  view.size = Math.max(view.size, change.end);
}

/** Sets the size; what lies beyond it is gone, and reads as zeros should the file grow again. */
export function cutView(view: FileView, size: number): void {
  view.size = size;
  const last = Math.floor(size / PIECE_BYTES);
  for (const index of view.pieces.keys()) if (index > last) view.pieces.delete(index);
  const piece = view.pieces.get(last);
  const kept = size % PIECE_BYTES;
  if (piece && kept === 0) view.pieces.delete(last);
  else if (piece) view.pieces.set(last, patched(piece, kept, new Uint8Array(PIECE_BYTES - kept)));
}

/** A copy of a piece (of zeros, if there is none) with `bytes` put at `position`. */
export function patched(piece: Uint8Array | undefined, position: number, bytes: Uint8Array): Uint8Array {
  const copy = piece === undefined ? new Uint8Array(PIECE_BYTES) : new Uint8Array(piece);
  copy.set(bytes, position);
  return copy;
}
