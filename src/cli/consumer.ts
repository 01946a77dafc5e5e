/**
 * The work of `seglog consume`: reads partitions and writes what they hold to standard output.
 *
 * Up to the end that the log has now (`--exit-at-end`) partitions are read one after the other, so that the
 * output is the same each time; a log that is followed is read in all partitions at once. A page is fetched
 * while the one before it is written, and no more than that: a slow reader of our output slows the fetching.
 */
import { UsageError } from './errors.ts';
import { HttpClient } from './http-client.ts';
import { type Io, write } from './io.ts';
import { type OutputFormatOptions, outputFormat } from './output-format.ts';
import { type FetchLimits, PartitionReader, type ReadEnd, type ReadStart } from './partition-reader.ts';
import { answerMayCome, patiently } from './patience.ts';
import type { Position } from './positions.ts';
import type { ConsumedRecord, RecordFormat } from './record-format.ts';
import { count } from './text.ts';
import { parseTime } from './times.ts';
import { describeTopic, type PartitionInfo, type TopicInfo } from './topics-client.ts';

export interface ConsumeOptions extends OutputFormatOptions {
  server?: string;
  offset: Position;
  until?: Position;
  partition?: number[];
  count?: number;
  exitAtEnd?: boolean;
  maxBytes: number;
}

const LONG_POLL_MS = 20_000;
/** Memory for pages that are fetched and not yet written, over all partitions that are followed. */
const PAGES_BYTES = 32 * 1024 * 1024;
const SMALLEST_PAGE_BYTES = 64 * 1024;
/** How long a command that is meant to end bears with a daemon that is away. */
const PATIENCE_MS = 60_000;

export async function consume(topic: string, options: ConsumeOptions, io: Io): Promise<void> {
  const formatRecord = outputFormat(options);
  const signal = io.interruption();
  const client = new HttpClient(options.server, io.env);
  const info = await describeTopic(client, topic, { signal });
  const readers = await makeReaders(client, info, options);
  const consumer = new Consumer(readers, formatRecord, options, io);
  await consumer.run(signal);
  if (signal.aborted) io.stderr.write(`seglog: ${consumer.progress()}\n`);
  await client.close();
}

async function makeReaders(
  client: HttpClient,
  info: TopicInfo,
  options: ConsumeOptions,
): Promise<PartitionReader[]> {
  const now = Date.now();
  const startTime = options.offset.at === 'time' ? await parseTime(options.offset.time, now) : 0;
  const untilTime = options.until?.at === 'time' ? await parseTime(options.until.time, now) : undefined;
  return choosePartitions(info, options.partition).map((partition) => {
    const start = startOf(options.offset, partition, startTime);
    return new PartitionReader(
      client,
      info.name,
      partition.partition,
      start,
      endOf(options, partition, untilTime),
    );
  });
}

function choosePartitions(info: TopicInfo, wanted: readonly number[] | undefined): PartitionInfo[] {
  if (wanted === undefined) return info.partitions;
  return wanted.map((number) => {
    const found = info.partitions.find((each) => each.partition === number);
    if (found !== undefined) return found;
    throw new UsageError(
      `topic "${info.name}" has partitions 0 to ${info.partitions.length - 1}, not ${number}`,
    );
  });
}

function startOf(position: Position, partition: PartitionInfo, startTime: number): ReadStart {
  switch (position.at) {
    case 'beginning':
      return { offset: partition.logStartOffset };
    case 'end':
      return { offset: partition.highWatermark };
    case 'offset':
      return { offset: offsetWithin(partition, position.offset) };
    case 'tail':
      return { tail: position.count };
    case 'time':
      return { timestamp: new Date(startTime).toISOString() };
    case 'none':
      throw new UsageError('-o none goes with -g: it takes what the group has committed, or fails');
  }
}

function offsetWithin({ partition, logStartOffset, highWatermark }: PartitionInfo, offset: number): number {
  if (offset >= logStartOffset && offset <= highWatermark) return offset;
  throw new Error(
    `partition ${partition} holds offsets from ${logStartOffset} to before ${highWatermark}, not ${offset}`,
  );
}

function endOf(options: ConsumeOptions, partition: PartitionInfo, untilTime: number | undefined): ReadEnd {
  const ends = [Number.POSITIVE_INFINITY];
  if (options.exitAtEnd || options.until?.at === 'end') ends.push(partition.highWatermark);
  if (options.until?.at === 'offset') ends.push(options.until.offset);
  const offset = Math.min(...ends);
  return { offset: offset === Number.POSITIVE_INFINITY ? undefined : offset, timestamp: untilTime };
}

class Consumer {
  readonly #readers: readonly PartitionReader[];
  readonly #format: RecordFormat;
  readonly #options: ConsumeOptions;
  readonly #io: Io;
  readonly #inTurn: boolean;
  /** Records that may still be taken; set before they are written. */
  #remaining: number;
  #written = 0;
  /** By partition: the offset after the last record that was written. */
  readonly #positions = new Map<number, number>();
  /** Pages of several partitions are written one after the other. */
  #writing: Promise<void> = Promise.resolve();

  constructor(readers: readonly PartitionReader[], format: RecordFormat, options: ConsumeOptions, io: Io) {
    this.#readers = readers;
    this.#format = format;
    this.#options = options;
    this.#io = io;
    this.#inTurn = options.exitAtEnd === true || options.until?.at === 'end';
    this.#remaining = options.count ?? Number.POSITIVE_INFINITY;
  }

  /** Resolves when all ends or the wanted count are reached, or when `interruption` aborts. */
  async run(interruption: AbortSignal): Promise<void> {
    const done = new AbortController();
    const fetching = AbortSignal.any([interruption, done.signal]);
    const drain = async (reader: PartitionReader) => {
      try {
        await this.#drain(reader, fetching, interruption);
        if (this.#remaining === 0) done.abort();
      } catch (error) {
        if (!fetching.aborted) throw error;
      }
    };
    try {
      if (this.#inTurn) for (const reader of this.#readers) await drain(reader);
      else await Promise.all(this.#readers.map(drain));
    } finally {
      done.abort();
    }
  }

  /** How far it came, in a sentence. */
  progress(): string {
    const next = this.#readers.flatMap((reader) => {
      const offset = this.#positions.get(reader.partition) ?? reader.nextOffset;
      return offset === undefined ? [] : [`partition ${reader.partition}: ${offset}`];
    });
    return `interrupted after ${count(this.#written, 'record')}; next offset of ${next.join(', ')}`;
  }

  async #drain(reader: PartitionReader, fetching: AbortSignal, writing: AbortSignal): Promise<void> {
    let page = this.#fetch(reader, fetching);
    for (;;) {
      const records = this.#take(await page);
      const isLast = reader.finished || this.#remaining === 0 || fetching.aborted;
      if (!isLast) {
        page = this.#fetch(reader, fetching);
        // It may fail while the page before it is being written; the failure is met in the next turn.
        page.catch(() => {});
      }
      await this.#writeInTurn(reader.partition, records, writing);
      if (isLast) return;
    }
  }

  async #fetch(reader: PartitionReader, signal: AbortSignal): Promise<ConsumedRecord[]> {
    if (reader.finished) return [];
    const share = Math.max(SMALLEST_PAGE_BYTES, Math.floor(PAGES_BYTES / 2 / this.#readers.length));
    const limits: FetchLimits = {
      maxBytes: this.#inTurn ? this.#options.maxBytes : Math.min(this.#options.maxBytes, share),
      maxRecords: this.#remaining === Number.POSITIVE_INFINITY ? undefined : this.#remaining,
      waitMs: LONG_POLL_MS,
    };
    const forMs = this.#inTurn ? PATIENCE_MS : Number.POSITIVE_INFINITY;
    return patiently({ io: this.#io, forMs, worthATry: answerMayCome, signal }, () =>
      reader.fetch(limits, signal),
    );
  }

  #take(records: readonly ConsumedRecord[]): readonly ConsumedRecord[] {
    const taken = records.length > this.#remaining ? records.slice(0, this.#remaining) : records;
    this.#remaining -= taken.length;
    return taken;
  }

  #writeInTurn(partition: number, records: readonly ConsumedRecord[], signal: AbortSignal): Promise<void> {
    if (records.length === 0) return Promise.resolve();
    this.#writing = this.#writing.then(() => this.#write(partition, records, signal));
    return this.#writing;
  }

  async #write(partition: number, records: readonly ConsumedRecord[], signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    const output: Uint8Array[] = [];
    for (const record of records) this.#format(record, output);
    this.#written += records.length;
    this.#positions.set(partition, records.at(-1)!.offset + 1);
    await write(this.#io.stdout, Buffer.concat(output), signal);
  }
}
