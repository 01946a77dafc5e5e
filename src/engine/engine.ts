/**
 * The log: topics, partitions, appends and reads over one data directory. This is the library's main class; the daemon
 * is a thin layer over it.
 *
 * One engine per data directory and process (a lock sees to it). All methods may be called at any time and concurrently.
 */
import { AppendIntake, closing } from './append-intake.ts';
import { BackgroundWork } from './cleaning/background-work.ts';
import { RetentionPass } from './cleaning/retention-pass.ts';
import { nextEpoch, randomProducerId } from './commit/append-options.ts';
import { BackgroundSync } from './commit/background-sync.ts';
import { Committer } from './commit/committer.ts';
import { Journal } from './commit/journal.ts';
import { encodedBytes, PendingAppend } from './commit/pending-append.ts';
import { SpaceMonitor } from './commit/space-monitor.ts';
import type { EngineSettings } from './common/settings.ts';
import type {
  AppendOptions,
  EngineHealth,
  EngineStats,
  PartitionAppend,
  ProduceRecord,
  ProducerIdentity,
  ReadOptions,
  ReadResult,
  RecordsDeleted,
  SegmentDescription,
  TopicChange,
  TopicDescription,
  TopicListing,
  TopicSpec,
  TopicSummary,
} from './common/types.ts';
import { refuseInternal } from './directory/internal-topics.ts';
import type { OpenTopic } from './directory/topic.ts';
import { closeLog } from './engine-close.ts';
import { healthOf } from './engine-health.ts';
import { type EngineOptions, type OpenedDirectory, openDirectory } from './engine-open.ts';
import { orStorageFull } from './files/file-operations.ts';
import type { DirectoryLock } from './files/file-system.ts';
import { Housekeeping } from './housekeeping.ts';
import { describeSegments } from './partition/partition-description.ts';
import { type EngineContext, type PartitionLog, unknownPartition } from './partition/partition-log.ts';
import { readPartition, runRead } from './partition/partition-reader.ts';
import { SegmentMaintenance } from './partition/segment-maintenance.ts';
import { offsetForTimestamp } from './partition/timestamp-lookup.ts';
import { SearchAccess } from './search-access.ts';
import { TopicAdmin } from './topic-admin.ts';

export class Engine {
  readonly settings: EngineSettings;
  /** Compaction, retention and recompression: what runs, and what is asked for. */
  readonly background: BackgroundWork;
  /** For who searches segments by their files. */
  readonly search: SearchAccess;
  readonly #context: EngineContext;
  readonly #lock: DirectoryLock;
  readonly #topics: Map<string, OpenTopic>;
  readonly #admin: TopicAdmin;
  readonly #journal: Journal<PartitionLog>;
  readonly #committer: Committer;
  readonly #maintenance: SegmentMaintenance;
  readonly #space: SpaceMonitor;
  readonly #housekeeping: Housekeeping;
  readonly #intake: AppendIntake;
  #failed: string | null = null;
  #closing: Promise<void> | undefined;

  /** Opens a data directory and recovers what a crash left. Throws DIRECTORY_LOCKED, UNSUPPORTED_VERSION, INVALID_CONFIG, STORAGE_FULL. */
  static async open(options: EngineOptions): Promise<Engine> {
    const full = `the disk is full: opening ${options.directory} needs some space; free it and start again, nothing is lost`;
    const opened = await orStorageFull(full, () => openDirectory(options));
    const engine = new Engine(opened);
    try {
      await engine.#start(opened);
    } catch (error) {
      await engine.#release();
      throw error;
    }
    return engine;
  }

  private constructor(opened: OpenedDirectory) {
    const { context, topics } = opened;
    const { fileSystem, clock, directory, settings, logger, observer } = context;
    this.settings = settings;
    this.#context = context;
    this.#lock = opened.lock;
    this.#topics = topics;
    this.#maintenance = new SegmentMaintenance(context);
    this.#space = new SpaceMonitor(fileSystem, clock, directory, settings['log.dir.reserve.bytes']);
    const backgroundSync = new BackgroundSync((partition, synced) =>
      this.#maintenance.synced(partition, synced),
    );
    this.#journal = new Journal<PartitionLog>({
      directory,
      fileSystem,
      clock,
      logger,
      observer,
      fileBytes: settings['journal.file.bytes'],
      maxFiles: settings['journal.files'],
      nextSequence: (opened.journalFiles.at(-1) ?? -1) + 1,
      takeRoom: (bytes) => this.#space.takeRoom(bytes),
      syncTo: async (partition, offset) => {
        while (partition.syncedOffset < offset && !partition.deleted) await backgroundSync.request(partition);
      },
    });
    this.#committer = new Committer({
      context,
      journal: this.#journal,
      space: this.#space,
      backgroundSync,
      rolled: (partition, segment) => this.#maintenance.seal(partition, segment),
      synced: (partition, synced) => this.#maintenance.synced(partition, synced),
      failed: (reason) => this.#fail(reason),
    });
    this.#intake = new AppendIntake(
      context,
      this.#committer,
      () => this.#closing !== undefined,
      () => this.#failed,
    );
    this.#admin = new TopicAdmin(opened, this.#committer, this.#maintenance);
    this.search = new SearchAccess({
      maintenance: this.#maintenance,
      space: this.#space,
      listeners: context.sealedListeners,
      topicOf: (name) => summaryOf(this.#topic(name)),
      partitionOf: (name, partition) => this.#partition(name, partition),
    });
    const retention = new RetentionPass(context, topics, this.#committer, this.#maintenance, this.#space);
    const tools = { context, maintenance: this.#maintenance, space: this.#space };
    this.background = new BackgroundWork(tools, topics, retention);
    this.#housekeeping = new Housekeeping({
      context,
      topics,
      committer: this.#committer,
      maintenance: this.#maintenance,
      backgroundSync,
      space: this.#space,
      retention,
      background: this.background,
    });
  }

  async #start({ journalFiles, keepJournal, settledInPlace }: OpenedDirectory): Promise<void> {
    const ends = new Map(settledInPlace.map((partition) => [partition, partition.durableOffset]));
    if (!keepJournal) for (const sequence of journalFiles) await this.#journal.adopt(sequence, ends);
    await this.#space.refresh();
    for (const partition of this.#allPartitions())
      if (!ends.has(partition)) this.#maintenance.opened(partition);
    for (const partition of settledInPlace) this.#maintenance.sealAll(partition);
    if (settledInPlace.length > 0) this.#space.noteFull(this.#context.tails.bytes);
    this.#housekeeping.start();
  }

  /** Makes a topic. One of that name with the same partitions and config counts as made before; another is TOPIC_ALREADY_EXISTS. */
  createTopic(name: string, spec: TopicSpec = {}): Promise<{ created: boolean; topic: TopicDescription }> {
    return this.#changing(() => this.#admin.create(name, spec));
  }

  /** Makes a topic that the caller keeps for itself, unless it is there, as it is. */
  createInternalTopic(name: string, spec: TopicSpec): Promise<void> {
    return this.#changing(() => this.#admin.createInternal(name, spec));
  }

  /** Which topic has that name now; undefined when there is none. */
  findTopic(name: string): TopicSummary | undefined {
    const topic = this.#topics.get(name);
    return topic && summaryOf(topic);
  }

  /** Calls back with the name of a topic that was made, deleted, or altered. Returns a function that ends it. */
  onTopicsChanged(listener: (topic: string) => void): () => void {
    return this.#admin.onChange(listener);
  }

  listTopics(): TopicListing[] {
    return this.#admin.list();
  }

  async describeTopic(name: string): Promise<TopicDescription> {
    return this.#admin.describe(this.#topic(name));
  }

  /** Adds partitions (CORRUPT_MESSAGE where their directories are in use), sets config values or (null) takes them back. */
  alterTopic(name: string, change: TopicChange): Promise<TopicDescription> {
    return this.#changing(async () => {
      refuseInternal(name);
      return this.#admin.alter(name, change);
    });
  }

  /** Deletes a topic with all its records. */
  deleteTopic(name: string): Promise<void> {
    return this.#changing(async () => {
      refuseInternal(name);
      await this.background.cancelAllOf(name);
      await this.#admin.delete(name);
    });
  }

  async listSegments(name: string, partition: number): Promise<SegmentDescription[]> {
    return describeSegments(this.#partition(name, partition));
  }

  /** Appends records: in each partition all of them or none. Resolves when they are as safe as `acks` says. */
  append(
    topic: string,
    records: readonly ProduceRecord[],
    options?: AppendOptions,
  ): Promise<PartitionAppend[]> {
    try {
      const append = this.startAppend(topic, options);
      if (records.length > 1) append.expect(encodedBytes(records));
      for (const record of records) append.add(record);
      return append.commit();
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /** As `append`, for a caller that goes through its input record by record: no array of them is needed. */
  startAppend(topic: string, options: AppendOptions = {}): PendingAppend {
    refuseInternal(topic);
    return this.startInternalAppend(topic, options);
  }

  /** As `startAppend`, for a topic that the caller keeps for itself: not for what comes from outside. */
  startInternalAppend(topic: string, options: AppendOptions = {}): PendingAppend {
    const target = this.#intake.targetOf(this.#topic(topic));
    return new PendingAppend(target, options, this.#context.clock.now());
  }

  /**
   * An id for a producer that numbers its records, so that its retries store nothing twice (AppendOptions.producer). With the one
   * that it had, the same id under the next epoch: whoever still appends under the old one is fenced from the new one's first
   * append on. INVALID_REQUEST when there is no next epoch: take a new id.
   */
  newProducer(previous?: ProducerIdentity): ProducerIdentity {
    if (previous !== undefined) return nextEpoch(previous);
    let id = randomProducerId();
    while (this.#context.producerMemory.knowsProducer(id)) id = randomProducerId();
    return { id, epoch: 0 };
  }

  /** Reads whole batches from `options.offset` on. Throws OFFSET_OUT_OF_RANGE, CORRUPT_MESSAGE, KAFKA_STORAGE_ERROR. */
  async read(topic: string, partition: number, options: ReadOptions): Promise<ReadResult> {
    const log = this.#partition(topic, partition);
    const result = await runRead(log, () => readPartition(log, options));
    this.#context.observer.fetched?.(topic, result.bytes);
    return result;
  }

  /** Resolves true once the high watermark is past `offset` or the partition is gone; false after `timeoutMs` or on abort. */
  async waitForRecords(
    topic: string,
    partition: number,
    offset: number,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<boolean> {
    return this.#partition(topic, partition).waitFor(offset, timeoutMs, signal);
  }

  /** Calls back once, when the high watermark is past `offset` or the partition is gone; returns a function that cancels it. */
  onRecords(topic: string, partition: number, offset: number, wake: () => void): () => void {
    return this.#partition(topic, partition).whenPast(offset, wake);
  }

  /** The offset of the first record with a timestamp of at least `timestamp` (ms); the high watermark when there is none. */
  async offsetForTimestamp(topic: string, partition: number, timestamp: number): Promise<number> {
    const log = this.#partition(topic, partition);
    return runRead(log, () => offsetForTimestamp(log, timestamp));
  }

  offsets(
    topic: string,
    partition: number,
  ): { logStartOffset: number; highWatermark: number; logEndOffset: number } {
    const { logStartOffset, highWatermark, logEndOffset } = this.#partition(topic, partition);
    return { logStartOffset, highWatermark, logEndOffset };
  }

  /**
   * Deletes the records of a partition below `offset`; -1 stands for the high watermark, the most there is. They are gone for
   * good once it resolves, and their bytes segment by segment. Throws OFFSET_OUT_OF_RANGE, and
   * POLICY_VIOLATION where `cleanup.policy` is `compact`. As Kafka's DeleteRecords.
   */
  deleteRecords(topic: string, partition: number, offset: number): Promise<RecordsDeleted> {
    return this.#changing(() => this.background.deleteRecords(topic, partition, offset));
  }

  health(): EngineHealth {
    return healthOf(this.#allPartitions(), {
      failed: this.#failed,
      storageFull: this.#space.full,
      closing: this.#closing !== undefined,
    });
  }

  stats(): EngineStats {
    const all = this.#allPartitions();
    return {
      topics: this.#topics.size,
      partitions: all.length,
      segments: all.reduce((sum, { segments }) => sum + segments.length, 0),
      openFiles: this.#context.files.openFiles,
      inFlightBytes: this.#context.budget.usedBytes,
      journaledBytes: this.#context.tails.bytes,
      journalFiles: this.#journal.files,
      indexCacheBytes: this.#context.indexCache.bytes,
      producerEntries: this.#context.producerMemory.entries,
      freeBytes: this.#space.freeBytes,
      totalBytes: this.#space.totalBytes,
    };
  }

  /**
   * Takes no more appends, answers those in flight, syncs all, writes the clean marker and releases the lock. Rejects
   * when not all could be made safe: then there is no marker, and the next open recovers.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await Promise.resolve();
    this.#housekeeping.stop();
    try {
      await this.background.stop();
      await this.#admin.settle();
      await this.#committer.flush();
      await this.#maintenance.stop();
      await closeLog(this.#context, this.#allPartitions(), this.#maintenance, this.#failed === null);
    } finally {
      await this.#release();
    }
  }

  async #release(): Promise<void> {
    await this.#context.tasks.close();
    await this.#journal.close();
    await this.#context.files.close();
    await this.#lock.release();
  }

  #fail(reason: string): void {
    this.#failed = reason;
    for (const partition of this.#allPartitions()) partition.fence(reason);
  }

  #changing<T>(change: () => Promise<T>): Promise<T> {
    return this.#closing === undefined ? change() : Promise.reject(closing());
  }

  #topic(name: string): OpenTopic {
    const topic = this.#topics.get(name);
    if (topic === undefined) throw unknownPartition(name);
    return topic;
  }

  #partition(name: string, partition: number): PartitionLog {
    const log = this.#topic(name).partitions[partition];
    if (log === undefined) throw unknownPartition(name, partition);
    return log;
  }

  #allPartitions(): PartitionLog[] {
    return [...this.#topics.values()].flatMap(({ partitions }) => partitions);
  }
}

const summaryOf = ({ file, partitions }: OpenTopic): TopicSummary => ({
  name: file.name,
  id: file.id,
  partitions: partitions.length,
});
