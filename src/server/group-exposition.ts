/** The part of the metrics that is about consumer groups. */
import { type GroupCoordinator, type GroupListing, isSeglogError } from '../engine/index.ts';
import type { GroupCounts } from './group-figures.ts';
import type { Sample } from './histogram.ts';
import { OTHER_TOPICS } from './metrics.ts';
import type { Add, MetricSources } from './pulled-metric.ts';

const STATES = ['Empty', 'Stable', 'Reconciling'] as const;

/** Where groups cannot be served there is nothing to tell of them; the damage is told of the partition that has it. */
export function listGroups(groups: GroupCoordinator): GroupListing[] {
  try {
    return groups.list();
  } catch (error) {
    if (!isSeglogError(error, 'CORRUPT_MESSAGE', 'KAFKA_STORAGE_ERROR')) throw error;
    return [];
  }
}

export function addGroups(add: Add, sources: MetricSources): void {
  addState(add, sources);
  addLag(add, sources);
  const { groups } = sources.metrics;
  const counter = (name: string, help: string, field: keyof GroupCounts) =>
    add('counter', name, help, () =>
      [...groups.counts].map(([group, counts]) => ({ value: counts[field], labels: { group } })),
    );
  counter(
    'seglog_consumer_group_rebalances_total',
    'Changes of who reads what in a consumer group.',
    'rebalances',
  );
  counter(
    'seglog_consumer_group_moved_partitions_total',
    'Partitions that went from one member to another in rebalances.',
    'movedPartitions',
  );
  counter(
    'seglog_consumer_group_expired_members_total',
    'Members taken out because they were silent.',
    'expiredMembers',
  );
  counter('seglog_consumer_group_commits_total', 'Commits of offsets.', 'commits');
  add('histogram', 'seglog_consumer_group_commit_duration_seconds', 'Time of a commit of offsets.', () =>
    groups.commitSeconds.samples('seglog_consumer_group_commit_duration_seconds'),
  );
}

function addState(add: Add, { groups, metrics }: MetricSources): void {
  // Collected in this order, so one look at the coordinator serves both.
  let listed: GroupListing[] = [];
  add('gauge', 'seglog_consumer_groups', 'Consumer groups.', () => {
    listed = listGroups(groups());
    return STATES.map((state) => ({
      value: listed.filter((group) => group.state === state).length,
      labels: { state },
    }));
  });
  add('gauge', 'seglog_consumer_group_members', 'Members of a consumer group.', () => {
    const members = new Map<string, number>();
    for (const group of listed) {
      const label = metrics.groups.labelOf(group.groupId);
      members.set(label, (members.get(label) ?? 0) + group.members);
    }
    return [...members].map(([group, value]) => ({ value, labels: { group } }));
  });
}

function addLag(add: Add, { groups, metrics, maxTopics }: MetricSources): void {
  // Collected in this order, so one look at the coordinator serves both.
  let maxima: Sample[] = [];
  add(
    'gauge',
    'seglog_consumer_group_lag',
    'Offsets from what a consumer group has committed to the end, over all partitions.',
    () => {
      const lags = new Map<string, { sum: Sample; max: Sample }>();
      const topics = new Set<string>();
      for (const lag of groups().lags()) {
        if (topics.size < maxTopics) topics.add(lag.topic);
        const labels = {
          group: metrics.groups.labelOf(lag.groupId),
          topic: topics.has(lag.topic) ? lag.topic : OTHER_TOPICS,
        };
        const key = JSON.stringify(labels);
        const known = lags.get(key) ?? { sum: { value: 0, labels }, max: { value: 0, labels } };
        lags.set(key, known);
        known.sum.value += lag.sum;
        known.max.value = Math.max(known.max.value, lag.max);
      }
      maxima = [...lags.values()].map(({ max }) => max);
      return [...lags.values()].map(({ sum }) => sum);
    },
  );
  add(
    'gauge',
    'seglog_consumer_group_max_lag',
    'The same, in the partition that is furthest behind.',
    () => maxima,
  );
}
