/**
 * The search indexes of a log: made in the background, and handed out to whoever plans a query. One for an engine; the engine
 * is closed after it.
 */
import { extname } from 'node:path';
import {
  type Clock,
  type Engine,
  type FileSystem,
  InlineTaskRunner,
  type Logger,
  nodeFileSystem,
  type SearchPartition,
  type SearchSegment,
  silentLogger,
  systemClock,
  type TaskRunner,
  WorkerPool,
} from '../engine/index.ts';
import { INDEX_TASKS, type IndexTasks } from './index-task.ts';
import { Indexer, type IndexerFigures } from './indexer.ts';
import type { SearchIndex } from './search-index.ts';
import { SearchIndexCache } from './search-index-cache.ts';
import { SearchIndexFiles } from './search-index-file.ts';
import type { QuerySettings } from './settings.ts';

/** How often a block is read in vain for a word that it does not have, at most, on average. */
export const FALSE_POSITIVE_RATE = 0.01;
const MAX_OPEN_FILES = 64;

export interface SearchIndexesOptions {
  readonly settings: QuerySettings;
  /** Those of the engine. Default: the real ones. */
  readonly fileSystem?: FileSystem;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Where indexes are made; it goes over to this. Default: a thread, or here over another file system than the real one. */
  readonly runner?: TaskRunner<IndexTasks>;
}

export class SearchIndexes {
  readonly #runner: TaskRunner<IndexTasks>;
  readonly #files: SearchIndexFiles;
  readonly #cache: SearchIndexCache;
  readonly #indexer: Indexer;

  constructor(engine: Engine, options: SearchIndexesOptions) {
    const { settings, fileSystem = nodeFileSystem, clock = systemClock, logger = silentLogger } = options;
    this.#files = new SearchIndexFiles(fileSystem, MAX_OPEN_FILES);
    this.#cache = new SearchIndexCache(this.#files, settings['query.index.cache.bytes']);
    this.#runner = options.runner ?? createRunner(settings, fileSystem, clock);
    this.#indexer = new Indexer({
      engine,
      runner: this.#runner,
      files: this.#files,
      clock,
      logger,
      falsePositiveRate: FALSE_POSITIVE_RATE,
      changed: ({ id, searchPath }) => this.#cache.forget(id, searchPath),
    });
    this.#indexer.start();
  }

  get figures(): Readonly<IndexerFigures> {
    return this.#indexer.figures;
  }

  /** The index of a sealed segment of this partition; undefined where there is none that counts. */
  get(partition: SearchPartition, number: number, segment: SearchSegment): Promise<SearchIndex | undefined> {
    return this.#cache.get(partition, number, segment);
  }

  /** Reading the index of a segment has thrown IndexDamaged: it has none from now on, and is given another. */
  damaged(topic: string, partition: SearchPartition, number: number, segment: SearchSegment): void {
    this.#cache.drop(partition, segment);
    this.#indexer.rebuild(topic, number, segment);
  }

  /** Resolves when all segments are indexed that can be now. */
  idle(): Promise<void> {
    return this.#indexer.idle();
  }

  async close(): Promise<void> {
    await this.#indexer.stop();
    await this.#runner.close();
    await this.#files.close();
  }
}

function createRunner(settings: QuerySettings, fileSystem: FileSystem, clock: Clock): TaskRunner<IndexTasks> {
  const bytesPerSecond = settings['query.index.bytes.per.second'];
  if (fileSystem !== nodeFileSystem)
    return new InlineTaskRunner<IndexTasks>({ fileSystem, clock, bytesPerSecond, tasks: INDEX_TASKS });
  // From src/ as from dist/.
  const script = `${import.meta.dirname}/index-worker${extname(import.meta.filename)}`;
  return new WorkerPool<IndexTasks>({ threads: 1, bytesPerSecond, clock, script });
}
