/**
 * Syncs partitions in the background, a few at a time: what was acknowledged before its sync (acks=1 and 0), what is
 * in the journal and must reach its segments before the journal's file is used again, and what a timer asks for.
 *
 * Requests for a partition that waits its turn are one request: under load each sync covers all that came meanwhile.
 */
import type { PartitionLog } from '../partition/partition-log.ts';
import { type SyncedState, sync } from '../partition/partition-writer.ts';

const PARALLEL_SYNCS = 4;

interface Request {
  partition: PartitionLog;
  promise: Promise<SyncedState>;
  start(): void;
}

/** Called after each sync, to look whether the partition's checkpoint is due. */
export type SyncListener = (partition: PartitionLog, synced: SyncedState) => void;

export class BackgroundSync {
  readonly #waiting = new Map<PartitionLog, Request>();
  /** Their last sync could not even begin, for want of descriptors or of space. */
  readonly #missed = new Set<PartitionLog>();
  /** Nobody waits for these. */
  readonly #suggested = new Set<PartitionLog>();
  #running = 0;
  readonly #synced: SyncListener;

  constructor(synced: SyncListener) {
    this.#synced = synced;
  }

  /** Resolves after a sync that began after this call; rejects when the partition is or gets fenced. */
  request(partition: PartitionLog): Promise<SyncedState> {
    const waiting = this.#waiting.get(partition);
    if (waiting !== undefined) return waiting.promise;
    const { promise, resolve } = Promise.withResolvers<SyncedState>();
    const request: Request = { partition, promise, start: () => resolve(this.#run(partition)) };
    // Who asked may not wait for the answer: a failure is then told by the fence.
    promise.catch(() => {});
    this.#waiting.set(partition, request);
    this.#startNext();
    return promise;
  }

  /** Syncs the partition when nothing else is to be synced, one at a time. */
  suggest(partition: PartitionLog): void {
    this.#suggested.add(partition);
    this.#startNext();
  }

  /** Tries again to sync what could not be synced. */
  retry(): void {
    for (const partition of this.#missed) void this.request(partition);
  }

  #startNext(): void {
    for (const request of this.#waiting.values()) {
      if (this.#running >= PARALLEL_SYNCS) return;
      this.#waiting.delete(request.partition);
      this.#running++;
      request.start();
    }
    const [suggested] = this.#suggested;
    if (suggested === undefined || this.#running > 0) return;
    this.#running++;
    // A failure is told by the fence.
    this.#run(suggested).catch(() => {});
  }

  async #run(partition: PartitionLog): Promise<SyncedState> {
    try {
      this.#missed.delete(partition);
      this.#suggested.delete(partition);
      const synced = await sync(partition);
      this.#synced(partition, synced);
      return synced;
    } catch (error) {
      if (partition.fenced === null) this.#missed.add(partition);
      throw error;
    } finally {
      this.#running--;
      this.#startNext();
    }
  }
}
