/**
 * Opening a data directory: lock, meta file, topics, then every partition; after a crash with what the journal holds.
 * All of it is read before anything is written, and nothing is appended before the clean marker is removed.
 */

import { InlineTaskRunner } from './background/inline-runner.ts';
import type { TaskRunner } from './background/task.ts';
import { WorkerPool } from './background/worker-pool.ts';
import { type Clock, systemClock } from './common/clock.ts';
import { type Logger, silentLogger } from './common/logger.ts';
import {
  ENGINE_SETTINGS,
  type EngineSettings,
  resolveSettings,
  type SettingValue,
} from './common/settings.ts';
import type { EngineObserver, TaskReport } from './common/types.ts';
import { CleanMarker } from './directory/clean-marker.ts';
import { createMeta, makeDataDirectory, readMeta, refuseForeignDirectory } from './directory/meta-file.ts';
import {
  type OpenTopic,
  parseTopicConfig,
  type TopicFile,
  TopicStore,
  topicIdentity,
} from './directory/topic.ts';
import { removeLeftovers } from './directory/topic-leftovers.ts';
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
import { ProducerMemory } from './partition/producer-memory.ts';
import { JournalReplay, listJournal } from './recovery/journal-recovery.ts';
import { type FoundPartition, findPartition, type OpenRequest } from './recovery/partition-open.ts';
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
  /** Where work over whole files runs; it goes over to the engine. Default: in threads, or here over another file system. */
  taskRunner?: TaskRunner;
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
  /** Partitions that were settled without space: there is more to be done for them. */
  settledInPlace: PartitionLog[];
}

export async function openDirectory(options: EngineOptions): Promise<OpenedDirectory> {
  const context = createContext(options);
  const { fileSystem, directory } = context;
  const topicDefaults = parseTopicConfig(options.topicDefaults ?? {});
  const lock = options.lock ?? (await lockDirectory(fileSystem, directory));
  try {
    const store = new TopicStore(fileSystem, directory);
    const found = await findDirectory(context, store, topicDefaults);
    // All of it has been read: from here on there are writes.
    await prepareDirectory(context, store, found);
    const settledInPlace = await settlePartitions(context, found);
    await removeIfExists(fileSystem, spareJournalPath(directory));
    await CleanMarker.remove(fileSystem, directory);
    const { topics, journalFiles, keepJournal } = found;
    return { context, lock, store, topics, topicDefaults, journalFiles, keepJournal, settledInPlace };
  } catch (error) {
    await context.tasks.close();
    await context.files.close();
    await lock.release();
    throw error;
  }
}

/** The lock's file is a write too: a directory of a newer version gets none. */
async function lockDirectory(fileSystem: FileSystem, directory: string): Promise<DirectoryLock> {
  if ((await readMeta(fileSystem, directory)) === undefined)
    await refuseForeignDirectory(fileSystem, directory);
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
    producerMemory: new ProducerMemory(settings),
    tasks: options.taskRunner ?? createTaskRunner(options, fileSystem, clock, settings),
    sealedListeners: new Set(),
  };
}

function createTaskRunner(
  { observer }: EngineOptions,
  fileSystem: FileSystem,
  clock: Clock,
  settings: EngineSettings,
): TaskRunner {
  const bytesPerSecond = settings['background.io.bytes.per.second'];
  const ended = (report: TaskReport) => observer?.taskEnded?.(report);
  if (fileSystem !== nodeFileSystem)
    return new InlineTaskRunner({ fileSystem, clock, bytesPerSecond, ended });
  const threads = settings['background.threads'];
  // Sealing is short, and old segments cannot be deleted before younger ones are sealed.
  return new WorkerPool({ threads, bytesPerSecond, clock, ended, first: 'seal' });
}

interface FoundDirectory {
  isNew: boolean;
  files: TopicFile[];
  marker: CleanMarker | undefined;
  journalFiles: number[];
  /** Read when the first partition needs it. */
  journal: Promise<JournalReplay> | undefined;
  keepJournal: boolean;
  topics: Map<string, OpenTopic>;
  partitions: PartitionOpening[];
}

interface PartitionOpening {
  request: OpenRequest;
  topic: OpenTopic;
  /** Why its topic takes no appends. */
  stale: string | null;
  /** Until it is settled. */
  found: FoundPartition | undefined;
}

/** Reads all of the directory that opening it needs, and writes nothing: a file of a newer version ends it here. */
async function findDirectory(
  context: EngineContext,
  store: TopicStore,
  topicDefaults: Record<string, SettingValue>,
): Promise<FoundDirectory> {
  const { fileSystem, directory, settings } = context;
  const found: FoundDirectory = {
    isNew: (await readMeta(fileSystem, directory)) === undefined,
    files: await store.load(),
    marker: await CleanMarker.read(fileSystem, directory),
    journalFiles: await listJournal(fileSystem, directory),
    journal: undefined,
    keepJournal: false,
    topics: new Map(),
    partitions: [],
  };
  for (const file of found.files) await findTopic(context, found, file, topicDefaults);
  const finds = found.partitions.map((opening) => async () => {
    opening.found = await findPartition(opening.request);
  });
  await runParallel(finds, settings['recovery.parallel.partitions']);
  return found;
}

async function findTopic(
  context: EngineContext,
  found: FoundDirectory,
  file: TopicFile,
  topicDefaults: Record<string, SettingValue>,
): Promise<void> {
  const { marker } = found;
  const directory = topicDirectory(context.directory, file.name);
  const journal = () => {
    found.journal ??= readJournal(context, found.journalFiles);
    return found.journal;
  };
  // After a clean stop the journal has nothing that is not in the segments.
  const told = marker === undefined ? await journal() : undefined;
  const inUse = await partitionsInUse(context.fileSystem, directory, file, marker, told);
  const stale = inUse > file.partitions ? staleTopicFile(file, inUse) : null;
  if (stale !== null) reportStale(context, file.name, stale);
  const topic: OpenTopic = { file, partitions: new Array(inUse) };
  found.topics.set(file.name, topic);
  const identity = topicIdentity(file, topicDefaults);
  for (let partition = 0; partition < inUse; partition++) {
    const request: OpenRequest = {
      context,
      topic: identity,
      partition,
      directory: partitionDirectory(directory, partition),
      clean: marker?.get(file.id, partition),
      journal,
      keepJournal: () => {
        found.keepJournal = true;
      },
    };
    found.partitions.push({ request, topic, stale, found: undefined });
  }
}

/** Makes what is missing, and makes durable the names that a killed process may have left unsynced. */
async function prepareDirectory(
  context: EngineContext,
  store: TopicStore,
  { isNew, files, marker }: FoundDirectory,
): Promise<void> {
  const { fileSystem, directory, clock } = context;
  if (isNew) await createMeta(fileSystem, directory, clock.now());
  const madeJournal = await makeDirectoryIfMissing(fileSystem, journalDirectory(directory));
  const madeTopics = await makeDirectoryIfMissing(fileSystem, topicsDirectory(directory));
  if (madeJournal || madeTopics || marker === undefined) await fileSystem.syncDirectory(directory);
  if (marker === undefined) await store.syncNames(files);
  await removeLeftovers(context, new Set(files.map(({ name }) => name)));
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
 * time, there may be for one after the other; those for which there is none are settled where they stand.
 */
async function settlePartitions(context: EngineContext, found: FoundDirectory): Promise<PartitionLog[]> {
  const outOfSpace: PartitionOpening[] = [];
  const settledInPlace: PartitionLog[] = [];
  const jobs = found.partitions.map((opening) => async () => {
    if (!(await settlePartition(opening, false))) outOfSpace.push(opening);
  });
  try {
    await runParallel(jobs, context.settings['recovery.parallel.partitions']);
    for (const opening of outOfSpace) {
      if (await settlePartition(opening, false)) continue;
      await settlePartition(opening, true);
      settledInPlace.push(opening.topic.partitions[opening.request.partition]!);
    }
  } finally {
    await (await found.journal)?.close();
  }
  return settledInPlace;
}

/** False when there is not enough space to settle it anew. */
async function settlePartition(opening: PartitionOpening, inPlace: boolean): Promise<boolean> {
  const { request, topic, stale } = opening;
  const found = opening.found ?? (await findPartition(request));
  // What an attempt has changed is to be read again.
  opening.found = undefined;
  try {
    const partition = await found.settle(inPlace);
    partition.fenced ??= stale;
    topic.partitions[request.partition] = partition;
    return true;
  } catch (error) {
    if (inPlace || !isOutOfSpace(error)) throw error;
    return false;
  }
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
