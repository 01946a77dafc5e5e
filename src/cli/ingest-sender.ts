/**
 * IngestSender: sends batches of events until they are stored, and reports what became of their lines. Each batch has a key, by
 * which the daemon tells one that is sent again, because its answer was lost, from a new one.
 */
import { mayBeSentAgain, remembersNoMore } from './batch-sender.ts';
import { ConnectionLostError, isOutcomeUnknown, ServerError } from './errors.ts';
import type { HttpClient } from './http-client.ts';
import type { IngestBatch } from './ingest-batch.ts';
import type { IngestReport } from './ingest-report.ts';
import type { Io } from './io.ts';
import { nothingWasDone, patiently } from './patience.ts';

interface BatchAnswer {
  accepted: number;
  rejected: number;
  errors: { line: number; code: string; detail: string }[];
  errorsOmitted: number;
}

export interface IngestSenderOptions {
  client: HttpClient;
  topic: string;
  /** How long to go on trying. */
  forMs: number;
  io: Io;
  report: IngestReport;
}

/** What goes with a batch. */
export interface BatchTicket {
  /** The name of the input, for messages. */
  input: string;
  /** Of events that name none. */
  source: string | undefined;
  /** The daemon stores a batch of the same key once. */
  key: string;
  /** Ends the patience. */
  signal: AbortSignal;
}

export class IngestSender {
  readonly #options: IngestSenderOptions;
  /** A daemon that remembers no more keys can tell nothing apart. */
  #hasKeys = true;

  constructor(options: IngestSenderOptions) {
    this.#options = options;
  }

  async send(batch: IngestBatch, ticket: BatchTicket): Promise<void> {
    const { report } = this.#options;
    const answer = await this.#sendAsKnown(batch, ticket).catch((error: unknown) => {
      if (!this.#hasKeys || !remembersNoMore(error)) throw error;
      this.#hasKeys = false;
      report.say(`${(error as Error).message}; from here on a batch whose answer is lost is not sent again`);
      return this.#sendAsKnown(batch, ticket);
    });
    const { input } = ticket;
    for (const { line, code, detail } of answer.errors)
      report.reject({ input, line: batch.lineOf(line), code, detail });
    report.rejectUnnamed(answer.errorsOmitted);
    report.done(input, batch.lastLine, batch.inputBytes, answer.accepted);
  }

  async #sendAsKnown(batch: IngestBatch, { source, key, signal }: BatchTicket): Promise<BatchAnswer> {
    const { client, topic, forMs, io, report } = this.#options;
    const type = { 'content-type': batch.contentType };
    const request = {
      query: { topic, source },
      headers: this.#hasKeys ? { ...type, 'idempotency-key': key } : type,
      body: batch.body(),
    };
    let mayBeStored = false;
    const attempt = async () => {
      try {
        return await client.json<BatchAnswer>('POST', '/api/logs/batch', request);
      } catch (error) {
        mayBeStored ||= isOutcomeUnknown(error) || isPartlyStored(error);
        throw error;
      }
    };
    const isWorthATry = this.#hasKeys ? mayBeSentAgain : nothingWasDone;
    const worthATry = (error: unknown) => {
      // It is told on standard error, where the progress bar is.
      report.makeRoom();
      return isWorthATry(error);
    };
    return patiently({ io, forMs, worthATry, signal }, attempt).catch((error: unknown) => {
      // What the last try came to says nothing of those before.
      throw mayBeStored && !remembersNoMore(error)
        ? new ConnectionLostError((error as Error).message, { cause: error })
        : error;
    });
  }
}

/** The daemon stored a part of the batch before it failed. */
function isPartlyStored(error: unknown): boolean {
  return error instanceof ServerError && Number(error.problem.accepted) > 0;
}
