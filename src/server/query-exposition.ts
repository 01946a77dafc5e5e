/** The figures of queries over log events, and of the indexes that they ask, as metrics. */
import type { SearchFigures } from '../query/index.ts';
import { type Add, type MetricSources, one } from './pulled-metric.ts';

export function addQueries(add: Add, { metrics, search }: MetricSources): void {
  const { query } = metrics;
  const counter = (name: string, help: string, value: () => number) =>
    add('counter', name, help, () => one(value()));
  add(
    'counter',
    'seglog_queries_total',
    'Queries over log events that were answered, as a whole or in part.',
    () => [
      { value: query.complete, labels: { complete: 'true' } },
      { value: query.incomplete, labels: { complete: 'false' } },
    ],
  );
  add('histogram', 'seglog_query_duration_seconds', 'Time of a query, waiting for its turn included.', () =>
    query.seconds.samples('seglog_query_duration_seconds'),
  );
  counter('seglog_query_read_bytes_total', 'Bytes of the log that queries read.', () => query.bytesRead);
  counter(
    'seglog_query_skipped_bytes_total',
    'Bytes of segments that queries did not have to read.',
    () => query.bytesSkipped,
  );
  counter(
    'seglog_query_scanned_records_total',
    'Records whose bytes queries looked at.',
    () => query.records,
  );
  add('gauge', 'seglog_query_tails', 'Event streams of log events that are open.', () => one(query.tails));
  addSearch(add, search);
}

function addSearch(add: Add, search: () => SearchFigures): void {
  // Collected in this order, so one look serves all of these.
  let figures!: SearchFigures;
  const gauge = (name: string, help: string, value: () => number) =>
    add('gauge', name, help, () => one(value()));
  const counter = (name: string, help: string, value: () => number) =>
    add('counter', name, help, () => one(value()));
  gauge('seglog_queries_running', 'Queries that are being carried out.', () => {
    figures = search();
    return figures.running;
  });
  gauge('seglog_queries_waiting', 'Queries that wait for their turn.', () => figures.waiting);
  gauge('seglog_query_cache_bytes', 'Memory for what earlier queries found.', () => figures.cacheBytes);
  counter('seglog_query_cache_hits_total', 'Scans that were answered from memory.', () => figures.cacheHits);
  counter('seglog_query_cache_misses_total', 'Scans that were not.', () => figures.cacheMisses);
  gauge(
    'seglog_search_index_waiting_segments',
    'Sealed segments that wait for their search index.',
    () => figures.indexes?.waiting ?? 0,
  );
  counter('seglog_search_indexes_made_total', 'Search indexes made.', () => figures.indexes?.made ?? 0);
  counter(
    'seglog_search_indexes_failed_total',
    'Search indexes that could not be made, to be tried again.',
    () => figures.indexes?.failed ?? 0,
  );
  gauge(
    'seglog_search_index_memory_bytes',
    'Memory for search indexes, of sealed segments and of others.',
    () => (figures.indexes?.cacheBytes ?? 0) + (figures.indexes?.activeBytes ?? 0),
  );
}
