/** Log events of three days in a topic, real ones among them where there are any: in order, late, odd, and no events at all. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { decodeRecords, type Engine } from '../../src/engine/index.ts';
import type { Random } from '../crash/sim/random.ts';
import { type OracleEvent, oddEvent } from './query-oracle.ts';

const EVENTS = fileURLToPath(new URL('../../../shared/data/events/', import.meta.url));
export const DAY_MS = 86_400_000;
const START = Date.parse('2025-11-26T00:00:00Z');

export interface GivenEvent {
  key: string | null;
  value: string | null;
  /** Of the record. */
  timestamp: number;
  event: Omit<OracleEvent, 'partition' | 'offset'> | null;
}

/** Over three days, some of them late. */
export function givenEvents(random: Random, count: number): GivenEvent[] {
  const real = existsSync(EVENTS)
    ? readdirSync(EVENTS).flatMap((name) =>
        readFileSync(EVENTS + name, 'utf8')
          .trimEnd()
          .split('\n'),
      )
    : [];
  return Array.from({ length: count }, (_, i) => {
    const late = random.chance(0.1) ? random.below(DAY_MS) : random.below(1000);
    const timestamp = START + Math.floor((i * 3 * DAY_MS) / count) - late;
    const kind = random.below(20);
    if (kind === 0) return { key: 'gone', value: null, timestamp, event: null };
    if (kind === 1) return textGiven(random, timestamp);
    if (real.length > 0 && kind < 12) return realGiven(random.pick(real), timestamp, random);
    const { event, source, level } = oddEvent(random, timestamp);
    const value = random.chance(0.1) ? JSON.stringify(event, null, 1) : JSON.stringify(event);
    const content = JSON.parse(value);
    // A plain producer sends it whenever it likes, under any key.
    const plain = random.chance(0.1);
    const recordTime = plain ? START + random.below(3 * DAY_MS) : timestamp;
    return {
      key: plain ? null : source,
      value,
      timestamp: recordTime,
      event: { timestamp, source, level, value, content },
    };
  });
}

function textGiven(random: Random, timestamp: number): GivenEvent {
  const value = random.pick([
    'ERROR: connection refused',
    '{"broken": connection',
    'refused 99 10.0.0.1',
    '[1, "x"]',
  ]);
  const level = value.startsWith('ERROR') ? 'ERROR' : null;
  return { key: null, value, timestamp, event: { timestamp, source: null, level, value, content: value } };
}

function realGiven(line: string, timestamp: number, random: Random): GivenEvent {
  const event = { ...JSON.parse(line), timestamp };
  event.source += `-${random.below(3)}`;
  const value = JSON.stringify(event);
  const { source, level } = event;
  return { key: source, value, timestamp, event: { timestamp, source, level, value, content: event } };
}

/** Appends them, and tells where each of them is. */
export async function appendEvents(
  engine: Engine,
  given: readonly GivenEvent[],
  random: Random,
): Promise<OracleEvent[]> {
  const partitions = (await engine.describeTopic('logs')).partitions.length;
  const events: OracleEvent[] = [];
  for (let at = 0; at < given.length; ) {
    const batch = given.slice(at, at + 1 + random.below(200));
    at += batch.length;
    const partition = random.chance(0.2) ? random.below(partitions) : undefined;
    // One record a call would tell where it is; of many it is found out by going through the partitions.
    await engine.append('logs', batch, { partition, compression: random.pick(['none', 'zstd', 'none']) });
  }
  const byValue = Map.groupBy(given, ({ value }) => value);
  for (let partition = 0; partition < partitions; partition++) {
    const { highWatermark } = engine.offsets('logs', partition);
    for (let offset = 0; offset < highWatermark; ) {
      const read = await engine.read('logs', partition, { offset });
      for (const record of decodeRecords(read.chunks, offset)) {
        const value = record.value?.toString() ?? null;
        const { event } = byValue.get(value)!.find(({ timestamp }) => timestamp === record.timestamp)!;
        if (event !== null) events.push({ ...event, partition, offset: record.offset });
      }
      offset = read.nextOffset;
    }
  }
  return events;
}
