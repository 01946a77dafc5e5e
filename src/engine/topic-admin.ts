/** Making, describing, changing and deleting topics of an open engine; changes one at a time. */
import type { Committer } from './commit/committer.ts';
import { SeglogError } from './common/errors.ts';
import { Mutex } from './common/mutex.ts';
import { nearestName } from './common/nearest-name.ts';
import { parseSetting, type SettingValue, TOPIC_SETTINGS } from './common/settings.ts';
import type { TopicChange, TopicDescription, TopicListing, TopicSpec } from './common/types.ts';
import { isInternalTopic, refuseReservedName } from './directory/internal-topics.ts';
import {
  checkTopicName,
  type OpenTopic,
  parseTopicConfig,
  type TopicFile,
  type TopicStore,
  topicIdentity,
} from './directory/topic.ts';
import type { OpenedDirectory } from './engine-open.ts';
import { orStorageFull } from './files/file-operations.ts';
import { partitionDirectory, topicDirectory } from './files/log-file-names.ts';
import { countRecords, describePartition } from './partition/partition-description.ts';
import { type EngineContext, unknownPartition } from './partition/partition-log.ts';
import type { SegmentMaintenance } from './partition/segment-maintenance.ts';
import { newPartition } from './recovery/partition-open.ts';

/** Nothing of a change took effect. */
const NO_SPACE = 'the disk is full: free space or add some';

export class TopicAdmin {
  readonly #context: EngineContext;
  readonly #store: TopicStore;
  readonly #topics: Map<string, OpenTopic>;
  readonly #defaults: Record<string, SettingValue>;
  readonly #committer: Committer;
  readonly #maintenance: SegmentMaintenance;
  readonly #changes = new Mutex();
  readonly #listeners = new Set<(topic: string) => void>();

  constructor(opened: OpenedDirectory, committer: Committer, maintenance: SegmentMaintenance) {
    this.#context = opened.context;
    this.#store = opened.store;
    this.#topics = opened.topics;
    this.#defaults = opened.topicDefaults;
    this.#committer = committer;
    this.#maintenance = maintenance;
  }

  /** Resolves when no change is running. */
  settle(): Promise<void> {
    return this.#changes.run(async () => {});
  }

  /** Calls back with the name of a topic that was made, deleted, or altered. */
  onChange(listener: (topic: string) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  create(name: string, spec: TopicSpec): Promise<{ created: boolean; topic: TopicDescription }> {
    return this.#changes.run(async () => {
      checkTopicName(name);
      refuseReservedName(name);
      return this.#create(name, spec);
    });
  }

  /** One that is there already stays as it is. */
  createInternal(name: string, spec: TopicSpec): Promise<void> {
    return this.#changes.run(async () => {
      if (!this.#topics.has(name)) await this.#create(name, spec);
    });
  }

  async #create(name: string, spec: TopicSpec): Promise<{ created: boolean; topic: TopicDescription }> {
    const partitions = spec.partitions ?? this.#context.settings['num.partitions'];
    const config = parseTopicConfig(spec.config ?? {});
    this.#checkPartitions(partitions, 0);
    const existing = this.#topics.get(name);
    if (existing !== undefined)
      return { created: false, topic: this.#sameOrRefuse(existing, partitions, config) };
    const file = await orStorageFull(NO_SPACE, () =>
      this.#store.create(name, partitions, config, this.#context.clock.now()),
    );
    const topic: OpenTopic = { file, partitions: [] };
    this.#addPartitions(topic, partitions);
    this.#topics.set(name, topic);
    this.#changed(name);
    return { created: true, topic: this.describe(topic) };
  }

  #changed(topic: string): void {
    for (const listener of this.#listeners) listener(topic);
  }

  alter(name: string, change: TopicChange): Promise<TopicDescription> {
    return this.#changes.run(async () => {
      const topic = this.#find(name);
      const partitions = change.partitions ?? topic.file.partitions;
      this.#checkPartitions(partitions, topic.file.partitions);
      const file: TopicFile = {
        ...topic.file,
        partitions,
        config: changeConfig(topic.file.config, change.config ?? {}),
      };
      await orStorageFull(NO_SPACE, () => this.#store.alter(topic.file, file));
      topic.file = file;
      topic.partitions[0]!.topic.settings = topicIdentity(file, this.#defaults).settings;
      this.#addPartitions(topic, partitions);
      this.#changed(name);
      return this.describe(topic);
    });
  }

  delete(name: string): Promise<void> {
    return this.#changes.run(async () => {
      const topic = this.#find(name);
      await this.#whileStill(topic, async () => {
        await this.#store.delete(topic.file);
        this.#topics.delete(name);
        for (const partition of topic.partitions) {
          partition.markDeleted();
          for (const { path } of partition.segments) this.#context.files.forget(path);
        }
      });
      this.#changed(name);
      await this.#store.syncDeleted(topic.file);
      try {
        await this.#store.removeDeleted(topic.file);
      } catch (error) {
        this.#context.logger.warn(
          { topic: name, err: error },
          'files of a deleted topic are left for the next start',
        );
      }
    });
  }

  /** Runs `change` while no commit, write, sync or maintenance job of the topic runs: names in its directory are still. */
  #whileStill(topic: OpenTopic, change: () => Promise<void>): Promise<void> {
    return this.#committer.exclusive(() =>
      this.#maintenance.exclusive(async () => {
        const { promise: done, resolve: release } = Promise.withResolvers<void>();
        const held = topic.partitions.map(({ syncing, writing }) => {
          const { promise, resolve } = Promise.withResolvers<void>();
          void syncing.run(() =>
            writing.run(() => {
              resolve();
              return done;
            }),
          );
          return promise;
        });
        await Promise.all(held);
        try {
          await change();
        } finally {
          release();
        }
      }),
    );
  }

  list(): TopicListing[] {
    const listings = [...this.#topics.values()].map(({ file, partitions }) => ({
      name: file.name,
      id: file.id,
      partitions: partitions.length,
      internal: isInternalTopic(file.name),
      records: partitions.reduce((sum, partition) => sum + countRecords(partition), 0),
      bytes: partitions.reduce((sum, { bytes }) => sum + bytes, 0),
    }));
    return listings.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  describe(topic: OpenTopic): TopicDescription {
    const { file, partitions } = topic;
    const { settings } = partitions[0]!.topic;
    const config: TopicDescription['config'] = {};
    for (const name of Object.keys(TOPIC_SETTINGS)) {
      const value = settings[name as keyof typeof settings];
      config[name] = { value, source: Object.hasOwn(file.config, name) ? 'topic' : 'default' };
    }
    return {
      name: file.name,
      id: file.id,
      internal: isInternalTopic(file.name),
      partitions: partitions.map(describePartition),
      config,
    };
  }

  #find(name: string): OpenTopic {
    const topic = this.#topics.get(name);
    if (topic === undefined) throw unknownPartition(name);
    return topic;
  }

  #sameOrRefuse(
    topic: OpenTopic,
    partitions: number,
    config: Record<string, SettingValue>,
  ): TopicDescription {
    const { file } = topic;
    const differences = differencesOf(file, partitions, config);
    if (differences.length === 0) return this.describe(topic);
    throw new SeglogError(
      'TOPIC_ALREADY_EXISTS',
      `topic "${file.name}" exists and is another one: ${differences.join('; ')}. Alter it, or choose another name`,
      { topic: file.name, partitions: file.partitions },
    );
  }

  #checkPartitions(partitions: number, present: number): void {
    const limit = this.#context.settings['max.partitions'];
    let total = partitions - present;
    for (const topic of this.#topics.values()) total += topic.partitions.length;
    if (Number.isSafeInteger(partitions) && partitions >= Math.max(1, present) && total <= limit) return;
    const why =
      present > 0 && partitions < present ? `it has ${present}, and partitions cannot be taken away` : '';
    throw new SeglogError(
      'INVALID_PARTITIONS',
      why ||
        `partitions must be a whole number from 1 to what max.partitions=${limit} leaves for all topics together`,
      { partitions },
    );
  }

  #addPartitions(topic: OpenTopic, count: number): void {
    const directory = topicDirectory(this.#context.directory, topic.file.name);
    const identity = topic.partitions[0]?.topic ?? topicIdentity(topic.file, this.#defaults);
    for (let partition = topic.partitions.length; partition < count; partition++) {
      const path = partitionDirectory(directory, partition);
      topic.partitions.push(newPartition(this.#context, identity, partition, path));
    }
  }
}

/** In what a topic that exists is not the one that is asked for. */
function differencesOf(
  file: TopicFile,
  partitions: number,
  config: Readonly<Record<string, SettingValue>>,
): string[] {
  const differences =
    file.partitions === partitions ? [] : [`it has partitions=${file.partitions}, not ${partitions}`];
  for (const name of new Set([...Object.keys(file.config), ...Object.keys(config)])) {
    const [is, asked] = [file.config[name], config[name]];
    if (is === asked) continue;
    const present = is === undefined ? `${name} at its default` : `${name}=${is}`;
    differences.push(`it has ${present}, not ${asked ?? 'the default'}`);
  }
  return differences;
}

function changeConfig(
  config: Readonly<Record<string, SettingValue>>,
  change: Readonly<Record<string, SettingValue | null>>,
): Record<string, SettingValue> {
  const changed = { ...config };
  for (const [name, value] of Object.entries(change)) {
    if (value !== null) changed[name] = parseSetting(TOPIC_SETTINGS, name, value);
    else if (Object.hasOwn(TOPIC_SETTINGS, name)) delete changed[name];
    else unknownSetting(name);
  }
  return changed;
}

function unknownSetting(name: string): never {
  const near = nearestName(name, Object.keys(TOPIC_SETTINGS));
  const hint = near === undefined ? '' : `; did you mean "${near}"?`;
  throw new SeglogError('INVALID_CONFIG', `unknown setting "${name}"${hint}`, { setting: name });
}
