/**
 * A small data directory with known records, for tests that damage it: four segments of 4 KiB for each partition, an index
 * entry each 256 bytes, batches of several codecs. Stopped cleanly, or copied while it was open, as after a crash of the process.
 */
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { segmentBases, segmentPath } from '../../src/engine/files/log-file-names.ts';
import { type CompressionType, decodeRecords, Engine, isSeglogError } from '../../src/engine/index.ts';
import { Random } from '../crash/sim/random.ts';

export const TOPIC = 'sample';
const PARTITIONS = 2;
/** For each partition. */
const BATCHES = 24;
const RECORDS_OF_BATCH = 4;
const CODECS: CompressionType[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

export interface SampleOptions {
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

/** A copy of its own for each test; the records are appended once. */
export async function sampleLog(t: Pick<Test, 'testdir'>, options: SampleOptions = {}): Promise<SampleLog> {
  const { clean = true, journal = false } = options;
  const directory = join(t.testdir(), 'data');
  const sample = await madeOnce(journal);
  fs.cpSync(clean ? sample.closed : sample.killed, directory, { recursive: true });
  const partitionDirectory = (partition: number) => join(directory, 'topics', TOPIC, String(partition));
  return {
    directory,
    partitionDirectory,
    values: sample.values,
    segments: (partition) => {
      const path = partitionDirectory(partition);
      return segmentBases(fs.readdirSync(path)).map((base) => segmentPath(path, base));
    },
  };
}

interface MadeSample {
  /** Directories as a clean stop and as a killed process leave them. */
  closed: string;
  killed: string;
  values: Map<number, string[]>;
}

const made = new Map<boolean, Promise<MadeSample>>();

function madeOnce(journal: boolean): Promise<MadeSample> {
  const sample = made.get(journal) ?? makeSample(journal);
  made.set(journal, sample);
  return sample;
}

async function makeSample(journal: boolean): Promise<MadeSample> {
  const root = fs.mkdtempSync(join(tmpdir(), 'seglog-sample-'));
  process.once('exit', () => fs.rmSync(root, { recursive: true, force: true }));
  const closed = join(root, 'closed');
  const killed = join(root, 'killed');
  const settings = { 'journal.file.bytes': 65536, 'journal.files': journal ? 4 : 0 };
  const engine = await Engine.open({ directory: closed, settings });
  const config = { 'segment.bytes': 4096, 'index.interval.bytes': 256 };
  await engine.createTopic(TOPIC, { partitions: PARTITIONS, config });
  const values = new Map<number, string[]>();
  for (let partition = 0; partition < PARTITIONS; partition++) values.set(partition, []);
  for (let batch = 0; batch < BATCHES; batch++) {
    const compression = CODECS[batch % CODECS.length]!;
    const appends = [...values].map(([partition, list]) => {
      const records = nextRecords(partition, list);
      return engine.append(TOPIC, records, { partition, compression });
    });
    await Promise.all(appends);
  }
  fs.cpSync(closed, killed, { recursive: true, filter: (path) => !path.endsWith('.lock') });
  await engine.close();
  return { closed, killed, values };
}

function nextRecords(partition: number, values: string[]) {
  const records = Array.from({ length: RECORDS_OF_BATCH }, (_, i) => {
    const offset = values.length + i;
    return { key: `key ${offset % 7}`, value: sampleValue(partition, offset), timestamp: 1_000_000 + offset };
  });
  values.push(...records.map(({ value }) => value));
  return records;
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
