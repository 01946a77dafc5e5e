/**
 * Opening a data directory: lock, meta file, topics, then every partition; after a crash with what the journal holds.
 * Nothing is written to a partition before all of them are open, and the clean marker is removed before that.
 */

import { type Clock, systemClock } from './common/clock.ts';
import { type Logger, silentLogger } from './common/logger.ts';
import { ENGINE_SETTINGS, resolveSettings, type SettingValue } from './common/settings.ts';
import type { EngineObserver } from './common/types.ts';
import { CleanMarker } from './directory/clean-marker.ts';
import { createMeta, makeDataDirectory, readMeta } from './directory/meta-file.ts';
import { parseTopicConfig, type TopicFile, TopicStore, topicIdentity } from './directory/topic.ts';
import { DescriptorCache } from './files/descriptor-cache.ts';
import { isOutOfSpace, makeDirectoryIfMissing, removeIfExists } from './files/file-operations.ts';
import type { DirectoryLock, FileSystem } from './files/file-system.ts';
import {
  journalDirectory,
  journalPath,
  lockPath,
  partitionDirectory,
  spareJournalPath,
  topicDirectory,
  topicsDirectory,
} from './files/log-file-names.ts';
import { nodeFileSystem } from './files/node-file-system.ts';
import { InFlightBudget } from './partition/in-flight-budget.ts';
import { type EngineContext, type PartitionLog, Tails } from './partition/partition-log.ts';
import { JournalReplay, listJournal } from './recovery/journal-recovery.ts';
import { openPartition } from './recovery/partition-open.ts';
import { partitionsInUse, staleTopicFile } from './recovery/partitions-in-use.ts';
import { IndexCache } from './segment/index-cache.ts';

export interface EngineOptions {
  /** The data directory; made if there is none. */
  directory: string;
  /** Names and values of ENGINE_SETTINGS. */
  settings?: Readonly<Record<string, SettingValue>>;
  /** Names and values of TOPIC_SETTINGS, for topics that do not set them. */
  topicDefaults?: Readonly<Record<string, SettingValue>>;
  fileSystem?: FileSystem;
  clock?: Clock;
  logger?: Logger;
  observer?: EngineObserver;
  /** The directory's lock, when the caller holds it: it goes over to the engine. */
  lock?: DirectoryLock;
}

/** A topic while the engine is open. */
export interface OpenTopic {
  file: TopicFile;
  readonly partitions: PartitionLog[];
}

export interface OpenedDirectory {
  context: EngineContext;
  lock: DirectoryLock;
  store: TopicStore;
  topics: Map<string, OpenTopic>;
  topicDefaults: Record<string, SettingValue>;
  /** Sequences of the journal files. */
  journalFiles: number[];
  /** Their content is not in the segments, or may not be: they must stay as they are. */
  keepJournal: boolean;
}

export async function openDirectory(options: EngineOptions): Promise<OpenedDirectory> {
  const context = createContext(options);
  const { fileSystem, directory } = context;
  const topicDefaults = parseTopicConfig(options.topicDefaults ?? {});
  const lock = options.lock ?? (await lockDirectory(fileSystem, directory));
  try {
    if ((await readMeta(fileSystem, directory)) === undefined) {
      await createMeta(fileSystem, directory, context.clock.now());
    }
    const madeJournal = await makeDirectoryIfMissing(fileSystem, journalDirectory(directory));
    const madeTopics = await makeDirectoryIfMissing(fileSystem, topicsDirectory(directory));
    if (madeJournal || madeTopics) await fileSystem.syncDirectory(directory);
    const store = new TopicStore(fileSystem, directory);
    const files = await store.load();
    const marker = await CleanMarker.read(fileSystem, directory);
    if (marker === undefined) {
      await fileSystem.syncDirectory(directory);
      await store.syncNames(files);
    }
    const journalFiles = await listJournal(fileSystem, directory);
    const { topics, keepJournal } = await openTopics(context, files, topicDefaults, marker, journalFiles);
    await removeIfExists(fileSystem, spareJournalPath(directory));
    await CleanMarker.remove(fileSystem, directory);
    return { context, lock, store, topics, topicDefaults, journalFiles, keepJournal };
  } catch (error) {
    await context.files.close();
    await lock.release();
    throw error;
  }
}

async function lockDirectory(fileSystem: FileSystem, directory: string): Promise<DirectoryLock> {
  await makeDataDirectory(fileSystem, directory);
  return fileSystem.lock(lockPath(directory));
}

function createContext(options: EngineOptions): EngineContext {
  const fileSystem = options.fileSystem ?? nodeFileSystem;
  const logger = options.logger ?? silentLogger;
  const clock = options.clock ?? systemClock;
  const settings = resolveSettings(ENGINE_SETTINGS, options.settings);
  const files = new DescriptorCache(fileSystem, settings['max.open.files']);
  return {
    directory: options.directory,
    fileSystem,
    clock,
    logger,
    observer: options.observer ?? {},
    settings,
    files,
    indexCache: new IndexCache(fileSystem, files, logger, settings['index.cache.bytes']),
    tails: new Tails(),
    budget: new InFlightBudget(
      {
        totalBytes: settings['max.in.flight.bytes'],
        partitionBytes: settings['max.in.flight.partition.bytes'],
        waitMs: settings['max.in.flight.wait.ms'],
      },
      clock,
    ),
  };
}

async function openTopics(
  context: EngineContext,
  files: readonly TopicFile[],
  topicDefaults: Record<string, SettingValue>,
  marker: CleanMarker | undefined,
  journalFiles: readonly number[],
): Promise<Pick<OpenedDirectory, 'topics' | 'keepJournal'>> {
  let replay: Promise<JournalReplay> | undefined;
  const journal = () => {
    replay ??= readJournal(context, journalFiles);
    return replay;
  };
  let keepJournal = false;
  const topics = new Map<string, OpenTopic>();
  const jobs: (() => Promise<void>)[] = [];
  for (const file of files) {
    const directory = topicDirectory(context.directory, file.name);
    // After a clean stop the journal has nothing that is not in the segments.
    const told = marker === undefined ? await journal() : undefined;
    const inUse = await partitionsInUse(context.fileSystem, directory, file, marker, told);
    const stale = inUse > file.partitions ? staleTopicFile(file, inUse) : undefined;
    if (stale !== undefined) reportStale(context, file.name, stale);
    const topic: OpenTopic = { file, partitions: new Array(inUse) };
    topics.set(file.name, topic);
    const identity = topicIdentity(file, topicDefaults);
    for (let partition = 0; partition < inUse; partition++) {
      jobs.push(async () => {
        const opened = await openPartition({
          context,
          topic: identity,
          partition,
          directory: partitionDirectory(directory, partition),
          clean: marker?.get(file.id, partition),
          journal,
          keepJournal: () => {
            keepJournal = true;
          },
        });
        opened.fenced ??= stale ?? null;
        topic.partitions[partition] = opened;
      });
    }
  }
  try {
    await openAll(jobs, context.settings['recovery.parallel.partitions']);
  } finally {
    await (await replay)?.close();
  }
  return { topics, keepJournal };
}

/**
 * All that is stored of the topic is served, but it takes no appends: by how many partitions it has, keys find theirs, and
 * records of one key would come to stand in two of them.
 */
function reportStale({ logger, observer }: EngineContext, topic: string, reason: string): void {
  logger.error({ topic, reason }, 'the topic takes no appends');
  observer.failed?.('corruption');
}

/**
 * Recovering a partition writes its end anew before the old one goes. Where there is no space for several of them at a
 * time, there may be for one after the other.
 */
async function openAll(jobs: readonly (() => Promise<void>)[], width: number): Promise<void> {
  const outOfSpace: (() => Promise<void>)[] = [];
  const tries = jobs.map((job) => async () => {
    try {
      await job();
    } catch (error) {
      if (!isOutOfSpace(error)) throw error;
      outOfSpace.push(job);
    }
  });
  await runParallel(tries, width);
  for (const job of outOfSpace) await job();
}

async function readJournal(context: EngineContext, sequences: readonly number[]): Promise<JournalReplay> {
  const { fileSystem, directory, logger, observer } = context;
  const replay = await JournalReplay.read(fileSystem, directory, sequences);
  for (const { sequence, position, end } of replay.damaged) {
    const fields = { journal: journalPath(directory, sequence), position, end };
    logger.error(fields, 'damaged journal frame: its batches count only where intact');
    observer.failed?.('corruption');
  }
  return replay;
}

/** Runs jobs, `width` at a time; the first failure ends it once the running ones are done. */
async function runParallel(jobs: readonly (() => Promise<void>)[], width: number): Promise<void> {
  let next = 0;
  let failed = false;
  const worker = async () => {
    while (next < jobs.length && !failed) {
      try {
        await jobs[next++]!();
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const outcomes = await Promise.allSettled(Array.from({ length: Math.min(width, jobs.length) }, worker));
  for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
}
