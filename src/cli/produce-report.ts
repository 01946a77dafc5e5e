/** What `seglog produce` has to tell: what is acknowledged, how far each input came, and what was left out. */
import type { Io } from './io.ts';
import type { ProduceBatch } from './produce-batch.ts';
import { count, humanBytes, humanDuration } from './text.ts';

/** What the daemon says of one partition; offsets are -1 where they are not known (acks=0). */
export interface PartitionAck {
  partition: number;
  baseOffset: number;
  lastOffset: number;
  count: number;
}

/** Further lines that are left out are only counted. */
const MAX_REJECTIONS_SHOWN = 10;
const MAX_PARTITIONS_SHOWN = 8;

export class ProduceReport {
  /** Bytes of input that are acknowledged. */
  bytes = 0;
  /** Lines that were left out because they are no records. */
  rejected = 0;
  #records = 0;
  readonly #topic: string;
  readonly #io: Io;
  readonly #started = performance.now();
  readonly #partitions = new Map<number, { first: number; last: number; count: number }>();
  readonly #lines = new Map<string, number>();

  constructor(topic: string, io: Io) {
    this.#topic = topic;
    this.#io = io;
  }

  acknowledge(input: string, batch: ProduceBatch, partitions: readonly PartitionAck[]): void {
    this.bytes += batch.inputBytes;
    this.#lines.set(input, batch.lastLine);
    for (const each of partitions) {
      this.#records += each.count;
      const known = this.#partitions.get(each.partition);
      this.#partitions.set(each.partition, {
        first: known?.first ?? each.baseOffset,
        last: each.lastOffset,
        count: (known?.count ?? 0) + each.count,
      });
    }
  }

  reject(input: string, line: number, reason: string): void {
    this.rejected++;
    if (this.rejected <= MAX_REJECTIONS_SHOWN) {
      this.#io.stderr.write(`seglog: line ${line} of ${input} is left out: ${reason}\n`);
    }
  }

  /** "a.log is stored up to line 17". */
  reached(): string {
    const inputs = [...this.#lines].map(([input, line]) => `${input} is stored up to line ${line}`);
    return inputs.length === 0 ? 'nothing is stored' : inputs.join(', ');
  }

  /** "N records, B bytes in T s to TOPIC (partition 0: offsets 0–41)". */
  summary(): string {
    const elapsedMs = performance.now() - this.#started;
    const rate = `${Math.round((this.#records / elapsedMs) * 1000)} records/s, ${humanBytes((this.bytes / elapsedMs) * 1000)}/s`;
    const done = `${count(this.#records, 'record')}, ${count(this.bytes, 'byte')} in ${humanDuration(elapsedMs)} to ${this.#topic}`;
    const where = this.#partitions.size === 0 ? '' : ` (${this.#where()})`;
    const left = this.rejected === 0 ? '' : `; ${count(this.rejected, 'line')} left out`;
    return `${done}${where}, ${rate}${left}`;
  }

  #where(): string {
    if (this.#partitions.size > MAX_PARTITIONS_SHOWN) return count(this.#partitions.size, 'partition');
    const each = [...this.#partitions].sort(([a], [b]) => a - b);
    return each
      .map(([partition, { first, last, count }]) =>
        first < 0 ? `partition ${partition}: ${count}` : `partition ${partition}: offsets ${first}–${last}`,
      )
      .join(', ');
  }
}
