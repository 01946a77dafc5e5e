/**
 * A page of what a group member polls: records of several partitions, written as they are read, so that memory is bounded by
 * the size of the page however well they are compressed. Nothing is taken from the budget for a poll that only waits.
 */
import type { Engine, PartitionOffset, RecordReader, RecordShare, ShareRead } from '../engine/index.ts';
import { placedMsgpackFormat } from './msgpack-records.ts';
import { OutputBuffer } from './output-buffer.ts';
import { beginPage, endPage, type PageField, type PageFormat } from './page-format.ts';
import { PartitionScan, type ScanLimits } from './partition-scan.ts';
import { placedJsonFormat, type RecordFormat } from './record-formats.ts';
import type { ValueEncoding } from './record-sink.ts';
import { pageBufferBytes } from './send-scan.ts';

export class GroupPage implements RecordReader {
  readonly out: OutputBuffer;
  /** By topic. */
  readonly records = new Map<string, number>();
  readonly #engine: Engine;
  readonly #format: PageFormat;
  readonly #encoding: ValueEncoding | undefined;
  readonly #limits: ScanLimits;
  #reserve: ((bytes: number) => void) | undefined;
  #count = 0;

  /** `reserve` is called once, before the first record is read; what it throws ends the poll. */
  constructor(
    engine: Engine,
    format: PageFormat,
    encoding: ValueEncoding | undefined,
    limits: ScanLimits,
    reserve: (bytes: number) => void,
  ) {
    this.#engine = engine;
    this.#format = format;
    this.#encoding = encoding;
    this.#limits = limits;
    this.#reserve = reserve;
    this.out = new OutputBuffer(pageBufferBytes(limits));
  }

  begin(): void {
    this.out.truncate(0);
    this.records.clear();
    this.#count = 0;
  }

  async read({ topic, partition, offset }: PartitionOffset, share: RecordShare): Promise<ShareRead> {
    this.#reserve?.(this.#limits.maxBytes);
    this.#reserve = undefined;
    this.#open();
    const { out } = this;
    const before = { records: this.#count, bytes: out.length };
    const scan = new PartitionScan(
      this.#engine,
      { topic, partition, start: offset, end: Number.POSITIVE_INFINITY },
      {
        ...this.#limits,
        maxRecords: before.records + share.records,
        maxBytes: before.bytes + share.bytes,
        recordsBefore: before.records,
      },
      out,
      this.#recordFormat(topic, partition),
    );
    await readAll(scan, before.records);
    this.#count = scan.records;
    const records = scan.records - before.records;
    this.records.set(topic, (this.records.get(topic) ?? 0) + records);
    return { position: scan.nextOffset, records, bytes: out.length - before.bytes };
  }

  end(fields: readonly PageField[]): void {
    this.#open();
    endPage(this.out, this.#format, this.#count, fields);
  }

  #open(): void {
    if (this.out.length === 0) beginPage(this.out, this.#format);
  }

  #recordFormat(topic: string, partition: number): RecordFormat {
    if (this.#format === 'application/msgpack') return placedMsgpackFormat(topic, partition);
    return placedJsonFormat(topic, partition, this.#encoding);
  }
}

/** Where it fails midway, what was read is given; the next poll is told. */
async function readAll(scan: PartitionScan, recordsBefore: number): Promise<void> {
  try {
    while (await scan.step());
  } catch (error) {
    if (scan.records === recordsBefore) throw error;
  }
}
