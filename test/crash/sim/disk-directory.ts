/** A directory of the simulated disk: names as seen now, names a power cut leaves for sure, changes between. */

/** One unsynced change. A rename within a directory is one change that adds and removes. */
export interface EntryChange {
  readonly sequence: number;
  readonly add?: Entry;
  readonly remove?: Entry;
  /** This change (the source half of a rename to another directory) survives only if the one with that number does. */
  readonly after?: number;
}

export interface Entry {
  readonly name: string;
  readonly node: number;
}

export class DiskDirectory {
  readonly kind = 'directory';
  readonly entries: Map<string, number>;
  readonly durable: Map<string, number>;
  pending: EntryChange[];

  constructor(
    entries = new Map<string, number>(),
    durable = new Map<string, number>(),
    pending: EntryChange[] = [],
  ) {
    this.entries = entries;
    this.durable = durable;
    this.pending = pending;
  }

  clone(): DiskDirectory {
    return new DiskDirectory(new Map(this.entries), new Map(this.durable), [...this.pending]);
  }

  change(change: EntryChange): void {
    applyEntryChange(this.entries, change);
    this.pending.push(change);
  }

  /** Makes durable what was changed up to `sequence`, except what waits for a change that is not yet durable. */
  sync(sequence: number, isDurable: (sequence: number) => boolean): void {
    const done = (change: EntryChange) =>
      change.sequence <= sequence && (change.after === undefined || isDurable(change.after));
    for (const change of this.pending) if (done(change)) applyEntryChange(this.durable, change);
    this.pending = this.pending.filter((change) => !done(change));
  }

  /** A failed sync: the changes stay visible, but no later sync makes them durable. */
  loseUnsynced(sequence: number): void {
    this.pending = this.pending.filter((change) => change.sequence > sequence);
  }
}

export function applyEntryChange(entries: Map<string, number>, change: EntryChange): void {
  if (change.remove && entries.get(change.remove.name) === change.remove.node)
    entries.delete(change.remove.name);
  if (change.add) entries.set(change.add.name, change.add.node);
}
