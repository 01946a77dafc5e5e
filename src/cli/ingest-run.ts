/** What one run of `seglog ingest` has: its options, the daemon, what it reports, and the making of events out of lines. */
import type { ByteProgress } from './byte-progress.ts';
import { type FormatName, loadFormat } from './formats/load-format.ts';
import type { IngestBatch } from './ingest-batch.ts';
import { FormatPacker, type IngestPacker, type InputPlace, RawPacker } from './ingest-packer.ts';
import type { IngestReport } from './ingest-report.ts';
import type { IngestSender } from './ingest-sender.ts';

export interface IngestOptions {
  server?: string;
  format: FormatName;
  source?: string;
  level?: string;
  zone?: string;
  topic: string;
  follow?: boolean;
  state?: string;
  batchBytes: number;
  deliveryTimeoutMs?: number;
  json?: boolean;
  quiet?: boolean;
}

/** No line may be longer: the daemon takes none that is. */
export const MAX_LINE_BYTES = 1024 * 1024 * 1024;

export interface IngestRun {
  readonly options: IngestOptions;
  readonly report: IngestReport;
  readonly sender: IngestSender;
  readonly progress: ByteProgress;
  /** Ctrl-C. */
  readonly interruption: AbortSignal;
}

/** The source of events of an input that name none; lines of text and of access logs never do. */
export function sourceFor(
  { source, format }: IngestOptions,
  suggested: string | undefined,
): string | undefined {
  return source ?? (format === 'text' || format === 'combined' ? suggested : undefined);
}

/** A packer for lines of an input from `place` on. */
export async function packerFor(
  { options, report }: IngestRun,
  input: string,
  source: string | undefined,
  place: InputPlace,
): Promise<IngestPacker> {
  const format = await loadFormat(options.format, { ...options, source });
  if (format === undefined) return new RawPacker(place);
  return new FormatPacker(format, place, (line, detail) =>
    report.reject({ input, line, code: 'invalid_event', detail }),
  );
}

/** Resolves once the batch is stored. The same key makes it safe to send a batch again. */
export function sendBatch(
  { options, sender, interruption }: IngestRun,
  batch: IngestBatch,
  input: string,
  source: string | undefined,
  key: string,
): Promise<void> {
  // Events that were made here have their source in them.
  const given = options.format === 'ndjson' ? source : undefined;
  return sender.send(batch, { input, source: given, key, signal: interruption });
}
