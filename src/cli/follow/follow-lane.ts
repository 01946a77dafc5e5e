/** FollowLane: takes the lines of a followed file, sends them, and keeps the file's state up to date. */
import type { IngestBatch } from '../ingest-batch.ts';
import type { IngestPacker, InputPlace } from '../ingest-packer.ts';
import { ProduceLane } from '../produce-lane.ts';
import type { FollowState } from './follow-state.ts';
import type { FollowSink } from './followed-file.ts';

export interface FollowLaneOptions {
  name: string;
  state: FollowState;
  batchBytes: number;
  newPacker(place: InputPlace): Promise<IngestPacker>;
  /** Resolves once the batch is stored; a batch of the same key that was stored before counts as stored. */
  send(batch: IngestBatch, key: string): Promise<void>;
  /** Called with the first failure. */
  failed(): void;
}

export class FollowLane implements FollowSink {
  readonly #options: FollowLaneOptions;
  readonly #lane: ProduceLane<IngestBatch>;
  #packer: IngestPacker | undefined;

  constructor(options: FollowLaneOptions) {
    this.#options = options;
    this.#lane = new ProduceLane<IngestBatch>(
      options.batchBytes,
      (batch) => this.#send(batch),
      () => options.failed(),
    );
  }

  async begin(place: InputPlace): Promise<void> {
    this.#packer = await this.#options.newPacker(place);
    this.#lane.begin(this.#options.name, this.#packer);
  }

  push(wholeLines: Buffer): Promise<void> {
    this.#packer!.push(wholeLines);
    return this.#lane.room();
  }

  idle(): void {
    this.#packer!.flush();
    this.#lane.pump();
  }

  end(): Promise<void> {
    this.#packer!.flush();
    return this.#lane.drained();
  }

  async resend(lines: Buffer, place: InputPlace): Promise<void> {
    const packer = await this.#options.newPacker(place);
    packer.push(lines);
    packer.flush();
    const batch = packer.take(Number.POSITIVE_INFINITY);
    if (batch !== undefined) await this.#send(batch);
    // Lines at its end that are no events belong to it, too.
    await this.#options.state.update({ position: place.position + lines.length, sending: null });
  }

  /** Resolves once all that has gathered is stored; what may still go on is left for the next run. */
  drained(): Promise<void> {
    return this.#lane.drained();
  }

  async #send(batch: IngestBatch): Promise<void> {
    const { state, send } = this.#options;
    await state.update({ sending: batch.end });
    await send(batch, `${state.place!.id}-${batch.start}-${batch.end}`);
    await state.update({ position: batch.end, line: batch.lastLine + 1, sending: null });
  }
}
