/** Where the offsets of a group are reset to, as a request says it. */
import { parseDuration, type ResetRequest, type ResetTarget, type TopicPartitions } from '../engine/index.ts';
import { parseTimestamp } from '../query/index.ts';
import { HttpProblem } from './error-mapping.ts';

export interface ResetBody {
  topics?: string[];
  partitions?: TopicPartitions[];
  to:
    | 'earliest'
    | 'latest'
    | { offset: number }
    | { timestamp: string | number }
    | { shift: number }
    | { duration: string };
}

/** @throws HttpProblem invalid_timestamp, invalid_request. */
export function resetRequest({ topics, partitions, to }: ResetBody): ResetRequest {
  return { topics, partitions, to: resetTarget(to) };
}

function resetTarget(to: ResetBody['to']): ResetTarget {
  if (typeof to === 'string' || 'offset' in to || 'shift' in to) return to;
  if ('duration' in to) {
    const durationMs = parseDuration(to.duration);
    if (durationMs !== undefined) return { durationMs };
    throw new HttpProblem(
      'invalid_request',
      `"duration" takes PT1H30M, 90m or 7d, not "${to.duration.slice(0, 50)}"`,
    );
  }
  const timestamp = parseTimestamp(String(to.timestamp));
  // Before 1970 there is nothing, so that all records are later.
  if (timestamp !== undefined) return { timestamp: Math.max(0, timestamp) };
  throw new HttpProblem('invalid_timestamp', '"timestamp" takes an ISO 8601 time or an epoch number');
}
