/**
 * NATS JetStream with a stream on disk. A subject for each source, so that a source's events are read without the others;
 * ranges are by time of arrival, the only one that the server knows, and are read forward from their start.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type JetStreamManager, jetstream, type StoredMsg } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import type { LogEvent } from './events.ts';
import type { Durability, FoundEvent, Peer, PeerClient, Place, QueriedRange } from './peer.ts';
import { findProgram, ServerProcess, versionOf } from './server-process.ts';
import { readNatsReplies, Wire } from './wire.ts';

const PROGRAM = 'nats-server';
/** The first one with `sync_interval: always`, batches that are read directly, and batches that are published. */
const OLDEST = [2, 12];
const STREAM = 'events';
const PAGE = 1000;
/** Of a page that would begin behind the last message. */
const NOT_FOUND = 404;
const SYNC_INTERVALS: Readonly<Record<Durability, string>> = { synced: 'always', second: '1s', later: '2m' };

export const nats: Peer = {
  name: 'NATS JetStream',
  layout: 'a subject for each source; direct batch gets by subject and time of arrival',
  variants: [
    {
      durability: 'synced',
      setting: 'sync_interval: always',
      means: 'written with O_SYNC before the answer',
    },
    {
      durability: 'second',
      setting: 'sync_interval: 1s',
      means: 'written before the answer, synced each second',
    },
    {
      durability: 'later',
      setting: 'sync_interval: 2m (default)',
      means: 'written before the answer, synced every 2 minutes',
    },
  ],
  find() {
    const path = findProgram(PROGRAM);
    if (path === undefined) return { version: '', missing: `${PROGRAM} is not installed` };
    const version = versionOf(path);
    const [major = 0, minor = 0] = version.split('.').map(Number);
    const old = major < OLDEST[0]! || (major === OLDEST[0] && minor < OLDEST[1]!);
    return {
      version,
      ...(old && { missing: `${PROGRAM} ${version} is too old, ${OLDEST.join('.')} is needed` }),
    };
  },
  start(durability, { port, directory }: Place) {
    const config = join(directory, 'nats.conf');
    writeFileSync(
      config,
      `listen: "127.0.0.1:${port}"\njetstream { store_dir: ${JSON.stringify(directory)}\n sync_interval: ${SYNC_INTERVALS[durability]}\n }\n`,
    );
    return ServerProcess.start({
      command: findProgram(PROGRAM)!,
      args: ['--config', config],
      directory,
      port,
      probe: async () => (await open(port)).close(),
    });
  },
  async connect(port, durability) {
    const connection = await open(port);
    const manager = await jetstream(connection).jetstreamManager();
    return new NatsClient(port, connection, manager, durability);
  },
};

const open = (port: number) => connect({ servers: `127.0.0.1:${port}`, reconnect: false });
const inboxOf = (lane: number) => `_INBOX.lane-${lane}`;

async function openWire(port: number, lane: number): Promise<Wire> {
  const wire = await Wire.open(port, readNatsReplies);
  const options = JSON.stringify({
    verbose: false,
    pedantic: false,
    headers: true,
    no_responders: true,
    lang: 'bench',
    version: '1',
  });
  void wire.send(`CONNECT ${options}\r\nSUB ${inboxOf(lane)} 1\r\n`, 0);
  return wire;
}

/** A message of its own, which is acknowledged. Only ASCII text goes this way. */
export const natsPublish = (subject: string, inbox: string, text: string) =>
  `PUB ${subject} ${inbox} ${text.length}\r\n${text}\r\n`;

/** One of a batch that is stored as a whole; the last one commits it, and is acknowledged for all. */
export function natsBatchPublish(
  subject: string,
  inbox: string,
  text: string,
  batch: string,
  number: number,
): string {
  const commit = inbox === '' ? '' : 'Nats-Batch-Commit: 1\r\n';
  const headers = `NATS/1.0\r\nNats-Batch-Id: ${batch}\r\nNats-Batch-Sequence: ${number}\r\n${commit}\r\n`;
  const to = inbox === '' ? subject : `${subject} ${inbox}`;
  return `HPUB ${to} ${headers.length} ${headers.length + text.length}\r\n${headers}${text}\r\n`;
}

class NatsClient implements PeerClient {
  readonly #lanes: Wire[] = [];
  readonly #port: number;
  readonly #connection: NatsConnection;
  readonly #manager: JetStreamManager;
  /** Batches are stored as a whole: that saves syncs, and costs processor time where there are none to be saved. */
  readonly #atomic: boolean;
  #batches = 0;

  constructor(port: number, connection: NatsConnection, manager: JetStreamManager, durability: Durability) {
    this.#port = port;
    this.#connection = connection;
    this.#manager = manager;
    this.#atomic = durability === 'synced';
  }

  async openLanes(count: number): Promise<void> {
    while (this.#lanes.length < count) this.#lanes.push(await openWire(this.#port, this.#lanes.length));
  }

  async empty(): Promise<void> {
    const { streams } = this.#manager;
    await streams.delete(STREAM).catch(() => {});
    await streams.add({
      name: STREAM,
      subjects: [`${STREAM}.*`],
      allow_direct: true,
      allow_atomic: this.#atomic,
    });
  }

  produce(lane: number, events: readonly LogEvent[]): Promise<void> {
    const wire = this.#lanes[lane]!;
    const inbox = inboxOf(lane);
    if (!this.#atomic || events.length === 1) {
      const messages = events.map(({ source, json }) => natsPublish(`${STREAM}.${source}`, inbox, json));
      return wire.send(messages.join(''), events.length);
    }
    const batch = `b${this.#batches++}`;
    const messages = events.map(({ source, json }, i) =>
      natsBatchPublish(`${STREAM}.${source}`, i === events.length - 1 ? inbox : '', json, batch, i + 1),
    );
    return wire.send(messages.join(''));
  }

  async settle(): Promise<void> {}

  async replay(): Promise<number> {
    let records = 0;
    const { state } = await this.#manager.streams.info(STREAM);
    for (let seq = state.first_seq; seq <= state.last_seq; ) {
      const page = await this.#get({ seq, batch: PAGE });
      records += page.length;
      seq = page.at(-1)!.seq + 1;
    }
    return records;
  }

  async newest(count: number): Promise<FoundEvent[]> {
    const { state } = await this.#manager.streams.info(STREAM);
    const page = await this.#get({ seq: Math.max(1, state.last_seq + 1 - count), batch: count });
    return page.map((message) => message.json<FoundEvent>());
  }

  async range({ source, arrival }: QueriedRange): Promise<FoundEvent[]> {
    const events: FoundEvent[] = [];
    const next_by_subj = `${STREAM}.${source}`;
    for (let start: { start_time: Date } | { seq: number } = { start_time: new Date(arrival.from) }; ; ) {
      const page = await this.#get({ ...start, next_by_subj, batch: PAGE });
      for (const message of page) {
        if (message.time.getTime() >= arrival.until) return events;
        events.push(message.json<FoundEvent>());
      }
      if (page.length < PAGE) return events;
      start = { seq: page.at(-1)!.seq + 1 };
    }
  }

  /** A stream is read forward only: the newest of a range are the last of all of it. */
  async newestOf(asked: QueriedRange, count: number): Promise<FoundEvent[]> {
    return (await this.range(asked)).slice(-count);
  }

  async close(): Promise<void> {
    for (const wire of this.#lanes) wire.close();
    await this.#connection.close();
  }

  async #get(asked: object): Promise<StoredMsg[]> {
    const messages: StoredMsg[] = [];
    const iterator = await this.#manager.direct.getBatch(STREAM, asked as { seq: number });
    try {
      for await (const message of iterator) messages.push(message);
    } catch (error) {
      if ((error as { code?: unknown }).code !== NOT_FOUND) throw error;
    }
    return messages;
  }
}
