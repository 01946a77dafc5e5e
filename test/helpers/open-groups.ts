/** A group coordinator for a test: after it, its log is closed and verified. */
import { SimEngine } from './sim-engine.ts';
import { SimGroups } from './sim-groups.ts';

type Settings = Record<string, string | number>;

/** With topics and how many partitions they have. */
export function openGroups(
  topics: Record<string, number> = {},
  settings: Settings = {},
  topicDefaults: Settings = {},
): Promise<SimGroups<SimEngine>> {
  const log = new SimEngine(settings);
  log.topicDefaults = topicDefaults;
  return SimGroups.over(log, topics);
}
