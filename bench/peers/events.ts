/**
 * EventMaker: log events of about 200 bytes as JSON, the same ones for the same seed but for their times. The bodies are made
 * once and used in turn, so that making an event costs next to nothing where servers are measured.
 */
import { SeededRandom } from '../../src/server/load/seeded-random.ts';

export interface LogEvent {
  /** ISO 8601 with milliseconds. */
  timestamp: string;
  source: string;
  level: string;
  message: string;
  /** All of it. */
  json: string;
}

/** `from` ≤ time < `until`, in milliseconds since 1970. */
export interface TimeRange {
  from: number;
  until: number;
}

interface Body extends Omit<LogEvent, 'timestamp' | 'json'> {
  /** The JSON behind the timestamp. */
  rest: string;
}

export const SOURCES = 50;
const BODIES = 50_000;
const LEVELS = ['INFO', 'INFO', 'INFO', 'INFO', 'INFO', 'INFO', 'DEBUG', 'DEBUG', 'WARN', 'ERROR'];
const METHODS = ['GET', 'GET', 'GET', 'POST', 'PUT', 'DELETE'];
const STATUSES = [200, 200, 200, 201, 204, 404, 500, 503];
const THINGS = ['orders', 'invoices', 'customers', 'payments', 'sessions', 'baskets', 'addresses', 'returns'];
const ENDS = [
  'from the cache',
  'after a retry',
  'by way of the gateway',
  'for the mobile app',
  'as asked for',
];

export const sourceName = (number: number) => `service-${String(number).padStart(2, '0')}`;

export class EventMaker {
  readonly #bodies: readonly Body[];
  #next = 0;
  #ms = -1;
  #timestamp = '';

  constructor(seed: number, bodies = BODIES) {
    const random = new SeededRandom(seed);
    this.#bodies = Array.from({ length: bodies }, () => bodyOf(random));
  }

  /** An event of that time, in milliseconds since 1970. */
  make(ms: number): LogEvent {
    if (ms !== this.#ms) {
      this.#ms = ms;
      this.#timestamp = new Date(ms).toISOString();
    }
    const timestamp = this.#timestamp;
    const { source, level, message, rest } = this.#bodies[this.#next++ % this.#bodies.length]!;
    return { timestamp, source, level, message, json: `{"timestamp":"${timestamp}",${rest}` };
  }

  /** A batch of events of now. */
  batch(count: number): LogEvent[] {
    const now = Date.now();
    return Array.from({ length: count }, () => this.make(now));
  }
}

function bodyOf(random: SeededRandom): Body {
  const source = sourceName(random.below(SOURCES));
  const level = random.pick(LEVELS);
  const path = `/api/${random.pick(THINGS)}/${random.below(1_000_000)}`;
  const message =
    `${random.pick(METHODS)} ${path} answered ${random.pick(STATUSES)} in ${1 + random.below(900)} ms ` +
    `${random.pick(ENDS)}, user ${random.below(100_000)}, trace ${hex(random)}${hex(random)}`;
  const rest = JSON.stringify({ level, source, message }).slice(1);
  return { source, level, message, rest };
}

const hex = (random: SeededRandom) =>
  random
    .below(2 ** 32)
    .toString(16)
    .padStart(8, '0');

/** When the events of a filled store are dated: evenly over a span, so that no two have the same time. */
export class FilledSpan {
  readonly events: number;
  readonly #from: number;
  readonly #stepMs: number;

  constructor(events: number, { from, until }: TimeRange) {
    if (until - from < events) throw new RangeError('there are more events than milliseconds');
    this.events = events;
    this.#from = from;
    this.#stepMs = (until - from) / events;
  }

  timeOf(index: number): number {
    return Math.floor(this.#from + index * this.#stepMs);
  }

  /** The number of the first event behind that share of all. */
  indexAt(share: number): number {
    return Math.round(share * this.events);
  }
}
