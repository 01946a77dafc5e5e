/** An engine on a small disk, and what it acknowledged. */
import assert from 'node:assert';
import { join } from 'node:path';
import type { Test } from 'tap';
import { SeglogError } from '../../src/engine/common/errors.ts';
import type { Acks } from '../../src/engine/common/types.ts';
import { Engine } from '../../src/engine/engine.ts';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';
import type { Tmpfs } from '../helpers/tmpfs.ts';
import { until } from '../helpers/until.ts';

/** Small files of every kind; without a reserve, so that writes themselves find no space. */
const NO_RESERVE = {
  'log.dir.reserve.bytes': 0,
  'journal.file.bytes': 262_144,
  'journal.files': 2,
  'checkpoint.bytes': 65_536,
  'housekeeping.interval.ms': 20,
};

export class FullDiskLog {
  readonly disk: Tmpfs;
  engine!: Engine;
  readonly #acknowledged = new Map<string, { offset: number; value: string }[]>();
  #number = 0;
  /** The errors that appends were refused with. */
  readonly refusals: SeglogError[] = [];

  constructor(disk: Tmpfs) {
    this.disk = disk;
  }

  get directory(): string {
    return join(this.disk.path, 'data');
  }

  async open(): Promise<void> {
    this.engine = await Engine.open({ directory: this.directory, settings: NO_RESERVE });
  }

  /** Whether it was acknowledged. Anything but a refusal for want of space is a failure of the test. */
  async append(topic: string, partition: number, bytes: number, acks: Acks = 'all'): Promise<boolean> {
    const value = `${this.#number++} ${'x'.repeat(bytes)}`;
    try {
      const [answer] = await this.engine.append(topic, [{ value }], { partition, acks });
      const log = `${topic}/${partition}`;
      const records = this.#acknowledged.get(log) ?? [];
      this.#acknowledged.set(log, [...records, { offset: answer!.baseOffset, value }]);
      return true;
    } catch (error) {
      if (!(error instanceof SeglogError) || error.code !== 'STORAGE_FULL') throw error;
      this.refusals.push(error);
      return false;
    }
  }

  forget(topic: string): void {
    for (const log of this.#acknowledged.keys())
      if (log.startsWith(`${topic}/`)) this.#acknowledged.delete(log);
  }

  /** All that was acknowledged is there, at its offset, and nothing else. */
  async check(): Promise<void> {
    for (const [log, expected] of this.#acknowledged) {
      const [topic, partition] = log.split('/') as [string, string];
      const { highWatermark } = this.engine.offsets(topic, Number(partition));
      const found: { offset: number; value: string }[] = [];
      for (let offset = 0; offset < highWatermark; ) {
        const { chunks, nextOffset } = await this.engine.read(topic, Number(partition), { offset });
        for (const record of decodeRecords(chunks, offset)) {
          found.push({ offset: record.offset, value: String(record.value) });
        }
        offset = nextOffset;
      }
      assert.deepEqual(found, expected);
    }
  }

  async resumes(topic: string, partition: number): Promise<void> {
    await until('appends resume', () => this.append(topic, partition, 100));
    const { ready, reasons } = this.engine.health();
    assert(ready, reasons.join());
  }

  async closeAndVerify(t: Test): Promise<void> {
    await this.engine.close();
    const report = await verifyDirectory({ directory: this.directory });
    t.match(report, { ok: true, state: 'clean', findings: [] });
    await this.open();
    await this.check();
    await this.engine.close();
  }
}
