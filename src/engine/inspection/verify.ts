/**
 * Checks a data directory to the last byte and reports what it finds. Writes nothing.
 *
 * A directory that nobody has open is locked meanwhile, so that it stays as it is, and judged as the next start would:
 * an end that was never acknowledged is no damage, and what the journal has is not missing. Of one that is open only what
 * cannot change is checked: sealed segments, and active ones up to their partition's checkpoint.
 */

import { counted } from '../common/counted.ts';
import { errnoOf, isSeglogError } from '../common/errors.ts';
import { silentLogger } from '../common/logger.ts';
import type { TopicFile } from '../directory/topic.ts';
import type { DirectoryLock, FileSystem } from '../files/file-system.ts';
import {
  cleanMarkerPath,
  journalPath,
  lockPath,
  metaPath,
  partitionDirectory,
  topicFilePath,
} from '../files/log-file-names.ts';
import { nodeFileSystem } from '../files/node-file-system.ts';
import { staleTopicFile } from '../recovery/partitions-in-use.ts';
import {
  type DirectorySurvey,
  segmentBytes,
  surveyDirectory,
  type TopicSurvey,
  unknownPartitions,
} from './directory-survey.ts';
import { Findings } from './findings.ts';
import { addPartitionFindings, addSettledFindings } from './partition-findings.ts';
import { type SurveyRequest, surveyPartition } from './partition-survey.ts';
import { ProgressMeter } from './progress-meter.ts';
import type { SegmentSurvey } from './segment-survey.ts';
import { settledBytes, surveySettled } from './settled-survey.ts';
import type { VerifyOptions, VerifyReport } from './verify-report.ts';

/**
 * Throws INVALID_REQUEST when it is no data directory, UNSUPPORTED_VERSION when something in it is of a newer version,
 * REQUEST_TIMED_OUT when it is given up by its signal.
 */
export async function verifyDirectory(options: VerifyOptions): Promise<VerifyReport> {
  const { directory, fileSystem = nodeFileSystem } = options;
  const lock = await lockIfFree(fileSystem, directory);
  try {
    return await new Verification(options, lock === 'held').run();
  } finally {
    if (lock !== 'held') await lock?.release();
  }
}

/** Undefined where there is nothing to hold: a directory that was never opened, or that nobody can write to. */
async function lockIfFree(
  fileSystem: FileSystem,
  directory: string,
): Promise<DirectoryLock | 'held' | undefined> {
  if ((await fileSystem.status(lockPath(directory))) === undefined) return undefined;
  try {
    return await fileSystem.lock(lockPath(directory));
  } catch (error) {
    if (isSeglogError(error, 'DIRECTORY_LOCKED')) return 'held';
    if (await isReadOnly(fileSystem, metaPath(directory))) return undefined;
    throw error;
  }
}

async function isReadOnly(fileSystem: FileSystem, path: string): Promise<boolean> {
  try {
    const file = await fileSystem.open(path, 'write');
    await file.close();
    return false;
  } catch (error) {
    return errnoOf(error) === 'EROFS';
  }
}

class Verification {
  readonly #options: VerifyOptions;
  readonly #fileSystem: FileSystem;
  readonly #running: boolean;
  readonly #findings: Findings;
  readonly #meter: ProgressMeter;
  readonly #counts = { topics: 0, partitions: 0, segments: 0, batches: 0, records: 0, bytes: 0 };
  #inUse = 0;

  constructor(options: VerifyOptions, running: boolean) {
    const { directory, fileSystem = nodeFileSystem, onProgress, signal } = options;
    this.#options = options;
    this.#fileSystem = fileSystem;
    this.#running = running;
    this.#findings = new Findings(directory);
    this.#meter = new ProgressMeter(directory, onProgress, signal);
  }

  async run(): Promise<VerifyReport> {
    const { directory, logger = silentLogger } = this.#options;
    const survey = await surveyDirectory(this.#fileSystem, directory, { journal: !this.#running });
    this.#addDirectoryFindings(survey);
    for (const topic of survey.topics) this.#meter.expect(await this.#bytesOf(topic));
    for (const topic of survey.topics) await this.#checkTopic(survey, topic);
    const { list, omitted, damage } = this.#findings;
    const clean = survey.marker !== undefined && survey.marker !== 'damaged';
    const report: VerifyReport = {
      directory,
      ok: damage === 0,
      scope: this.#running ? 'settled' : 'all',
      state: this.#running ? 'running' : clean ? 'clean' : 'unclean',
      counts: this.#counts,
      segmentsInUse: this.#inUse,
      findings: list,
      findingsOmitted: omitted,
    };
    logger.info({ directory, ok: report.ok, findings: list.length + omitted }, 'verified');
    return report;
  }

  #addDirectoryFindings({ directory, metaFault, leftovers, marker, journal, topics }: DirectorySurvey): void {
    const findings = this.#findings;
    if (metaFault !== undefined) findings.add('damage', metaPath(directory), metaFault);
    if (marker === 'damaged') {
      const message = 'the clean marker fails its checks; the next start recovers as after a crash';
      findings.add('derived', cleanMarkerPath(directory), message);
    }
    for (const path of leftovers)
      findings.add('note', path, 'unfinished work of a process that ended; opening removes it');
    for (const sequence of journal.damagedHeaders) {
      const message = 'the header fails its checks; the frames behind it count, and it is written anew';
      findings.add('derived', journalPath(directory, sequence), message);
    }
    for (const { sequence, position, end } of journal.damaged) {
      const message =
        'a frame fails its checks; damage is told of each partition that may have lost records by it';
      const bytes = { startPosition: position, endPosition: end };
      findings.add('note', journalPath(directory, sequence), message, { bytes });
    }
    for (const { sequence, position, end } of journal.unfinished) {
      const message = 'an unfinished frame, which was never acknowledged';
      const bytes = { startPosition: position, endPosition: end };
      findings.add('note', journalPath(directory, sequence), message, { bytes });
    }
    if (typeof marker !== 'object' || topics.some(({ file }) => file === undefined)) return;
    for (const [topicId, partition] of unknownPartitions(marker, topics)) {
      const message = `the clean marker tells of partition ${partition} of a topic with id ${topicId}, which is not there`;
      findings.add('damage', cleanMarkerPath(directory), message);
    }
  }

  async #checkTopic(survey: DirectorySurvey, topic: TopicSurvey): Promise<void> {
    const { name, file, fault, directory, partitions, inUse } = topic;
    this.#counts.topics++;
    if (file === undefined) {
      const message = `${fault}; its partitions were not checked`;
      this.#findings.add('damage', topicFilePath(directory), message, { topic: name });
      return;
    }
    if (inUse > file.partitions)
      this.#findings.add('damage', topicFilePath(directory), staleTopicFile(file, inUse), { topic: name });
    for (let partition = 0; partition < inUse; partition++) {
      this.#counts.partitions++;
      await this.#checkPartition(survey, file, partition, partitionDirectory(directory, partition));
    }
    for (const partition of partitions) {
      if (partition < inUse) continue;
      const path = partitionDirectory(directory, partition);
      const empty = (await this.#fileSystem.list(path)).length === 0;
      const message = `topic.json knows ${counted(file.partitions, 'partition')}, and this is none of them`;
      this.#findings.add(empty ? 'note' : 'damage', path, message, { topic: name, partition });
    }
  }

  async #checkPartition(
    { marker, journal }: DirectorySurvey,
    { id: topicId, name: topic }: TopicFile,
    partition: number,
    directory: string,
  ): Promise<void> {
    const clean = typeof marker === 'object' ? marker.get(topicId, partition) : undefined;
    const request: SurveyRequest = {
      fileSystem: this.#fileSystem,
      topicId,
      partition,
      directory,
      clean,
      journal,
      meter: this.#meter,
    };
    const owner = { topic, partition };
    if (this.#running) return this.#checkSettled(request, owner);
    const survey = await surveyPartition(request);
    for (const segment of survey.segments) this.#count(segment);
    addPartitionFindings(this.#findings, owner, survey, clean);
  }

  async #checkSettled(request: SurveyRequest, owner: { topic: string; partition: number }): Promise<void> {
    const survey = await unlessGone(surveySettled(request));
    if (survey === undefined) return;
    this.#inUse += survey.inUse;
    for (const { segments } of survey.runs) for (const segment of segments) this.#count(segment);
    addSettledFindings(this.#findings, owner, survey);
  }

  async #bytesOf(topic: TopicSurvey): Promise<number> {
    const { file, directory, partitions } = topic;
    if (!this.#running) return segmentBytes(this.#fileSystem, topic);
    let bytes = 0;
    for (const partition of file === undefined ? [] : partitions) {
      const owner = { topicId: file!.id, partition };
      const path = partitionDirectory(directory, partition);
      bytes += (await unlessGone(settledBytes(this.#fileSystem, path, owner))) ?? 0;
    }
    return bytes;
  }

  #count({ segment, stats }: SegmentSurvey): void {
    if (!segment.exists) return;
    this.#counts.segments++;
    this.#counts.batches += stats.batches;
    this.#counts.records += stats.records;
    this.#counts.bytes += segment.stats.bytes;
  }
}

/** Undefined when the process that has the directory open took it away meanwhile: a topic was deleted. */
async function unlessGone<T>(work: Promise<T>): Promise<T | undefined> {
  try {
    return await work;
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
    return undefined;
  }
}
