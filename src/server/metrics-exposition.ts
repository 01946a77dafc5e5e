/** The figures of a server as Prometheus metrics, named by Prometheus' rules, in prom-client's registry. */
import { type Metric, Registry } from 'prom-client';
import type { Engine, EngineStats } from '../engine/index.ts';
import { addBackground } from './background-exposition.ts';
import { addGroups } from './group-exposition.ts';
import type { Histogram, Sample } from './histogram.ts';
import type { ServerMetrics, TopicFigures } from './metrics.ts';
import { type Add, type MetricSources, one, PulledMetric } from './pulled-metric.ts';
import { addQueries } from './query-exposition.ts';

export function metricsRegistry(sources: MetricSources): Registry {
  const registry = new Registry();
  const add: Add = (type, name, help, collect) =>
    registry.registerMetric(new PulledMetric(type, name, help, collect) as unknown as Metric);
  addTraffic(add, sources.metrics);
  addStorage(add, sources);
  addBackground(add, sources);
  addGroups(add, sources);
  addQueries(add, sources);
  addServer(add, sources);
  return registry;
}

function addTraffic(add: Add, metrics: ServerMetrics): void {
  const byTopic = (field: keyof TopicFigures) => () =>
    [...metrics.topics].map(([topic, figures]) => ({ value: figures[field], labels: { topic } }));
  const histogram = (name: string, help: string, values: Histogram) =>
    add('histogram', name, help, () => values.samples(name));

  add('counter', 'seglog_produce_records_total', 'Records appended.', byTopic('producedRecords'));
  add('counter', 'seglog_produce_bytes_total', 'Bytes of batches appended.', byTopic('producedBytes'));
  add('counter', 'seglog_fetch_records_total', 'Records given to readers.', byTopic('fetchedRecords'));
  add('counter', 'seglog_fetch_bytes_total', 'Bytes of batches read for readers.', byTopic('fetchedBytes'));
  add(
    'counter',
    'seglog_produce_replays_total',
    'Produce requests that were sent again and answered as the first time; nothing was stored twice.',
    () => one(metrics.replayed),
  );
  histogram(
    'seglog_produce_duration_seconds',
    'Time of a produce request, from its body to its acknowledgement.',
    metrics.produceSeconds,
  );
  histogram(
    'seglog_fetch_duration_seconds',
    'Time of a fetch request without its long poll.',
    metrics.fetchSeconds,
  );
  add('counter', 'seglog_ingest_events_total', 'Log events stored.', () => one(metrics.ingest.accepted));
  add(
    'counter',
    'seglog_ingest_rejected_events_total',
    'Log events that were not stored, by the reason.',
    () => [...metrics.ingest.rejected].map(([code, value]) => ({ value, labels: { code } })),
  );
  histogram(
    'seglog_ingest_duration_seconds',
    'Time of a request that brought log events, its body included.',
    metrics.ingest.seconds,
  );
  add('histogram', 'seglog_sync_duration_seconds', 'Time of one fdatasync.', () =>
    (['segment', 'journal'] as const).flatMap((file) =>
      metrics.syncSeconds[file].samples('seglog_sync_duration_seconds', { file }),
    ),
  );
  histogram('seglog_group_commit_duration_seconds', 'Time of one group commit.', metrics.commitSeconds);
  histogram('seglog_group_commit_batches', 'Batches in one group commit.', metrics.commitBatches);
  histogram('seglog_group_commit_bytes', 'Bytes in one group commit.', metrics.commitBytes);
  add('counter', 'seglog_journaled_batches_total', 'Batches that went through the journal.', () =>
    one(metrics.journaledBatches),
  );
  add('counter', 'seglog_segment_rolls_total', 'Segments sealed.', () => one(metrics.rolls));
  add('counter', 'seglog_deleted_segments_total', 'Segments deleted by retention or on request.', () =>
    one(metrics.removedSegments),
  );
  add('counter', 'seglog_deleted_bytes_total', 'Bytes of segments deleted by retention or on request.', () =>
    one(metrics.removedBytes),
  );
}

function addStorage(add: Add, { metrics, engine, maxPartitions }: MetricSources): void {
  const gauge = (name: string, help: string, value: () => number) =>
    add('gauge', name, help, () => one(value()));
  const byPartition = (field: 'logEndOffset' | 'logStartOffset') => () =>
    partitionSamples(engine(), field, maxPartitions);
  add('gauge', 'seglog_log_end_offset', 'Next offset of a partition.', byPartition('logEndOffset'));
  add(
    'gauge',
    'seglog_log_start_offset',
    'First readable offset of a partition.',
    byPartition('logStartOffset'),
  );
  // Collected in this order, so one look at the engine serves all of these.
  let stats!: EngineStats;
  gauge('seglog_topics', 'Topics.', () => {
    stats = engine().stats();
    return stats.topics;
  });
  gauge('seglog_partitions', 'Partitions.', () => stats.partitions);
  gauge('seglog_segments', 'Segments.', () => stats.segments);
  gauge('seglog_open_files', 'Files of segments that are open.', () => stats.openFiles);
  gauge('seglog_in_flight_bytes', 'Bytes accepted but not yet acknowledged.', () => stats.inFlightBytes);
  gauge('seglog_journaled_bytes', 'Bytes in the journal, not yet in segments.', () => stats.journaledBytes);
  gauge('seglog_journal_files', 'Files of the journal.', () => stats.journalFiles);
  gauge('seglog_index_cache_bytes', 'Memory of indexes of sealed segments.', () => stats.indexCacheBytes);
  gauge(
    'seglog_producer_entries',
    'Producers and idempotency keys that are remembered.',
    () => stats.producerEntries,
  );
  gauge('seglog_disk_free_bytes', 'Free bytes of the file system.', () => stats.freeBytes);
  gauge('seglog_disk_size_bytes', 'Size of the file system.', () => stats.totalBytes);
  gauge('seglog_ready', '1 while the log takes appends and reads.', () => (engine().health().ready ? 1 : 0));
  add('counter', 'seglog_storage_failures_total', 'Failed writes and syncs, full disk, damage found.', () =>
    Object.entries(metrics.failures).map(([kind, value]) => ({ value, labels: { kind } })),
  );
}

function partitionSamples(engine: Engine, field: 'logEndOffset' | 'logStartOffset', max: number): Sample[] {
  const samples: Sample[] = [];
  for (const { name: topic, partitions } of engine.listTopics()) {
    for (let partition = 0; partition < partitions && samples.length < max; partition++) {
      samples.push({
        value: engine.offsets(topic, partition)[field],
        labels: { topic, partition: String(partition) },
      });
    }
  }
  return samples;
}

function addServer(add: Add, { metrics, connections, bodyBytes, version }: MetricSources): void {
  let lag = { meanSeconds: 0, maxSeconds: 0 };
  add('counter', 'seglog_http_problems_total', 'Requests answered with a problem, by its code.', () =>
    [...metrics.problems].map(([code, value]) => ({ value, labels: { code } })),
  );
  add('gauge', 'seglog_http_connections', 'Open connections.', async () => one(await connections()));
  add(
    'gauge',
    'seglog_http_body_bytes',
    'Memory of bodies: of requests as received, of answers as reserved.',
    () => one(bodyBytes()),
  );
  add(
    'gauge',
    'seglog_event_loop_lag_seconds',
    'Largest lag of the event loop since the last scrape.',
    () => {
      lag = metrics.takeEventLoopLag();
      return one(lag.maxSeconds);
    },
  );
  add(
    'gauge',
    'seglog_event_loop_lag_mean_seconds',
    'Mean lag of the event loop since the last scrape.',
    () => one(lag.meanSeconds),
  );
  add('gauge', 'seglog_build_info', 'Always 1; the version is a label.', () => [
    { value: 1, labels: { version } },
  ]);
  add('counter', 'process_cpu_seconds_total', 'CPU time of the process.', () => {
    const { user, system } = process.cpuUsage();
    return one((user + system) / 1e6);
  });
  add('gauge', 'process_resident_memory_bytes', 'Resident memory.', () => one(process.memoryUsage.rss()));
  add('gauge', 'process_start_time_seconds', 'Start of the process since 1970.', () =>
    one(performance.timeOrigin / 1000),
  );
}
