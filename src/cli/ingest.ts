/**
 * The work of `seglog ingest`: makes log events of the lines of files or of standard input and sends them, in constant memory.
 *
 * The events of one input are stored in its order. Inputs are read one after the other; those that are followed, side by side.
 */
import { randomUUID } from 'node:crypto';
import { createProgress } from './byte-progress.ts';
import { ReportedFailure, UsageError } from './errors.ts';
import { HttpClient } from './http-client.ts';
import type { IngestBatch } from './ingest-batch.ts';
import { type IngestInput, openIngestInputs } from './ingest-inputs.ts';
import type { InputPlace } from './ingest-packer.ts';
import { IngestReport } from './ingest-report.ts';
import {
  type IngestOptions,
  type IngestRun,
  MAX_LINE_BYTES,
  packerFor,
  sendBatch,
  sourceFor,
} from './ingest-run.ts';
import { IngestSender } from './ingest-sender.ts';
import type { Io } from './io.ts';
import { LineJoiner } from './line-joiner.ts';
import { ProduceLane } from './produce-lane.ts';
import { jsonText } from './text.ts';
import { assertTopicName } from './topics-client.ts';

const DELIVERY_TIMEOUT_MS = 120_000;
const START: InputPlace = { position: 0, line: 1 };

export async function ingest(files: readonly string[], options: IngestOptions, io: Io): Promise<void> {
  checkOptions(files, options);
  const interruption = io.interruption();
  const client = new HttpClient(options.server, io.env);
  const progress = await createProgress(options.quiet ? undefined : io.stderr);
  const report = new IngestReport(options.topic, io, () => progress.stop());
  // Who follows a file outlives the daemon.
  const forMs =
    options.deliveryTimeoutMs ?? (options.follow ? Number.POSITIVE_INFINITY : DELIVERY_TIMEOUT_MS);
  const sender = new IngestSender({ client, topic: options.topic, forMs, io, report });
  const run: IngestRun = { options, report, sender, progress, interruption };
  let isComplete: boolean;
  try {
    isComplete = options.follow ? await follow(files, run, client.server, io) : await sendAll(files, run, io);
  } catch (error) {
    progress.stop();
    if (report.accepted > 0) io.stderr.write(`seglog: stored before it failed: ${report.summary()}\n`);
    throw error;
  } finally {
    await client.close();
  }
  progress.stop();
  tell(run, isComplete, io);
}

function checkOptions(
  files: readonly string[],
  { topic, format, level, zone, follow, state }: IngestOptions,
): void {
  assertTopicName(topic);
  const says = (what: string) => `counts for lines of text and of syslog: ${format} says ${what} itself`;
  const isPlain = format === 'text' || format === 'syslog';
  if (level !== undefined && !isPlain) throw new UsageError(`--level ${says('its levels')}`);
  if (zone !== undefined && !isPlain) throw new UsageError(`--zone ${says('its times')}`);
  if (state !== undefined && !follow) throw new UsageError('--state counts with --follow');
  if (follow && (files.length === 0 || files.includes('-')))
    throw new UsageError('--follow takes files: standard input is read until it ends anyway');
}

async function follow(files: readonly string[], run: IngestRun, server: string, io: Io): Promise<boolean> {
  const { followFiles } = await import('./follow/follow-files.ts');
  return followFiles(files, run, server, io);
}

/** True when all inputs were read to their ends. */
async function sendAll(files: readonly string[], run: IngestRun, io: Io): Promise<boolean> {
  const inputs = await openIngestInputs(files, io);
  try {
    for (const input of inputs) checkSource(input, run.options);
    for (const input of inputs) {
      if (run.interruption.aborted) break;
      await sendInput(input, inputs, run);
    }
  } catch (error) {
    if (!run.interruption.aborted) throw error;
  } finally {
    await Promise.all(inputs.map((input) => input.close()));
  }
  return !run.interruption.aborted || inputs.every((each) => each.isStandardInput);
}

function checkSource({ name, suggestedSource }: IngestInput, options: IngestOptions): void {
  const { format } = options;
  const needsOne = format === 'text' || format === 'combined';
  if (needsOne && sourceFor(options, suggestedSource) === undefined)
    throw new UsageError(`--source is needed: lines of ${name} name no source, and neither does its name`);
}

async function sendInput(input: IngestInput, all: readonly IngestInput[], run: IngestRun): Promise<void> {
  const { options, progress, interruption } = run;
  const source = sourceFor(options, input.suggestedSource);
  const id = randomUUID();
  const stop = new AbortController();
  const abort = () => stop.abort();
  if (interruption.aborted) abort();
  interruption.addEventListener('abort', abort);
  const send = async (batch: IngestBatch) => {
    await sendBatch(run, batch, input.name, source, `${id}-${batch.start}-${batch.end}`);
    progress.update(bytesRead(all), totalBytes(all));
  };
  const lane = new ProduceLane<IngestBatch>(options.batchBytes, send, abort);
  const packer = await packerFor(run, input.name, source, START);
  lane.begin(input.name, packer);
  const joiner = new LineJoiner(MAX_LINE_BYTES);
  try {
    for await (const piece of input.pieces(stop.signal)) {
      packer.push(joiner.push(piece));
      await lane.room();
    }
    packer.push(joiner.end());
    packer.flush();
  } catch (error) {
    // A stream that was stopped complains of that; what stopped it is told by the lane.
    if (!stop.signal.aborted) {
      // What was read before is stored by the time that the fault is told.
      await lane.drained();
      throw error;
    }
  } finally {
    interruption.removeEventListener('abort', abort);
  }
  await lane.drained();
}

function bytesRead(inputs: readonly IngestInput[]): number {
  return inputs.reduce((sum, each) => sum + each.bytesRead, 0);
}

function totalBytes(inputs: readonly IngestInput[]): number | undefined {
  const sizes = inputs.map((each) => each.bytes);
  return sizes.includes(undefined) ? undefined : sizes.reduce((sum: number, bytes) => sum + bytes!, 0);
}

function tell({ report, options, interruption }: IngestRun, isComplete: boolean, io: Io): void {
  const { json, quiet, format } = options;
  const { accepted, rejected, bytes, tookMs, leftOut } = report;
  if (interruption.aborted) io.stderr.write(`seglog: interrupted; ${report.reached()}\n`);
  if (!quiet || interruption.aborted) io.stderr.write(`${report.summary()}\n`);
  if (format === 'ndjson' && accepted === 0 && rejected > 0)
    io.stderr.write(
      'seglog: no line is an event in JSON; for other lines give --format text, combined or syslog\n',
    );
  if (json) {
    const errors = { errors: leftOut, errorsOmitted: rejected - leftOut.length };
    io.stdout.write(jsonText(io.stdout, { accepted, rejected, bytes, tookMs, ...errors }));
  }
  if (rejected > 0 || !isComplete) throw new ReportedFailure();
}
