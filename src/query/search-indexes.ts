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
import { GrowingIndexes } from './growing-indexes.ts';
import type { Outlined } from './index-outline.ts';
import { INDEX_TASKS, type IndexTasks } from './index-task.ts';
import { Indexer, type IndexerFigures } from './indexer.ts';
import type { SearchIndex } from './search-index.ts';
import { SearchIndexCache } from './search-index-cache.ts';
import { SearchIndexFiles } from './search-index-file.ts';
import type { QuerySettings } from './settings.ts';
import type { IndexSource } from './survey.ts';

/** How often a block is read in vain for a word that it does not have, at most, on average. */
export const FALSE_POSITIVE_RATE = 0.01;
const MAX_OPEN_FILES = 64;
/** What has come is not kept waiting by a segment that was sealed. */
const THREADS = 2;

/** At this moment. */
export interface IndexFigures extends IndexerFigures {
  /** Memory for indexes of sealed segments, and of others. */
  cacheBytes: number;
  activeBytes: number;
}

export interface SearchIndexesOptions {
  readonly settings: QuerySettings;
  /** Those of the engine. Default: the real ones. */
  readonly fileSystem?: FileSystem;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Where indexes are made; it goes over to this. Default: a thread, or here over another file system than the real one. */
  readonly runner?: TaskRunner<IndexTasks>;
}

export class SearchIndexes implements IndexSource {
  readonly #runner: TaskRunner<IndexTasks>;
  readonly #files: SearchIndexFiles;
  readonly #cache: SearchIndexCache;
  readonly #indexer: Indexer;
  readonly #growing: GrowingIndexes;

  constructor(engine: Engine, options: SearchIndexesOptions) {
    const { settings, fileSystem = nodeFileSystem, clock = systemClock, logger = silentLogger } = options;
    this.#files = new SearchIndexFiles(fileSystem, MAX_OPEN_FILES);
    this.#cache = new SearchIndexCache(this.#files, settings['query.index.cache.bytes'], (segment) =>
      this.#damaged(segment),
    );
    this.#runner = options.runner ?? createRunner(settings, fileSystem, clock);
    const parts = { engine, runner: this.#runner, clock, logger, falsePositiveRate: FALSE_POSITIVE_RATE };
    const maxBytes = settings['query.index.active.bytes'];
    this.#growing = new GrowingIndexes({ ...parts, maxBytes });
    this.#indexer = new Indexer({
      ...parts,
      files: this.#files,
      changed: ({ id, searchPath }) => {
        this.#cache.forget(id, searchPath);
        this.#growing.forget(id);
      },
      swept: (ids) => this.#growing.retain(ids),
    });
    this.#indexer.start();
    this.#growing.start();
  }

  get figures(): IndexFigures {
    return { ...this.#indexer.figures, cacheBytes: this.#cache.bytes, activeBytes: this.#growing.bytes };
  }

  /** Of a sealed segment; of its beginning, where it has no file yet; undefined where there is none that counts. */
  sealed(
    _topic: string,
    partition: number,
    of: SearchPartition,
    segment: SearchSegment,
  ): Outlined<SearchIndex> | undefined | Promise<Outlined<SearchIndex> | undefined> {
    const found = this.#cache.get(of, partition, segment);
    if (found instanceof Promise) return found.then((index) => index ?? this.#growing.get(segment.id));
    return found ?? this.#growing.get(segment.id);
  }

  growing(_topic: string, _partition: number, { id }: SearchSegment): SearchIndex | undefined {
    return this.#growing.get(id);
  }

  /** Resolves when all is indexed that was to be at the last look. */
  async idle(): Promise<void> {
    await this.#indexer.idle();
    await this.#growing.idle();
  }

  async close(): Promise<void> {
    await Promise.all([this.#indexer.stop(), this.#growing.stop()]);
    await this.#runner.close();
    await this.#files.close();
  }

  #damaged(segment: SearchSegment): void {
    this.#cache.drop(segment);
    this.#indexer.rebuild(segment);
  }
}

function createRunner(settings: QuerySettings, fileSystem: FileSystem, clock: Clock): TaskRunner<IndexTasks> {
  const bytesPerSecond = settings['query.index.bytes.per.second'];
  if (fileSystem !== nodeFileSystem)
    return new InlineTaskRunner<IndexTasks>({ fileSystem, clock, bytesPerSecond, tasks: INDEX_TASKS });
  // From src/ as from dist/.
  const script = `${import.meta.dirname}/index-worker${extname(import.meta.filename)}`;
  return new WorkerPool<IndexTasks>({ threads: THREADS, bytesPerSecond, clock, script, first: 'piece' });
}
