/**
 * The work of `seglog produce`: sends the lines of files or of standard input to a topic, in constant memory.
 *
 * Records without a key of one input go to one partition, so that they come back in the order of the input;
 * the next input goes to the next partition, side by side with it. With keys, or partitions of their own
 * (`--json`), the order within each partition is that of the input.
 */
import { type BatchPacker, RecordPacker, TextPacker } from './batch-packer.ts';
import { BatchSender } from './batch-sender.ts';
import { createProgress } from './byte-progress.ts';
import { compressedFileNote } from './compressed-file.ts';
import { ReportedFailure, ServerError, UsageError } from './errors.ts';
import { HttpClient } from './http-client.ts';
import type { Io } from './io.ts';
import type { TimestampCheck } from './json-record.ts';
import { LineJoiner } from './line-joiner.ts';
import { lineParser } from './line-parser.ts';
import type { ProduceBatch } from './produce-batch.ts';
import { openInputs, type ProduceInput } from './produce-inputs.ts';
import { ProduceLane } from './produce-lane.ts';
import { ProduceReport } from './produce-report.ts';
import { count } from './text.ts';
import { describeTopic, isUnknownTopic, type TopicInfo, topicPath } from './topics-client.ts';

export interface ProduceOptions {
  server?: string;
  partition?: number;
  keySeparator?: string;
  json?: boolean;
  header?: [string, string][];
  nullMarker?: string;
  stripCr?: boolean;
  acks: string;
  compression?: string;
  batchBytes: number;
  createTopic?: boolean;
  /** Of a topic that is made. */
  partitions?: number;
  deliveryTimeoutMs: number;
  quiet?: boolean;
}

/** Inputs that are sent side by side. */
const MAX_LANES = 4;
/** Of a file at one time. */
const MAX_CHUNK_BYTES = 1024 * 1024;
/** No request body may be larger than this whatever the daemon's settings, so no line can be. */
const MAX_LINE_BYTES = 1024 * 1024 * 1024;

export async function produce(
  topic: string,
  files: readonly string[],
  options: ProduceOptions,
  io: Io,
): Promise<void> {
  if (options.partitions !== undefined && !options.createTopic) {
    throw new UsageError('--partitions counts for a topic that is made: give --create-topic, too');
  }
  const client = new HttpClient(options.server, io.env);
  const interruption = io.interruption();
  const inputs = await openInputs(files, io, Math.min(options.batchBytes, MAX_CHUNK_BYTES));
  const info = await findTopic(client, topic, options, interruption);
  checkPartition(info, options.partition);
  await noteCompressed(inputs, topic, io);
  if (!options.quiet && io.stdin.isTTY && inputs.some((each) => each.isStandardInput)) {
    io.stderr.write('reading lines from the terminal; Ctrl-D ends\n');
  }
  const sizes = inputs.map((each) => each.bytes);
  const total = sizes.includes(undefined) ? undefined : sizes.reduce((sum: number, each) => sum + each!, 0);
  const report = new ProduceReport(topic, io);
  const progress = await createProgress(options.quiet ? undefined : io.stderr);
  const acknowledged = () => progress.update(report.bytes, total);
  const isTimestamp = options.json ? await timestampCheck() : undefined;
  const producer = new Producer({ client, info, options, isTimestamp, report, io, acknowledged });
  try {
    await producer.run(inputs, interruption);
  } catch (error) {
    progress.stop();
    io.stderr.write(`seglog: stored before it failed: ${report.summary()}\n`);
    throw error;
  }
  progress.stop();
  await client.close();
  if (interruption.aborted) io.stderr.write(`seglog: interrupted; ${report.reached()}\n`);
  if (!options.quiet || interruption.aborted) io.stderr.write(`${report.summary()}\n`);
  if (report.rejected > 0) throw new ReportedFailure();
  // What is cut short is not done; a pipe that was followed until Ctrl-C is.
  if (interruption.aborted && inputs.some((each) => !each.isStandardInput)) throw new ReportedFailure();
}

async function noteCompressed(inputs: readonly ProduceInput[], topic: string, io: Io): Promise<void> {
  for (const { name, bytes } of inputs) {
    // Only of regular files is the size known; the first bytes of anything else are not there a second time.
    const note = bytes === undefined ? undefined : await compressedFileNote(name, topic);
    if (note !== undefined) io.stderr.write(`seglog: ${note}\n`);
  }
}

async function findTopic(
  client: HttpClient,
  topic: string,
  options: ProduceOptions,
  signal: AbortSignal,
): Promise<TopicInfo> {
  if (!options.createTopic) return describeTopic(client, topic, { signal });
  try {
    return await client.json<TopicInfo>('GET', topicPath(topic), { signal });
  } catch (error) {
    if (!isUnknownTopic(error)) throw error;
    return client.json<TopicInfo>('PUT', topicPath(topic), {
      body: { partitions: options.partitions },
      signal,
    });
  }
}

function checkPartition(info: TopicInfo, partition: number | undefined): void {
  if (partition === undefined || partition < info.partitions.length) return;
  throw new UsageError(
    `topic "${info.name}" has partitions 0 to ${info.partitions.length - 1}, not ${partition}`,
  );
}

/** Records may name partitions, as those do that `consume --json` printed; the topic may have fewer. */
function explainPartition(error: unknown, { name, partitions }: TopicInfo): unknown {
  if (!(error instanceof ServerError && error.code === 'unknown_partition')) return error;
  return new Error(
    `${error.message}: it has ${count(partitions.length, 'partition')}; give it more with \`seglog topics alter ${name} --partitions N\`, or make a new one with --create-topic --partitions N`,
    { cause: error },
  );
}

/** The daemon would refuse all of a batch for one line. What it takes is only known there, and takes a while to load. */
async function timestampCheck(): Promise<TimestampCheck> {
  const { parseTimestamp } = await import('../query/index.ts');
  return (value) => (parseTimestamp(String(value)) ?? -1) >= 0;
}

/** A line that has nothing to be parsed is its own value. */
function isPlain(options: ProduceOptions): boolean {
  const { json, keySeparator, header, nullMarker, stripCr } = options;
  return !json && !stripCr && keySeparator === undefined && header === undefined && nullMarker === undefined;
}

interface ProducerParts {
  client: HttpClient;
  info: TopicInfo;
  options: ProduceOptions;
  isTimestamp: TimestampCheck | undefined;
  report: ProduceReport;
  io: Io;
  /** Called when the report has grown. */
  acknowledged(): void;
}

class Producer {
  readonly #parts: ProducerParts;
  readonly #sender: BatchSender;
  /** Aborted when no more input is to be read: Ctrl-C, or a failure in one of the lanes. */
  readonly #stop = new AbortController();
  #interruption: AbortSignal | undefined;

  constructor(parts: ProducerParts) {
    this.#parts = parts;
    const { client, info, options, io } = parts;
    const { acks, compression, deliveryTimeoutMs: forMs } = options;
    this.#sender = new BatchSender({ client, topic: info.name, acks, compression, forMs, io });
  }

  /** Resolves when every input is acknowledged, or all that was read before `interruption` aborted. */
  async run(inputs: readonly ProduceInput[], interruption: AbortSignal): Promise<void> {
    this.#interruption = interruption;
    const stop = () => this.#stop.abort();
    if (interruption.aborted) stop();
    interruption.addEventListener('abort', stop);
    try {
      await Promise.all(this.#assign(inputs).map((lane) => this.#runLane(lane)));
    } finally {
      interruption.removeEventListener('abort', stop);
    }
  }

  /** By lane, its inputs with the partition of each: a partition is fed by one lane only. */
  #assign(inputs: readonly ProduceInput[]): { input: ProduceInput; partition: number }[][] {
    const { partition, json, keySeparator } = this.#parts.options;
    const emptiestFirst = this.#parts.info.partitions.toSorted(
      (a, b) => a.bytes - b.bytes || a.partition - b.partition,
    );
    const partitions = partition === undefined ? emptiestFirst.map((each) => each.partition) : [partition];
    const lanes =
      json || keySeparator !== undefined ? 1 : Math.min(MAX_LANES, partitions.length, inputs.length);
    const assigned: { input: ProduceInput; partition: number }[][] = Array.from({ length: lanes }, () => []);
    for (const [i, input] of inputs.entries()) {
      const turn = i % partitions.length;
      assigned[turn % lanes]!.push({ input, partition: partitions[turn]! });
    }
    return assigned;
  }

  async #runLane(inputs: readonly { input: ProduceInput; partition: number }[]): Promise<void> {
    let sending: { input: ProduceInput; partition: number } | undefined;
    const lane = new ProduceLane(
      this.#parts.options.batchBytes,
      (batch) => this.#send(batch, sending!.input, sending!.partition),
      () => this.#stop.abort(),
    );
    for (const each of inputs) {
      if (this.#stop.signal.aborted) return;
      sending = each;
      const packer = this.#packerFor(each.input, each.partition);
      lane.begin(each.input.name, packer);
      await this.#feed(lane, packer, each.input);
    }
  }

  /** Reads an input to its end, or until it is stopped; whole lines that were read by then are sent. */
  async #feed(lane: ProduceLane, packer: BatchPacker, input: ProduceInput): Promise<void> {
    const stream = input.open();
    const stop = () => void stream.destroy();
    this.#stop.signal.addEventListener('abort', stop);
    const joiner = new LineJoiner(MAX_LINE_BYTES);
    try {
      for await (const chunk of stream) {
        packer.push(joiner.push(chunk));
        await lane.room();
      }
      packer.push(joiner.end());
    } catch (error) {
      // A stream that was destroyed to stop it complains of that.
      if (!this.#stop.signal.aborted) {
        // What was read before is stored by the time that the fault is told.
        await lane.drained();
        throw error;
      }
    } finally {
      this.#stop.signal.removeEventListener('abort', stop);
      stream.destroy();
    }
    await lane.drained();
  }

  #packerFor(input: ProduceInput, partition: number): BatchPacker {
    const { options, info, isTimestamp, report } = this.#parts;
    if (isPlain(options)) return new TextPacker();
    // The daemon spreads records without a key over the partitions; here they stay together.
    const sticky = info.partitions.length > 1 ? partition : undefined;
    return new RecordPacker(lineParser({ ...options, isTimestamp }, sticky), (line, error) => {
      report.reject(input.name, line, error.message);
    });
  }

  async #send(batch: ProduceBatch, input: ProduceInput, partition: number): Promise<void> {
    const { info, options, report, acknowledged } = this.#parts;
    const ownPartition = isPlain(options) || options.partition !== undefined ? partition : undefined;
    const acks = await this.#sender.send(batch, ownPartition, this.#interruption).catch((error: unknown) => {
      throw options.json ? explainPartition(error, info) : error;
    });
    report.acknowledge(input.name, batch, acks);
    acknowledged();
  }
}
