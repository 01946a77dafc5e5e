/**
 * PostgreSQL with a table of events and indexes by (source, time) and by time. A batch is one COPY, in a transaction of its own:
 * that takes the server less time than an INSERT of arrays or of many rows.
 */
import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import type { LogEvent } from './events.ts';
import type { Found, FoundEvent, Peer, PeerClient, Place, QueriedRange } from './peer.ts';
import { findDirectory, ServerProcess, versionOf } from './server-process.ts';
import { readPostgresReplies, Wire } from './wire.ts';

/** Of one version, so from one directory. */
const SERVER = 'postgres';
const INITDB = 'initdb';
/** Debian keeps each version's programs off the PATH. */
const DEBIAN = '/usr/lib/postgresql';
const USER = 'bench';
const PAGE = 5000;
/** What everybody who runs it sets first: the delivered 128 MiB of buffers are for the smallest machines. */
const SETTINGS = ['shared_buffers=1GB', 'max_wal_size=4GB', 'max_connections=200'];

const TABLE = `
  DROP TABLE IF EXISTS events;
  CREATE TABLE events (time timestamptz NOT NULL, source text NOT NULL, level text NOT NULL, message text NOT NULL);
  CREATE INDEX events_source_time ON events (source, time);
  CREATE INDEX events_time ON events (time);`;

export const postgres: Peer = {
  name: 'PostgreSQL',
  layout: 'a table of four columns with indexes by (source, time) and time; COPY, one a batch',
  writeAhead: 'pg_wal',
  variants: [
    {
      durability: 'synced',
      setting: 'synchronous_commit=on',
      means: 'log synced before the answer, for a group of commits',
    },
    {
      durability: 'second',
      setting: 'synchronous_commit=off',
      means: 'in memory of the server at the answer, synced within three times 200 ms',
    },
  ],
  find(): Found {
    const directory = programs();
    if (directory === undefined) return { version: '', missing: `${SERVER} is not installed` };
    const version = versionOf(join(directory, SERVER));
    if (process.getuid?.() === 0 && ordinaryUser() === undefined)
      return { version, missing: 'it does not run as root, and there is no user nobody' };
    return { version };
  },
  start(durability, { port, directory }: Place) {
    const user = process.getuid?.() === 0 ? ordinaryUser() : undefined;
    if (user !== undefined) chownSync(directory, user.uid, user.gid);
    const initdb = [
      '-D',
      directory,
      '-U',
      USER,
      '--auth=trust',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ];
    const bin = programs()!;
    execFileSync(join(bin, INITDB), initdb, { cwd: directory, stdio: 'ignore', ...user });
    const settings = [
      ...SETTINGS,
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      `synchronous_commit=${durability === 'synced' ? 'on' : 'off'}`,
    ];
    return ServerProcess.start({
      command: join(bin, SERVER),
      args: ['-D', directory, '-p', String(port), ...settings.flatMap((setting) => ['-c', setting])],
      user,
      directory,
      port,
      probe: async () => (await open(port)).end(),
      // Ends connections that are open, where SIGTERM waits for them.
      stopSignal: 'SIGINT',
    });
  },
  connect: async (port) => new PostgresClient(port, await open(port)),
};

/** Where its programs are. */
function programs(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN) : [];
  const newestFirst = versions.sort((a, b) => Number(b) - Number(a));
  return findDirectory(
    [SERVER, INITDB],
    newestFirst.map((version) => join(DEBIAN, version, 'bin')),
  );
}

/** Whom the server runs as in place of root, which it refuses. */
function ordinaryUser(): { uid: number; gid: number } | undefined {
  const lines = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'));
  const found = lines.find(([name]) => name === 'postgres') ?? lines.find(([name]) => name === 'nobody');
  return found && { uid: Number(found[2]), gid: Number(found[3]) };
}

async function open(port: number): Promise<pg.Client> {
  const client = new pg.Client({ host: '127.0.0.1', port, user: USER, database: 'postgres', password: '' });
  client.on('error', () => {});
  await client.connect();
  return client;
}

interface Row {
  time: Date;
  source: string;
  level: string;
  message: string;
}

/** Protocol 3.0. A reply ends where the server is ready for a query, which it is for the first time once it knows the user. */
async function openWire(port: number): Promise<Wire> {
  const wire = await Wire.open(port, readPostgresReplies);
  const body = Buffer.from(`\0\x03\0\0user\0${USER}\0database\0postgres\0\0`, 'latin1');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(body.length + 4);
  await wire.send(Buffer.concat([length, body]));
  return wire;
}

const COPY = 'COPY events FROM STDIN\0';

/** The statement, the rows and their end in one write: the server takes rows that are there already. */
export function copyMessage(events: readonly LogEvent[]): Buffer {
  const rows = events.map(
    ({ timestamp, source, level, message }) =>
      `${timestamp}\t${copyText(source)}\t${copyText(level)}\t${copyText(message)}\n`,
  );
  const text = rows.join('');
  const bytes = Buffer.byteLength(text);
  const out = Buffer.allocUnsafe(5 + COPY.length + 5 + bytes + 5);
  let at = 0;
  const head = (type: string, length: number) => {
    out.write(type, at, 'latin1');
    at = out.writeUInt32BE(length + 4, at + 1);
  };
  head('Q', COPY.length);
  at += out.write(COPY, at, 'latin1');
  head('d', bytes);
  at += out.write(text, at, 'utf8');
  head('c', 0);
  return out;
}

const SPECIAL = /[\\\n\r\t]/;
const ESCAPES: Record<string, string> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

const copyText = (text: string) =>
  SPECIAL.test(text) ? text.replace(/[\\\n\r\t]/g, (character) => ESCAPES[character]!) : text;

class PostgresClient implements PeerClient {
  readonly #lanes: Wire[] = [];
  readonly #port: number;
  readonly #client: pg.Client;

  constructor(port: number, client: pg.Client) {
    this.#port = port;
    this.#client = client;
  }

  async openLanes(count: number): Promise<void> {
    while (this.#lanes.length < count) this.#lanes.push(await openWire(this.#port));
  }

  async empty(): Promise<void> {
    await this.#client.query(TABLE);
  }

  produce(lane: number, events: readonly LogEvent[]): Promise<void> {
    return this.#lanes[lane]!.send(copyMessage(events));
  }

  async settle(): Promise<void> {
    await this.#client.query('VACUUM ANALYZE events');
    await this.#client.query('CHECKPOINT');
  }

  /** By a cursor, which gives a page at a time, along the index by time. */
  async replay(): Promise<number> {
    await this.#client.query(
      'BEGIN; DECLARE replay NO SCROLL CURSOR FOR SELECT time, source, level, message FROM events ORDER BY time',
    );
    for (let records = 0; ; ) {
      const { rows } = await this.#client.query<Row>(`FETCH ${PAGE} FROM replay`);
      records += rows.length;
      if (rows.length > 0) continue;
      await this.#client.query('COMMIT');
      return records;
    }
  }

  newest(count: number): Promise<FoundEvent[]> {
    return this.#events('newest', 'SELECT * FROM events ORDER BY time DESC LIMIT $1', [count]);
  }

  range({ source, own }: QueriedRange): Promise<FoundEvent[]> {
    const text = 'SELECT * FROM events WHERE source = $1 AND time >= $2 AND time < $3 ORDER BY time';
    return this.#events('range', text, [source, new Date(own.from), new Date(own.until)]);
  }

  newestOf({ source, own }: QueriedRange, count: number): Promise<FoundEvent[]> {
    const text =
      'SELECT * FROM events WHERE source = $1 AND time >= $2 AND time < $3 ORDER BY time DESC LIMIT $4';
    return this.#events('newest-of', text, [source, new Date(own.from), new Date(own.until), count]);
  }

  async close(): Promise<void> {
    for (const wire of this.#lanes) wire.close();
    await this.#client.end();
  }

  async #rows(name: string, text: string, values: unknown[]): Promise<Row[]> {
    return (await this.#client.query<Row>({ name, text, values })).rows;
  }

  async #events(name: string, text: string, values: unknown[]): Promise<FoundEvent[]> {
    const rows = await this.#rows(name, text, values);
    return rows.map(({ time, ...fields }) => ({ timestamp: time.toISOString(), ...fields }));
  }
}
