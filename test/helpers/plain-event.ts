/** What an event says of itself, found the plain way: JSON.parse and a look at each name. */
import { parseTimestamp } from '../../src/query/index.ts';

export interface PlainFacts {
  timestamp: number;
  source: string | null;
  /** Of the field alone, as it is written. */
  level: string | number | null;
  message: string | null;
}

export function plainFacts(text: string, recordTimestamp: number): PlainFacts {
  const event = parseObject(text);
  if (event === null) return { timestamp: recordTimestamp, source: null, level: null, message: text };
  const first = (names: readonly string[], fits: (value: unknown) => boolean) =>
    names.map((name) => (Object.hasOwn(event, name) ? event[name] : undefined)).find(fits) ?? null;
  const isText = (value: unknown) => typeof value === 'string';
  const time = first(
    ['timestamp', '@timestamp', 'time', 'ts'],
    (value) => value !== undefined && value !== null,
  );
  return {
    timestamp: timeOf(time) ?? recordTimestamp,
    source: first(['source', 'serviceName', 'service'], (value) => isText(value) && value !== '') as string,
    level: first(
      ['level', 'logLevel', 'severity'],
      (value) => (isText(value) && value !== '') || typeof value === 'number',
    ) as string,
    message: first(['message', 'msg', 'log'], isText) as string,
  };
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function timeOf(value: unknown): number | undefined {
  if (typeof value !== 'string' && typeof value !== 'number') return undefined;
  const time = parseTimestamp(String(value));
  return time === undefined || time < 0 ? undefined : time;
}
