/** IngestSender: sends batches of events to the daemon, patiently, and reports what became of their lines. */
import { ConnectionLostError, ServerError } from './errors.ts';
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
  /** How long to retry what was refused. */
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

  constructor(options: IngestSenderOptions) {
    this.#options = options;
  }

  async send(batch: IngestBatch, { input, source, key, signal }: BatchTicket): Promise<void> {
    const { client, topic, forMs, io, report } = this.#options;
    const request = {
      query: { topic, source },
      headers: { 'content-type': batch.contentType, 'idempotency-key': key },
      body: batch.body(),
    };
    const answer = await patiently({ io, forMs, worthATry: nothingWasDone, signal }, () =>
      client.json<BatchAnswer>('POST', '/api/logs/batch', request),
    ).catch((error: unknown) => {
      throw partlyStored(error) ?? error;
    });
    for (const { line, code, detail } of answer.errors)
      report.reject({ input, line: batch.lineOf(line), code, detail });
    report.rejectUnnamed(answer.errorsOmitted);
    report.done(input, batch.lastLine, batch.inputBytes, answer.accepted);
  }
}

/** The daemon stored a part of the batch before it failed: which one is not known here. */
function partlyStored(error: unknown): Error | undefined {
  if (!(error instanceof ServerError) || !(Number(error.problem.accepted) > 0)) return undefined;
  return new ConnectionLostError(error.message, { cause: error });
}
