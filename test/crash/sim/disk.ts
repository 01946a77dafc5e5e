/**
 * The simulated disk: a tree of files and directories that changes only by `apply`, so that the list of
 * changes replayed on a copy of the first state gives the state at any moment. Copies share all that
 * neither of them changes afterwards.
 *
 * What is asked of `apply` is possible: whether a name exists, and what error it is if not, is for the caller.
 */
import { DiskDirectory } from './disk-directory.ts';
import { DiskFile, PIECE_BYTES } from './disk-file.ts';

export interface Place {
  readonly directory: number;
  readonly name: string;
}

export type Change =
  | {
      readonly kind: 'create';
      readonly at: Place;
      readonly node: number;
      readonly type: 'file' | 'directory';
    }
  | { readonly kind: 'write'; readonly node: number; readonly position: number; readonly data: Uint8Array }
  | { readonly kind: 'truncate'; readonly node: number; readonly size: number }
  | { readonly kind: 'remove'; readonly at: Place; readonly release: boolean }
  | { readonly kind: 'rename'; readonly from: Place; readonly to: Place; readonly release: boolean }
  /** Makes durable what was changed up to `upTo`; `lost` is a failed sync, which makes nothing durable. */
  | { readonly kind: 'sync'; readonly node: number; readonly upTo: number; readonly lost: boolean }
  /** The last handle of a removed file is closed: its space is free. */
  | { readonly kind: 'release'; readonly node: number }
  /** Damage at rest: the file has these bytes now, and had them after every power cut. */
  | { readonly kind: 'plant'; readonly node: number; readonly data: Uint8Array };

export const ROOT = 0;

export class Disk {
  /** Number of the last change; `upTo` of a sync is its value when the sync was asked for. */
  sequence = 0;
  nextNode = 1;
  usedBytes = 0;
  readonly #nodes = new Map<number, DiskFile | DiskDirectory>();
  /** Nodes that no copy shares, which may be changed in place. */
  #owned = new Set<number>();

  constructor() {
    this.put(ROOT, new DiskDirectory());
  }

  clone(): Disk {
    const copy = new Disk();
    copy.sequence = this.sequence;
    copy.nextNode = this.nextNode;
    copy.usedBytes = this.usedBytes;
    for (const [id, node] of this.#nodes) copy.#nodes.set(id, node);
    copy.#owned.clear();
    this.#owned.clear();
    return copy;
  }

  put(id: number, node: DiskFile | DiskDirectory): void {
    this.#nodes.set(id, node);
    this.#owned.add(id);
  }

  node(id: number): DiskFile | DiskDirectory {
    return this.#nodes.get(id)!;
  }

  ids(): IterableIterator<number> {
    return this.#nodes.keys();
  }

  /** The node of a path, or undefined when there is nothing of that name. */
  find(path: string): number | undefined {
    let id = ROOT;
    for (const name of namesOf(path)) {
      const node = this.node(id);
      const next = node.kind === 'directory' ? node.entries.get(name) : undefined;
      if (next === undefined) return undefined;
      id = next;
    }
    return id;
  }

  /** Whether a directory names this node, as seen now. */
  isLinked(id: number): boolean {
    for (const node of this.#nodes.values()) {
      if (node.kind === 'directory') for (const child of node.entries.values()) if (child === id) return true;
    }
    return false;
  }

  file(id: number): DiskFile | undefined {
    const node = this.#nodes.get(id);
    return node?.kind === 'file' ? node : undefined;
  }

  directory(id: number): DiskDirectory | undefined {
    const node = this.#nodes.get(id);
    return node?.kind === 'directory' ? node : undefined;
  }

  apply(change: Change): void {
    switch (change.kind) {
      case 'create': {
        this.put(change.node, change.type === 'file' ? new DiskFile() : new DiskDirectory());
        this.nextNode = Math.max(this.nextNode, change.node + 1);
        const add = { name: change.at.name, node: change.node };
        this.#ownDirectory(change.at.directory).change({ sequence: ++this.sequence, add });
        break;
      }
      case 'write':
        this.#inFile(change.node, (file) => file.write(++this.sequence, change.position, change.data));
        break;
      case 'truncate':
        this.#inFile(change.node, (file) => file.truncate(++this.sequence, change.size));
        break;
      case 'remove':
        this.#remove(change.at, change.release);
        break;
      case 'rename':
        this.#rename(change.from, change.to, change.release);
        break;
      case 'sync':
        this.#sync(change.node, change.upTo, change.lost);
        break;
      case 'release':
        this.#release(change.node);
        break;
      case 'plant':
        this.#inFile(change.node, (file) => plant(file, change.data));
        break;
    }
  }

  #remove(at: Place, release: boolean): void {
    const directory = this.#ownDirectory(at.directory);
    const node = directory.entries.get(at.name)!;
    directory.change({ sequence: ++this.sequence, remove: { name: at.name, node } });
    if (release) this.#release(node);
  }

  #rename(from: Place, to: Place, release: boolean): void {
    const source = this.#ownDirectory(from.directory);
    const target = this.#ownDirectory(to.directory);
    const node = source.entries.get(from.name)!;
    const replaced = target.entries.get(to.name);
    const add = { name: to.name, node };
    const remove = { name: from.name, node };
    const sequence = ++this.sequence;
    if (source === target) {
      source.change({ sequence, add, remove });
    } else {
      target.change({ sequence, add });
      source.change({ sequence: ++this.sequence, remove, after: sequence });
    }
    if (release && replaced !== undefined) this.#release(replaced);
  }

  #sync(id: number, upTo: number, lost: boolean): void {
    const node = this.#own(id);
    if (lost) node.loseUnsynced(upTo);
    else if (node.kind === 'file') node.sync(upTo);
    else node.sync(upTo, (sequence) => !this.#isPendingEntry(sequence));
  }

  #isPendingEntry(sequence: number): boolean {
    for (const node of this.#nodes.values()) {
      if (node.kind === 'directory' && node.pending.some((change) => change.sequence === sequence))
        return true;
    }
    return false;
  }

  #release(id: number): void {
    const file = this.file(id);
    this.usedBytes -= file ? spaceOf(file) : 0;
  }

  #inFile(id: number, change: (file: DiskFile) => void): void {
    const file = this.#own(id) as DiskFile;
    const before = spaceOf(file);
    change(file);
    this.usedBytes += spaceOf(file) - before;
  }

  #own(id: number): DiskFile | DiskDirectory {
    if (!this.#owned.has(id)) this.put(id, this.node(id).clone());
    return this.node(id);
  }

  #ownDirectory(id: number): DiskDirectory {
    return this.#own(id) as DiskDirectory;
  }
}

export const namesOf = (path: string): string[] =>
  path.split('/').filter((name) => name !== '' && name !== '.');

export const spaceOf = (file: DiskFile): number => file.current.pieces.size * PIECE_BYTES;

function plant(file: DiskFile, data: Uint8Array): void {
  for (const view of [file.current, file.durable]) {
    view.pieces.clear();
    view.size = data.length;
    for (let position = 0; position < data.length; position += PIECE_BYTES) {
      const piece = new Uint8Array(PIECE_BYTES);
      piece.set(data.subarray(position, position + PIECE_BYTES));
      view.pieces.set(position / PIECE_BYTES, piece);
    }
  }
  file.pending = [];
}
