/**
 * Repairs a data directory that no process has open. Without consent to a loss it does only what loses nothing: it writes
 * damaged headers and derived files anew, puts back what the journal has, and recovers after an unclean stop. With it,
 * what cannot be read is cut, kept aside and recorded as a gap (see repair-partition.ts). The log's end never goes back.
 */

import { relative } from 'node:path';
import { systemClock } from '../common/clock.ts';
import { counted } from '../common/counted.ts';
import { silentLogger } from '../common/logger.ts';
import { TOPIC_SETTINGS } from '../common/settings.ts';
import type { CleanMarker } from '../directory/clean-marker.ts';
import { createMeta } from '../directory/meta-file.ts';
import type { TopicFile } from '../directory/topic.ts';
import { Engine } from '../engine.ts';
import { DescriptorCache } from '../files/descriptor-cache.ts';
import type { DirectoryLock, FileSystem } from '../files/file-system.ts';
import {
  cleanMarkerPath,
  lockPath,
  metaPath,
  partitionDirectory,
  topicFilePath,
} from '../files/log-file-names.ts';
import { nodeFileSystem } from '../files/node-file-system.ts';
import { finishPendingSwaps } from '../rewrite/segment-swap.ts';
import {
  type DirectorySurvey,
  segmentBytes,
  surveyDirectory,
  type TopicSurvey,
  unknownPartitions,
} from './directory-survey.ts';
import { Findings } from './findings.ts';
import { addPartitionFindings } from './partition-findings.ts';
import { type PartitionSurvey, surveyPartition } from './partition-survey.ts';
import { ProgressMeter } from './progress-meter.ts';
import { losesData, type PartitionRepair } from './repair-losses.ts';
import { needsRepair, repairPartition } from './repair-partition.ts';
import type { RepairAction, RepairLoss, RepairOptions, RepairReport } from './repair-report.ts';
import { RepairStore } from './repair-store.ts';
import { guessTopicFile, writeTopicFile } from './repair-topics.ts';

const OPEN_FILES = 16;

/**
 * Throws DIRECTORY_LOCKED when a process has the directory open, INVALID_REQUEST when it is no data directory,
 * UNSUPPORTED_VERSION when something in it is of a newer version. After any other failure it can be called again.
 */
export async function repairDirectory(options: RepairOptions): Promise<RepairReport> {
  const { directory, fileSystem = nodeFileSystem } = options;
  // A directory that is none of ours is left without a lock file.
  await surveyDirectory(fileSystem, directory, { journal: false });
  const lock = await fileSystem.lock(lockPath(directory));
  const repair = new Repair(options);
  try {
    await repair.run();
  } catch (error) {
    await lock.release();
    throw error;
  }
  return repair.finish(lock);
}

class Repair {
  readonly #options: RepairOptions;
  readonly #fileSystem: FileSystem;
  readonly #files: DescriptorCache;
  readonly #store: RepairStore;
  readonly #meter: ProgressMeter;
  readonly #repairedAt: string;
  readonly #actions: RepairAction[] = [];
  readonly #losses: RepairLoss[] = [];
  /** What is left: its list goes into the report. */
  readonly #remaining: Findings;
  #marker: CleanMarker | undefined;
  #wasClean = false;

  constructor(options: RepairOptions) {
    const { directory, fileSystem = nodeFileSystem, clock = systemClock, onProgress } = options;
    this.#options = options;
    this.#fileSystem = fileSystem;
    this.#files = new DescriptorCache(fileSystem, OPEN_FILES, 'read');
    this.#repairedAt = new Date(clock.now()).toISOString();
    this.#store = new RepairStore(fileSystem, this.#files, directory, this.#repairedAt);
    this.#meter = new ProgressMeter(directory, onProgress);
    this.#remaining = new Findings(directory);
  }

  async run(): Promise<void> {
    const { directory } = this.#options;
    const survey = await surveyDirectory(this.#fileSystem, directory, { journal: true });
    this.#marker = survey.marker === 'damaged' ? undefined : survey.marker;
    this.#wasClean = this.#marker !== undefined;
    try {
      if (survey.metaFault !== undefined) await this.#replaceMeta();
      for (const topic of survey.topics) this.#meter.expect(await segmentBytes(this.#fileSystem, topic));
      for (const topic of survey.topics) await this.#repairTopic(survey, topic);
      await this.#forgetTopics(survey);
    } finally {
      await survey.journal.close();
      await this.#files.close();
    }
  }

  /** Opens what was repaired, which recovers it and makes its derived files, and closes it cleanly. Takes the lock over. */
  async finish(lock: DirectoryLock): Promise<RepairReport> {
    const untouched = this.#wasClean && this.#actions.length === 0;
    if (untouched || this.#remaining.damage > 0) await lock.release();
    else await this.#open(lock);
    const { directory, acceptLoss, logger = silentLogger } = this.#options;
    const report: RepairReport = {
      directory,
      acceptLoss,
      ok: this.#remaining.damage === 0,
      actions: this.#actions,
      losses: this.#losses,
      remaining: this.#remaining.list,
      keptIn: this.#store.keptIn,
    };
    const { ok, keptIn } = report;
    logger.info(
      { directory, ok, actions: report.actions.length, losses: report.losses.length, keptIn },
      'repaired',
    );
    return report;
  }

  async #open(lock: DirectoryLock): Promise<void> {
    const { directory, fileSystem, clock, logger } = this.#options;
    const engine = await Engine.open({ directory, fileSystem, clock, logger, lock });
    const { damagedPartitions, fencedPartitions } = engine.health();
    await engine.close();
    if (!this.#wasClean) this.#done(directory, 'recovered what the last process left, and closed it cleanly');
    for (const { topic, partition, ranges } of damagedPartitions) {
      for (const range of ranges)
        this.#remaining.add('damage', directory, range.reason, { topic, partition });
    }
    for (const { topic, partition, reason } of fencedPartitions)
      this.#remaining.add('damage', directory, reason, { topic, partition });
  }

  async #replaceMeta(): Promise<void> {
    const { directory, clock = systemClock } = this.#options;
    const path = metaPath(directory);
    await this.#keepWhole(path, 'meta.json');
    await createMeta(this.#fileSystem, directory, clock.now());
    this.#done(path, 'made it anew: the directory has another instance id from now on');
  }

  async #repairTopic(survey: DirectorySurvey, topic: TopicSurvey): Promise<void> {
    let file = topic.file ?? (await this.#makeTopicFile(topic));
    if (file === undefined) return;
    if (topic.inUse > file.partitions) file = await this.#raisePartitions(topic, file);
    for (let partition = 0; partition < file.partitions; partition++)
      await this.#repairPartition(survey, file, partition, partitionDirectory(topic.directory, partition));
    for (const partition of topic.partitions) {
      if (partition < file.partitions) continue;
      const path = partitionDirectory(topic.directory, partition);
      if ((await this.#fileSystem.list(path)).length === 0) continue;
      const message = `topic.json knows ${counted(file.partitions, 'partition')}, and this is none of them: restore the right topic.json, or move the directory away`;
      this.#remaining.add('damage', path, message, { topic: file.name, partition });
    }
  }

  /** The marker may tell of topics whose directories are gone: nothing is left of them to be repaired. */
  async #forgetTopics({ topics }: DirectorySurvey): Promise<void> {
    const { directory, acceptLoss } = this.#options;
    const marker = this.#marker;
    if (marker === undefined || topics.some(({ file }) => file === undefined)) return;
    const path = cleanMarkerPath(directory);
    for (const [topicId, partition] of unknownPartitions(marker, topics)) {
      const what = `partition ${partition} of a topic with id ${topicId}, which is not there`;
      if (!acceptLoss) {
        this.#remaining.add('damage', path, `the clean marker tells of ${what}`);
        continue;
      }
      marker.delete(topicId, partition);
      await marker.write(this.#fileSystem, directory);
      this.#done(path, `removed what it told of ${what}`);
    }
  }

  /** A stale topic.json hides partitions. Nothing is lost by it: their segments, the marker or the journal tell of them. */
  async #raisePartitions(topic: TopicSurvey, file: TopicFile): Promise<TopicFile> {
    const path = topicFilePath(topic.directory);
    // Empty directories count as well: partitions that were never written to have nothing else.
    const partitions = Math.max(topic.inUse, ...topic.partitions.map((partition) => partition + 1));
    topic.file = { ...file, partitions };
    await this.#keepTopicFile(topic);
    await writeTopicFile(this.#fileSystem, topic.directory, topic.file);
    const message = `raised its partitions from ${file.partitions} to ${partitions}, which are in use; what was set on the topic may be old: look at it`;
    this.#done(path, message, topic.name);
    return topic.file;
  }

  #keepTopicFile({ directory, name }: TopicSurvey): Promise<void> {
    return this.#keepWhole(topicFilePath(directory), `${name.slice(0, 150)}-topic.json`);
  }

  /** Undefined when it cannot be told what was in it, or nobody consents to the loss of the rest. */
  async #makeTopicFile(topic: TopicSurvey): Promise<TopicFile | undefined> {
    const { acceptLoss, clock = systemClock } = this.#options;
    const path = topicFilePath(topic.directory);
    const file = await guessTopicFile(this.#fileSystem, topic, clock);
    if (file !== undefined && acceptLoss) {
      await this.#keepTopicFile(topic);
      await writeTopicFile(this.#fileSystem, topic.directory, file);
      this.#done(
        path,
        'made it anew from the segments: what was set on the topic is lost, set it again',
        topic.name,
      );
      return file;
    }
    const remedy =
      file === undefined
        ? 'no segment tells what was in it: restore it from a backup, or move the directory away'
        : 'restore it from a backup, or accept the loss of what was set on the topic';
    this.#remaining.add('damage', path, `${topic.fault}; ${remedy}`, { topic: topic.name });
    return undefined;
  }

  async #repairPartition(
    { journal }: DirectorySurvey,
    topic: TopicFile,
    partition: number,
    directory: string,
  ): Promise<void> {
    const { acceptLoss, clock = systemClock, directory: data } = this.#options;
    const clean = this.#marker?.get(topic.id, partition);
    const survey = await surveyPartition({
      fileSystem: this.#fileSystem,
      topicId: topic.id,
      partition,
      directory,
      clean,
      journal,
      meter: this.#meter,
    });
    if (!needsRepair(survey, clean)) return;
    await this.#unmark(topic, partition);
    if (survey.swaps.length > 0) {
      await finishPendingSwaps(this.#fileSystem, directory);
      this.#done(directory, 'put a rewritten segment in its place', topic.name, partition);
    }
    const repair: PartitionRepair = {
      context: { fileSystem: this.#fileSystem, files: this.#files, clock },
      topic: {
        id: topic.id,
        settings: { 'index.interval.bytes': TOPIC_SETTINGS['index.interval.bytes'].default },
      },
      partition,
      directory,
      data,
      topicName: topic.name,
      store: this.#store,
      repairedAt: this.#repairedAt,
      done: (path, message) => this.#done(path, message, topic.name, partition),
    };
    this.#losses.push(...(await repairPartition(repair, survey, clean, acceptLoss)));
    if (!acceptLoss && losesData(survey)) this.#addRemaining(topic.name, partition, survey);
  }

  #addRemaining(topic: string, partition: number, survey: PartitionSurvey): void {
    const found = new Findings(this.#options.directory);
    addPartitionFindings(found, { topic, partition }, survey, undefined);
    for (const finding of found.list) if (finding.severity === 'damage') this.#remaining.take(finding);
  }

  /** The marker goes on telling where the partition's log ends, but not what its files are like. */
  async #unmark({ id }: TopicFile, partition: number): Promise<void> {
    const entry = this.#marker?.get(id, partition);
    if (entry === undefined) return;
    this.#marker!.set(id, partition, { ...entry, segments: [] });
    await this.#marker!.write(this.#fileSystem, this.#options.directory);
  }

  async #keepWhole(path: string, name: string): Promise<void> {
    const status = await this.#fileSystem.status(path);
    if (status !== undefined) await this.#store.keepBytes(path, 0, status.size, name);
  }

  #done(path: string, message: string, topic: string | null = null, partition: number | null = null): void {
    const file = relative(this.#options.directory, path) || '.';
    this.#actions.push({ topic, partition, file, message });
  }
}
