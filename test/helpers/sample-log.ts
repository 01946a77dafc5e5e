/**
 * A small data directory with known records, for tests that damage it: four segments of 4 KiB for each partition, an index
 * entry each 256 bytes, batches of several codecs. Stopped cleanly, or copied while it was open, as after a crash of the process.
 */
import fs from 'node:fs';
import { join } from 'node:path';
import type { Test } from 'tap';
import { type CompressionType, decodeRecords, Engine, isSeglogError } from '../../src/engine/index.ts';
import { segmentBases, segmentPath } from '../../src/engine/log-file-names.ts';
import { Random } from '../crash/sim/random.ts';

export const TOPIC = 'sample';
const CODECS: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

export interface SampleOptions {
  partitions?: number;
  /** For each partition. */
  batches?: number;
  recordsOfBatch?: number;
  /** False: as a process that was killed left it. */
  clean?: boolean;
  /** Whether the journal has most of the batches as well. */
  journal?: boolean;
}

export interface SampleLog {
  directory: string;
  partitionDirectory(partition: number): string;
  /** Values by offset. */
  values: Map<number, string[]>;
  /** Paths of the segments of a partition, in order. */
  segments(partition: number): string[];
}

/** The value of a record: tells where it belongs, and does not compress much. */
export function sampleValue(partition: number, offset: number): string {
  const noise = new Random(partition, offset).bytes(75).toString('base64');
  return `partition ${partition} offset ${offset} ${noise}`;
}

export async function sampleLog(t: Pick<Test, 'testdir'>, options: SampleOptions = {}): Promise<SampleLog> {
  const { partitions = 2, batches = 24, recordsOfBatch = 4, clean = true, journal = false } = options;
  const root = t.testdir();
  const live = join(root, 'live');
  const settings = { 'journal.file.bytes': 65536, 'journal.files': journal ? 4 : 0 };
  const engine = await Engine.open({ directory: live, settings });
  const config = { 'segment.bytes': 4096, 'index.interval.bytes': 256 };
  await engine.createTopic(TOPIC, { partitions, config });
  const values = new Map<number, string[]>();
  for (let partition = 0; partition < partitions; partition++) values.set(partition, []);
  for (let batch = 0; batch < batches; batch++) {
    const appends = [...values].map(([partition, list]) => {
      const records = Array.from({ length: recordsOfBatch }, (_, i) => {
        const offset = list.length + i;
        return {
          key: `key ${offset % 7}`,
          value: sampleValue(partition, offset),
          timestamp: 1_000_000 + offset,
        };
      });
      list.push(...records.map(({ value }) => value));
      return engine.append(TOPIC, records, { partition, compression: CODECS[batch % CODECS.length]! });
    });
    await Promise.all(appends);
  }
  let directory = live;
  if (!clean) {
    directory = join(root, 'killed');
    fs.cpSync(live, directory, { recursive: true, filter: (path) => !path.endsWith('.lock') });
  }
  await engine.close();
  const partitionDirectory = (partition: number) => join(directory, 'topics', TOPIC, String(partition));
  return {
    directory,
    partitionDirectory,
    values,
    segments: (partition) => {
      const path = partitionDirectory(partition);
      return segmentBases(fs.readdirSync(path)).map((base) => segmentPath(path, base));
    },
  };
}

export interface ReadBack {
  /** Values by offset. */
  values: Map<number, string>;
  /** Ranges that were refused as damaged. */
  damaged: [firstOffset: number, endOffset: number][];
}

/** Reads a whole partition, going on behind what is damaged. */
export async function readBack(engine: Engine, partition: number): Promise<ReadBack> {
  const found: ReadBack = { values: new Map(), damaged: [] };
  const { logStartOffset, highWatermark } = engine.offsets(TOPIC, partition);
  for (let offset = logStartOffset; offset < highWatermark; ) {
    try {
      const { chunks, nextOffset } = await engine.read(TOPIC, partition, { offset, maxBytes: 1000 });
      for (const record of decodeRecords(chunks, offset))
        found.values.set(record.offset, String(record.value));
      offset = nextOffset;
    } catch (error) {
      if (!isSeglogError(error, 'CORRUPT_MESSAGE')) throw error;
      const endOffset = error.details.endOffset as number;
      found.damaged.push([offset, endOffset]);
      offset = endOffset;
    }
  }
  return found;
}

/** Changes one byte of a file. */
export function flipByte(path: string, position: number): void {
  const bytes = fs.readFileSync(path);
  bytes[position]! ^= 0x40;
  fs.writeFileSync(path, bytes);
}
