/**
 * A topic: a name, an id, its settings and its partitions. `topic.json` in its directory says so on disk.
 *
 * Creating, altering and deleting are each one step that a crash leaves done or not done: creating builds a directory
 * aside and renames it, altering replaces topic.json, deleting renames the directory away before anything in it goes.
 */
import { randomBytes } from 'node:crypto';
import { errnoOf, SeglogError } from '../common/errors.ts';
import {
  ENGINE_SETTINGS,
  parseSetting,
  resolveSettings,
  type SettingValue,
  TOPIC_SETTINGS,
  type TopicSettings,
} from '../common/settings.ts';
import { readWholeFile, removeTree, replaceFile } from '../files/file-operations.ts';
import type { FileSystem } from '../files/file-system.ts';
import {
  deletedTopicDirectory,
  isTopicName,
  isUnfinished,
  MAX_TOPIC_NAME_LENGTH,
  newTopicDirectory,
  partitionDirectory,
  topicDirectory,
  topicFilePath,
  topicsDirectory,
} from '../files/log-file-names.ts';
import { checkJsonVersion, decodeJsonFile, encodeJsonFile } from '../format/json-file.ts';
import type { PartitionLog, TopicIdentity } from '../partition/partition-log.ts';
import { isTakenName } from './topic-leftovers.ts';

export const TOPIC_VERSION = 1;

/** What topic.json holds. */
export interface TopicFile {
  version: number;
  /** 32 hexadecimal digits. */
  id: string;
  name: string;
  partitions: number;
  /** What was set on the topic itself. */
  config: Record<string, SettingValue>;
  /** ISO 8601. */
  createdAt: string;
}

/** A topic while the engine is open. */
export interface OpenTopic {
  file: TopicFile;
  readonly partitions: PartitionLog[];
}

/** Throws INVALID_TOPIC_EXCEPTION unless the name is one that Kafka takes too. */
export function checkTopicName(name: unknown): asserts name is string {
  if (isTopicName(name)) return;
  throw new SeglogError(
    'INVALID_TOPIC_EXCEPTION',
    `a topic name has 1 to ${MAX_TOPIC_NAME_LENGTH} of the characters a-z A-Z 0-9 . _ - and is not "." or ".."`,
  );
}

/** The settings in force: those of the topic over the engine's defaults. */
function topicSettings(
  config: Readonly<Record<string, SettingValue>>,
  defaults: Readonly<Record<string, SettingValue>>,
): TopicSettings {
  return resolveSettings(TOPIC_SETTINGS, { ...defaults, ...config });
}

/** Checks a config as a user gives it. */
export function parseTopicConfig(given: Readonly<Record<string, unknown>>): Record<string, SettingValue> {
  return Object.fromEntries(
    Object.entries(given).map(([name, value]) => [name, parseSetting(TOPIC_SETTINGS, name, value)]),
  );
}

/** The topics of a data directory, as files. */
export class TopicStore {
  readonly #fileSystem: FileSystem;
  readonly #data: string;

  constructor(fileSystem: FileSystem, data: string) {
    this.#fileSystem = fileSystem;
    this.#data = data;
  }

  /** All topics. */
  async load(): Promise<TopicFile[]> {
    const directory = topicsDirectory(this.#data);
    if ((await this.#fileSystem.status(directory)) === undefined) return [];
    const topics: TopicFile[] = [];
    for (const name of await this.#fileSystem.list(directory)) {
      const topic = isUnfinished(name) ? undefined : await this.#read(name);
      if (topic !== undefined) topics.push(topic);
    }
    return topics.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /**
   * After a crash of the process names may be there that were never synced: before anybody relies on a topic that is or
   * is not there, that is made durable.
   */
  async syncNames(topics: readonly TopicFile[]): Promise<void> {
    for (const { name } of topics) await this.#fileSystem.syncDirectory(topicDirectory(this.#data, name));
    await this.#fileSystem.syncDirectory(topicsDirectory(this.#data));
  }

  /** Undefined where there is nothing but a name. */
  async #read(name: string): Promise<TopicFile | undefined> {
    const directory = topicDirectory(this.#data, name);
    const path = topicFilePath(directory);
    const bytes = await readWholeFile(this.#fileSystem, path);
    if (bytes === undefined) {
      if (await isTakenName(this.#fileSystem, directory)) return undefined;
      throw new SeglogError('CORRUPT_MESSAGE', `${path} is missing: restore it, or move the directory away`);
    }
    return decodeTopicFile(bytes, name, path);
  }

  async create(
    name: string,
    partitions: number,
    config: Record<string, SettingValue>,
    now: number,
  ): Promise<TopicFile> {
    const id = randomBytes(16).toString('hex');
    const topic: TopicFile = {
      version: TOPIC_VERSION,
      id,
      name,
      partitions,
      config,
      createdAt: new Date(now).toISOString(),
    };
    const fresh = newTopicDirectory(this.#data, id);
    try {
      await this.#fileSystem.makeDirectory(fresh);
      await this.#makePartitions(fresh, 0, partitions);
      await this.#write(fresh, topic);
      await this.#fileSystem.rename(fresh, topicDirectory(this.#data, name));
    } catch (error) {
      await removeTree(this.#fileSystem, fresh).catch(() => {});
      throw error;
    }
    try {
      await this.#fileSystem.syncDirectory(topicsDirectory(this.#data));
    } catch (error) {
      await this.#takeBack(topic).catch(() => {});
      throw error;
    }
    return topic;
  }

  /** Nobody knows whether its name is durable: nothing in it goes before it is durable that it has none. */
  async #takeBack({ name, id }: TopicFile): Promise<void> {
    const fresh = newTopicDirectory(this.#data, id);
    await this.#fileSystem.rename(topicDirectory(this.#data, name), fresh);
    await this.#fileSystem.syncDirectory(topicsDirectory(this.#data));
    await removeTree(this.#fileSystem, fresh);
  }

  /** Replaces topic.json, after the directories of new partitions are there. CORRUPT_MESSAGE when one is in use already. */
  async alter(before: TopicFile, topic: TopicFile): Promise<void> {
    const directory = topicDirectory(this.#data, topic.name);
    if (topic.partitions > before.partitions) {
      for (let partition = before.partitions; partition < topic.partitions; partition++)
        await this.#removeUnused(topic.name, partition);
      await this.#makePartitions(directory, before.partitions, topic.partitions);
      await this.#fileSystem.syncDirectory(directory);
    }
    try {
      await this.#write(directory, topic);
    } catch (error) {
      // It may be there, and not last: the next start would go by it, and a power cut bring back what was before.
      await this.#write(directory, before).catch(() => {});
      throw error;
    }
  }

  /** Gone once it resolves: nobody may write to it any more. For good with `syncDeleted`. */
  delete(topic: TopicFile): Promise<void> {
    return this.#fileSystem.rename(
      topicDirectory(this.#data, topic.name),
      deletedTopicDirectory(this.#data, topic.id),
    );
  }

  /** Its files go with `removeDeleted`, or at the next open. OUTCOME_UNKNOWN when that fails. */
  async syncDeleted({ name }: TopicFile): Promise<void> {
    try {
      await this.#fileSystem.syncDirectory(topicsDirectory(this.#data));
    } catch (error) {
      throw new SeglogError(
        'OUTCOME_UNKNOWN',
        `topic "${name}" is deleted, but a power cut may bring it back: that could not be synced (${errnoOf(error) ?? error})`,
        { topic: name },
        { cause: error },
      );
    }
  }

  removeDeleted(topic: TopicFile): Promise<void> {
    return removeTree(this.#fileSystem, deletedTopicDirectory(this.#data, topic.id));
  }

  /**
   * A crash or a failure in an earlier `alter` leaves an empty directory, of which nobody knows whether its name is durable:
   * it is removed. Anything in it is of a partition that topic.json does not know.
   */
  async #removeUnused(topic: string, partition: number): Promise<void> {
    const path = partitionDirectory(topicDirectory(this.#data, topic), partition);
    const status = await this.#fileSystem.status(path);
    if (status === undefined) return;
    const found = status.isDirectory ? await this.#fileSystem.list(path) : [path];
    if (found.every(isUnfinished)) return removeTree(this.#fileSystem, path);
    throw new SeglogError(
      'CORRUPT_MESSAGE',
      `partition ${partition} cannot be added to topic "${topic}": ${path} is in use, and topic.json does not know it. ` +
        'Restore the right topic.json, run "seglog repair", or move that away; nothing was changed',
      { topic, partition },
    );
  }

  async #makePartitions(directory: string, from: number, to: number): Promise<void> {
    for (let partition = from; partition < to; partition++) {
      await this.#fileSystem.makeDirectory(partitionDirectory(directory, partition));
    }
  }

  #write(directory: string, topic: TopicFile): Promise<void> {
    return replaceFile(this.#fileSystem, topicFilePath(directory), [encodeJsonFile(topic)]);
  }
}

/** What topic.json in the directory of topic `name` says; CORRUPT_MESSAGE when it is damaged or of another topic. */
export function decodeTopicFile(bytes: Buffer, name: string, path: string): TopicFile {
  const file = decodeJsonFile(bytes);
  if (typeof file === 'string') throw damaged(path, file);
  if (!checkJsonVersion(file.version, TOPIC_VERSION, `topic "${name}"`))
    throw damaged(path, 'it has no version');
  if (!isTopicFile(file)) throw damaged(path, 'it does not describe a topic');
  if (file.name === name) return file;
  throw new SeglogError('CORRUPT_MESSAGE', `${path} does not belong here: it is of the topic "${file.name}"`);
}

function isTopicFile(file: object): file is TopicFile {
  const { id, name, partitions, config, createdAt } = file as TopicFile;
  return (
    typeof id === 'string' &&
    /^[0-9a-f]{32}$/.test(id) &&
    typeof name === 'string' &&
    Number.isSafeInteger(partitions) &&
    partitions >= 1 &&
    partitions <= ENGINE_SETTINGS['max.partitions'].max &&
    typeof config === 'object' &&
    config !== null &&
    typeof createdAt === 'string'
  );
}

function damaged(path: string, what: string): SeglogError {
  return new SeglogError(
    'CORRUPT_MESSAGE',
    `${path} is damaged: ${what}; restore it, or run "seglog repair"`,
  );
}

/** The topic as its partitions know it. */
export function topicIdentity(
  file: TopicFile,
  defaults: Readonly<Record<string, SettingValue>>,
): TopicIdentity {
  return {
    name: file.name,
    id: file.id,
    idBytes: Buffer.from(file.id, 'hex'),
    settings: topicSettings(file.config, defaults),
  };
}
