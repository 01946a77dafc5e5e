/**
 * seglog over HTTP, with undici, which is the client that Node itself has inside. Events that are to be synced go in as log
 * events, NDJSON; with acks=1 they go in as records whose key is the source, which is what they become otherwise. They are
 * looked for with the queries of log events.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { decode } from '@msgpack/msgpack';
import { Client } from 'undici';
import { HttpConnection, httpRequest } from '../http-connection.ts';
import type { LogEvent } from './events.ts';
import type { Durability, FoundEvent, Peer, PeerClient, QueriedRange } from './peer.ts';
import { ServerProcess } from './server-process.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PARTITIONS = 16;
const TOPIC = '/api/topics/logs';
const NDJSON = { 'content-type': 'application/x-ndjson' };
const JSON_TYPE = { 'content-type': 'application/json' };
const PAGE_EVENTS = 10_000;
const PAGE_BYTES = 4 * 1024 * 1024;

/** As a topic of log events is made when its first event comes; and how it is synced where nobody waits for that. */
const CONFIGS: Record<Durability, object> = {
  synced: { 'segment.align': 'day' },
  second: { 'segment.align': 'day', flush: 'interval', 'flush.ms': 1000 },
  later: { 'segment.align': 'day', flush: 'os' },
};

export const seglog: Peer = {
  name: 'seglog',
  layout: `topic of ${PARTITIONS} partitions by source, segments by day; POST /api/logs/batch, /api/topics/logs/records?acks=1; GET /api/query/logs`,
  writeAhead: 'journal',
  variants: [
    { durability: 'synced', setting: 'acks=all', means: 'one fdatasync for a group of requests' },
    {
      durability: 'second',
      setting: 'acks=1, flush=interval, flush.ms=1000',
      means: 'written before the answer, synced each second',
    },
    {
      durability: 'later',
      setting: 'acks=1, flush=os',
      means: 'written before the answer, synced when the system likes',
    },
  ],
  find: () => ({ version: JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8')).version }),
  start(_durability, { port, directory }) {
    const args = ['serve', '--data', directory, '--listen', `127.0.0.1:${port}`, '--log.level', 'error'];
    return ServerProcess.start({
      command: process.execPath,
      args: [`${ROOT}dist/cli/main.js`, ...args],
      directory,
      port,
      probe: async () => {
        const { status } = await fetch(`http://127.0.0.1:${port}/readyz`);
        if (status !== 200) throw new Error(`not ready: ${status}`);
      },
    });
  },
  connect: async (port, durability) => new SeglogClient(port, durability),
};

interface QueryPage {
  logs: FoundEvent[];
  nextCursor?: string;
}

class SeglogClient implements PeerClient {
  #lanes: HttpConnection[] = [];
  readonly #port: number;
  readonly #client: Client;
  readonly #durability: Durability;

  constructor(port: number, durability: Durability) {
    this.#port = port;
    this.#client = new Client(`http://127.0.0.1:${port}`);
    this.#durability = durability;
  }

  /** Anew each time: a connection that is idle for long is closed by the server. */
  async openLanes(count: number): Promise<void> {
    for (const connection of this.#lanes) connection.close();
    this.#lanes = await Promise.all(Array.from({ length: count }, () => HttpConnection.open(this.#port)));
  }

  async empty(): Promise<void> {
    const { statusCode, body } = await this.#client.request({ method: 'DELETE', path: TOPIC });
    await body.dump();
    if (statusCode >= 300 && statusCode !== 404) throw new Error(`DELETE ${TOPIC}: ${statusCode}`);
    const topic = JSON.stringify({ partitions: PARTITIONS, config: CONFIGS[this.#durability] });
    await answerOf(this.#client, 'PUT', TOPIC, topic, JSON_TYPE);
  }

  produce(lane: number, events: readonly LogEvent[]): Promise<void> {
    const connection = this.#lanes[lane]!;
    return new Promise((resolve, reject) => {
      connection.send(this.#request(events), (error) => {
        if (error !== undefined) reject(error);
        else if (connection.failed > 0) reject(new Error('events were not stored'));
        else resolve();
      });
    });
  }

  #request(events: readonly LogEvent[]): Buffer {
    if (this.#durability === 'synced') {
      const lines = Buffer.from(events.map(({ json }) => json).join('\n'));
      return httpRequest('POST', '/api/logs/batch', NDJSON, lines);
    }
    const records = events.map(
      ({ source, timestamp, json }) => `{"key":"${source}","timestamp":"${timestamp}","value":${json}}`,
    );
    const body = Buffer.from(`{"records":[${records.join(',')}]}`);
    return httpRequest('POST', `${TOPIC}/records?acks=1&encoding=json`, JSON_TYPE, body);
  }

  /** Everything is synced within a second, and the search indexes of what is sealed are made beside it. */
  async settle(): Promise<void> {
    await delay(1500);
    for (;;) {
      const { body } = await this.#client.request({ method: 'GET', path: '/metrics' });
      const waiting = /^seglog_search_index_waiting_segments(?:\{.*\})? (\d+)$/m.exec(await body.text());
      if (waiting === null || waiting[1] === '0') return;
      await delay(100);
    }
  }

  async replay(): Promise<number> {
    let records = 0;
    for (let partition = 0; partition < PARTITIONS; partition++) {
      for (let offset = 0; ; ) {
        const path = `${TOPIC}/partitions/${partition}/records?offset=${offset}&max_bytes=${PAGE_BYTES}`;
        const headers = { accept: 'application/msgpack' };
        const { body } = await this.#client.request({ method: 'GET', path, headers });
        const page = decode(await body.bytes()) as { records: unknown[]; nextOffset: number };
        records += page.records.length;
        if (page.records.length === 0) break;
        offset = page.nextOffset;
      }
    }
    return records;
  }

  newest(count: number): Promise<FoundEvent[]> {
    return this.#query(`limit=${count}`, count);
  }

  range(asked: QueriedRange): Promise<FoundEvent[]> {
    return this.#query(`${rangeText(asked)}&order=asc&limit=${PAGE_EVENTS}`, Number.POSITIVE_INFINITY);
  }

  newestOf(asked: QueriedRange, count: number): Promise<FoundEvent[]> {
    return this.#query(`${rangeText(asked)}&limit=${count}`, count);
  }

  async close(): Promise<void> {
    for (const connection of this.#lanes) connection.close();
    await this.#client.destroy();
  }

  async #query(parameters: string, most: number): Promise<FoundEvent[]> {
    const events: FoundEvent[] = [];
    for (let cursor = ''; ; ) {
      const page = await answerOf<QueryPage>(this.#client, 'GET', `/api/query/logs?${parameters}${cursor}`);
      events.push(...page.logs);
      if (page.nextCursor === undefined || events.length >= most) return events;
      cursor = `&cursor=${page.nextCursor}`;
    }
  }
}

const rangeText = ({ source, own }: QueriedRange) =>
  `source=${source}&startTime=${own.from}&endTime=${own.until}`;

async function answerOf<T>(
  client: Client,
  method: 'GET' | 'POST' | 'PUT',
  path: string,
  sent?: string,
  headers?: Record<string, string>,
): Promise<T> {
  const { statusCode, body } = await client.request({ method, path, body: sent, headers });
  const text = await body.text();
  if (statusCode >= 300) throw new Error(`${method} ${path}: ${statusCode} ${text}`);
  return JSON.parse(text) as T;
}
