/**
 * ProduceLane: sends batches in the order of their lines, one request under way at a time.
 *
 * Two requests at the same time could be stored in the wrong order, and one could be refused where the next
 * is not. So what must stay in order shares a lane, and lanes run side by side. While a request is under way
 * lines gather; when it is answered, what has gathered is the next batch. No timer is needed: a slow input
 * is sent line by line, a fast one in full batches.
 */
import type { BatchPacker } from './batch-packer.ts';
import { isOutcomeUnknown, ServerError } from './errors.ts';
import type { ProduceBatch } from './produce-batch.ts';

export class ProduceLane<Batch extends ProduceBatch = ProduceBatch> {
  readonly #send: (batch: Batch) => Promise<void>;
  readonly #failed: (error: unknown) => void;
  #limitBytes: number;
  #packer: BatchPacker<Batch> | undefined;
  #inputName = '';
  #flight: Promise<void> | undefined;
  #error: unknown;

  /** `failed` is called once, with the first error of `send`; after that nothing more is sent. */
  constructor(limitBytes: number, send: (batch: Batch) => Promise<void>, failed: (error: unknown) => void) {
    this.#limitBytes = limitBytes;
    this.#send = send;
    this.#failed = failed;
  }

  /** Takes the batches of `packer` from now on; the one before has been drained. */
  begin(inputName: string, packer: BatchPacker<Batch>): void {
    this.#inputName = inputName;
    this.#packer = packer;
  }

  /** Sends what has gathered unless a request is under way. */
  pump(): void {
    if (this.#flight !== undefined || this.#error !== undefined) return;
    const batch = this.#packer?.take(this.#limitBytes);
    if (batch === undefined) return;
    this.#flight = this.#sendOrSplit(batch).then(
      () => {
        this.#flight = undefined;
        this.pump();
      },
      (error: unknown) => {
        this.#flight = undefined;
        this.#error = error;
        this.#failed(error);
      },
    );
  }

  /** Resolves once less than a full batch waits to be sent. Throws what `send` threw. */
  async room(): Promise<void> {
    this.pump();
    while (this.#flight !== undefined && this.#packer!.gatheredBytes >= this.#limitBytes) await this.#flight;
    if (this.#error !== undefined) throw this.#error;
  }

  /** Resolves once everything that has gathered is acknowledged. Throws what `send` threw. */
  async drained(): Promise<void> {
    this.pump();
    while (this.#flight !== undefined) await this.#flight;
    if (this.#error !== undefined) throw this.#error;
  }

  async #sendOrSplit(batch: Batch): Promise<void> {
    try {
      await this.#send(batch);
    } catch (error) {
      // What is wrong with the name of the topic is wrong for all lines: it is what was typed.
      if (error instanceof ServerError && error.code === 'invalid_topic') throw error;
      const halves = isTooLarge(error) ? (batch.split() as [Batch, Batch] | undefined) : undefined;
      if (halves === undefined)
        throw new Error(describeFailure(this.#inputName, batch, error), { cause: error });
      // Nothing of it was stored. Smaller batches from now on save the next split.
      this.#limitBytes = Math.max(1, Math.min(this.#limitBytes, halves[0].inputBytes));
      for (const half of halves) await this.#sendOrSplit(half);
    }
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof ServerError && error.status === 413;
}

function describeFailure(inputName: string, batch: ProduceBatch, error: unknown): string {
  const { firstLine, lastLine } = batch;
  const single = firstLine === lastLine;
  const lines = single ? `line ${firstLine}` : `lines ${firstLine} to ${lastLine}`;
  const message = error instanceof Error ? error.message : String(error);
  if (isOutcomeUnknown(error))
    return `nobody knows whether ${lines} of ${inputName} ${single ? 'was' : 'were'} stored, see the end of the topic: ${message}`;
  return `${lines} of ${inputName} not stored: ${message}`;
}
