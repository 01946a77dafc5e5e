/**
 * Redis Streams with an append-only file. A stream for each source, so that a source's events in a range of time are one
 * XRANGE; ids are times of arrival, as `*` gives them. A batch is one pipeline of XADDs, for which the server makes one sync;
 * the newest of all sources are the newest of each, merged.
 */
import { createClient } from '@redis/client';
import { type LogEvent, SOURCES, sourceName, type TimeRange } from './events.ts';
import type { FoundEvent, Peer, PeerClient, Place, QueriedRange } from './peer.ts';
import { findProgram, ServerProcess, versionOf } from './server-process.ts';
import { readRedisReplies, Wire } from './wire.ts';

const PROGRAM = 'redis-server';
const PAGE = '1000';
const STREAMS = Array.from({ length: SOURCES }, (_, i) => sourceName(i));

type Connection = Awaited<ReturnType<typeof open>>;
/** Of XRANGE: the id, then names and values of fields in turn. */
type Entry = [id: string, fields: string[]];

export const redis: Peer = {
  name: 'Redis Streams',
  layout: 'a stream for each source, XADD in a pipeline; XRANGE and XREVRANGE by time of arrival',
  variants: [
    { durability: 'synced', setting: 'appendfsync always', means: 'one fdatasync for each turn of its loop' },
    {
      durability: 'second',
      setting: 'appendfsync everysec',
      means: 'written before the answer, synced each second',
    },
  ],
  find() {
    const path = findProgram(PROGRAM);
    if (path === undefined) return { version: '', missing: `${PROGRAM} is not installed` };
    return { version: versionOf(path) };
  },
  start(durability, { port, directory }: Place) {
    const settings = {
      bind: '127.0.0.1',
      port: String(port),
      dir: directory,
      appendonly: 'yes',
      appendfsync: durability === 'synced' ? 'always' : 'everysec',
      // Snapshots beside the append-only file would only cost it something.
      save: '',
    };
    return ServerProcess.start({
      command: findProgram(PROGRAM)!,
      args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
      directory,
      port,
      probe: async () => (await open(port)).destroy(),
    });
  },
  connect: async (port) => new RedisClient(port, await open(port)),
};

async function open(port: number) {
  const client = createClient({ socket: { host: '127.0.0.1', port, reconnectStrategy: false } });
  client.on('error', () => {});
  await client.connect();
  return client;
}

/** A command as it goes over the wire: the number of its words, and each with its length. Only ASCII words go this way. */
export const respCommand = (words: readonly string[]) =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;

class RedisClient implements PeerClient {
  readonly #lanes: Wire[] = [];
  readonly #port: number;
  readonly #client: Connection;

  constructor(port: number, client: Connection) {
    this.#port = port;
    this.#client = client;
  }

  async openLanes(count: number): Promise<void> {
    while (this.#lanes.length < count) this.#lanes.push(await Wire.open(this.#port, readRedisReplies));
  }

  async empty(): Promise<void> {
    await this.#client.sendCommand(['FLUSHALL', 'SYNC']);
  }

  produce(lane: number, events: readonly LogEvent[]): Promise<void> {
    const commands = events.map(({ source, json }) => respCommand(['XADD', source, '*', 'e', json]));
    return this.#lanes[lane]!.send(commands.join(''), events.length);
  }

  /** Has the append-only file written anew, which is what Redis itself does as it grows. */
  async settle(): Promise<void> {
    await this.#rewritten();
    await this.#client.sendCommand(['BGREWRITEAOF']);
    await this.#rewritten();
  }

  async #rewritten(): Promise<void> {
    const busy = /aof_rewrite_(?:in_progress|scheduled):1/;
    while (busy.test(String(await this.#client.sendCommand(['INFO', 'persistence']))))
      await new Promise((resolve) => setTimeout(resolve, 50));
  }

  async replay(): Promise<number> {
    let records = 0;
    for (const stream of STREAMS) {
      for (let from = '-'; ; ) {
        const page = await this.#entries(['XRANGE', stream, from, '+', 'COUNT', PAGE]);
        records += page.length;
        if (page.length === 0) break;
        from = `(${page.at(-1)![0]}`;
      }
    }
    return records;
  }

  async newest(count: number): Promise<FoundEvent[]> {
    const pages = await Promise.all(
      STREAMS.map((stream) => this.#events(['XREVRANGE', stream, '+', '-', 'COUNT', String(count)])),
    );
    const events = pages.flat().sort((a, b) => (a.timestamp < b.timestamp ? 1 : -1));
    return events.slice(0, count);
  }

  range({ source, arrival }: QueriedRange): Promise<FoundEvent[]> {
    const [from, until] = idsOf(arrival);
    return this.#events(['XRANGE', source, from, until]);
  }

  newestOf({ source, arrival }: QueriedRange, count: number): Promise<FoundEvent[]> {
    const [from, until] = idsOf(arrival);
    return this.#events(['XREVRANGE', source, until, from, 'COUNT', String(count)]);
  }

  async close(): Promise<void> {
    for (const wire of this.#lanes) wire.close();
    this.#client.destroy();
  }

  async #entries(command: string[]): Promise<Entry[]> {
    return (await this.#client.sendCommand(command)) as unknown as Entry[];
  }

  async #events(command: string[]): Promise<FoundEvent[]> {
    return (await this.#entries(command)).map(([, fields]) => JSON.parse(fields[1]!) as FoundEvent);
  }
}

const idsOf = ({ from, until }: TimeRange): [string, string] => [String(from), String(until - 1)];
