/** Which calls of the simulated file system fail, and how. */
import type { Random } from './random.ts';

export type OperationKind =
  | 'open'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'size'
  | 'close'
  | 'makeDirectory'
  | 'list'
  | 'status'
  | 'rename'
  | 'remove'
  | 'removeDirectory'
  | 'syncDirectory'
  | 'space'
  | 'lock'
  | 'unlock'
  /** Damage at rest: no call of anybody. */
  | 'plant';

export type Errno = 'EIO' | 'ENOSPC' | 'EMFILE' | 'EACCES';

/** All conditions that are given must hold; with none, every call matches. */
export interface FaultRule {
  /** The number of the call, counted from 0 over all kinds in the order in which they were made. */
  readonly call?: number;
  readonly kind?: OperationKind;
  /** Of a rename, either path. */
  readonly path?: RegExp;
  /** The n-th call, counted from 0, of those for which the other conditions hold. */
  readonly nth?: number;
  /** Also every later call of the kind that failed first (with `path`: of that kind and path). */
  readonly forever?: boolean;
  /** `error`: fails. `short`: a write of n bytes stores 1 to n − 1 of them and says so. */
  readonly fault: Fault;
}

export type Fault = { readonly error: Errno } | { readonly short: true };

const EIO: Fault = { error: 'EIO' };
const ENOSPC: Fault = { error: 'ENOSPC' };
const EMFILE: Fault = { error: 'EMFILE' };

/** The faults that each kind of call can have. */
export const FAULTS_OF: Readonly<Record<OperationKind, readonly Fault[]>> = {
  open: [EIO, ENOSPC, EMFILE],
  read: [EIO],
  write: [EIO, ENOSPC, { short: true }],
  sync: [EIO, ENOSPC],
  truncate: [EIO, ENOSPC],
  size: [EIO],
  close: [EIO],
  makeDirectory: [EIO, ENOSPC],
  list: [EIO, EMFILE],
  status: [EIO],
  rename: [EIO, ENOSPC],
  remove: [EIO],
  removeDirectory: [EIO],
  syncDirectory: [EIO, ENOSPC, EMFILE],
  space: [EIO],
  lock: [EIO],
  unlock: [EIO],
  plant: [],
};

export interface Call {
  readonly kind: OperationKind;
  readonly path: string;
  /** Where a rename goes. */
  readonly target?: string;
  /** Bytes that a read or write asks for. */
  readonly bytes?: number;
}

export class Faults {
  readonly #rules: { rule: FaultRule; seen: number; kind: OperationKind | undefined }[] = [];

  /** Adds a rule; returns a function that takes it away. */
  add(rule: FaultRule): () => void {
    const entry = { rule, seen: 0, kind: undefined };
    this.#rules.push(entry);
    return () => void this.#rules.splice(this.#rules.indexOf(entry), 1);
  }

  /** What happens to this call; undefined when nothing does. Counts it. */
  match(number: number, call: Call): Fault | undefined {
    for (const entry of this.#rules) {
      const { rule } = entry;
      if ('short' in rule.fault && (call.kind !== 'write' || (call.bytes ?? 0) < 2)) continue;
      if (rule.path && !rule.path.test(call.path) && !rule.path.test(call.target ?? '')) continue;
      if (entry.kind !== undefined) {
        if (rule.forever && call.kind === entry.kind) return rule.fault;
        continue;
      }
      if (rule.kind !== undefined && rule.kind !== call.kind) continue;
      if (rule.call !== undefined && rule.call !== number) continue;
      if (rule.nth !== undefined && entry.seen++ !== rule.nth) continue;
      entry.kind = call.kind;
      return rule.fault;
    }
    return undefined;
  }
}

/** How much of a write of `length` bytes a short write stores. */
export const shortLength = (length: number, random: Random): number => 1 + random.below(length - 1);
