/**
 * Producers and consumers of a daemon over HTTP, who tell the ledger what they were told. They go on until the daemon
 * goes away or they are stopped; what is under way then has an unknown outcome.
 */
import { once } from 'node:events';
import { Agent, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import { PartitionLedger, recordText, type StoredRecord } from './http-ledger.ts';
import type { Random } from './sim/random.ts';

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: IncomingHttpHeaders;
}

/** The connection broke, or the answer never came. */
export class NoAnswer extends Error {}

export class HttpClient {
  readonly url: string;
  readonly #agent = new Agent({ keepAlive: true });

  constructor(url: string) {
    this.url = url;
  }

  async ask(
    method: string,
    path: string,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const outgoing = request(`${this.url}${path}`, { method, agent: this.#agent, headers });
    outgoing.end(body);
    try {
      const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
      const chunks: Buffer[] = [];
      for await (const chunk of response) chunks.push(chunk);
      const { statusCode: status, headers: received } = response;
      return { status: status!, body: Buffer.concat(chunks).toString(), headers: received };
    } catch (error) {
      throw new NoAnswer(`${method} ${path}`, { cause: error });
    }
  }

  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const answer = await this.ask(method, path, text, { 'content-type': 'application/json' });
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
    return JSON.parse(answer.body);
  }

  close(): void {
    this.#agent.destroy();
  }
}

export interface Page {
  records: StoredRecord[];
  nextOffset: number;
  highWatermark: number;
}

export interface LoadTopic {
  readonly name: string;
  readonly partitions: number;
  readonly config: Readonly<Record<string, string | number>>;
}

/** Many partitions with little each (the journal), few with much (segments), and one that is not synced. */
export const LOAD_TOPICS: readonly LoadTopic[] = [
  { name: 'wide', partitions: 8, config: { 'segment.bytes': 16_384 } },
  { name: 'deep', partitions: 2, config: { 'segment.bytes': 65_536 } },
  { name: 'os', partitions: 2, config: { flush: 'os', 'segment.bytes': 32_768 } },
];

/** Small files, so that segments roll and the journal's files are used again all the time. */
export const LOAD_SETTINGS = [
  ...['--journal.file.bytes', '65536', '--journal.files', '3', '--checkpoint.bytes', '65536'],
  ...['--housekeeping.interval.ms', '50', '--index.interval.bytes', '1024', '--log.dir.reserve.bytes', '0'],
];

const PRODUCERS = 16;
const CONSUMERS = 3;

interface Sending {
  readonly ledger: PartitionLedger;
  readonly count: number;
}

export class DaemonLoad {
  readonly ledgers: readonly PartitionLedger[];
  readonly #random: Random;
  /** By producer; they go on over the lives of the daemon. */
  readonly #numbers: number[] = new Array(PRODUCERS).fill(0);
  #client!: HttpClient;
  #stopped = true;
  #acknowledgements = 0;
  #enough: { count: number; reached: () => void } | undefined;

  constructor(random: Random) {
    this.#random = random;
    this.ledgers = LOAD_TOPICS.flatMap(({ name, partitions }) =>
      Array.from({ length: partitions }, (_, partition) => new PartitionLedger(name, partition)),
    );
  }

  /** Batches that were acknowledged so far. */
  get acknowledged(): number {
    return this.ledgers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  async createTopics(client: HttpClient): Promise<void> {
    for (const topic of LOAD_TOPICS) await createTopic(client, topic);
  }

  /** Deletes topics that have grown past `bytes`, and makes them anew; nothing is under way. How many it were. */
  async recreateTopics(client: HttpClient, bytes: number): Promise<number> {
    const { topics } = await client.json<{ topics: { name: string; bytes: number }[] }>('GET', '/api/topics');
    const large = topics.filter((topic) => topic.bytes > bytes);
    for (const { name } of large) {
      const answer = await client.ask('DELETE', `/api/topics/${name}`);
      if (answer.status !== 204) throw new Error(`deleting ${name}: ${answer.status} ${answer.body}`);
      await createTopic(client, LOAD_TOPICS.find((topic) => topic.name === name)!);
      for (const ledger of this.ledgers) if (ledger.topic === name) ledger.reset();
    }
    return large.length;
  }

  /** Runs until `stop`, or until the daemon is gone. Rejects when the daemon refuses anything. */
  async run(client: HttpClient): Promise<void> {
    this.#client = client;
    this.#stopped = false;
    const workers = [
      ...Array.from({ length: PRODUCERS }, (_, producer) => this.#produce(producer)),
      ...Array.from({ length: CONSUMERS }, () => this.#consume()),
    ];
    const outcomes = await Promise.allSettled(workers.map((worker) => worker.catch(ignoreNoAnswer)));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
  }

  /** No new request is made; resolves nothing: `run` does, once those under way are answered. */
  stop(): void {
    this.#stopped = true;
  }

  /** Resolves once so many more batches are acknowledged. */
  acknowledgements(count: number): Promise<void> {
    return new Promise((reached) => {
      this.#enough = { count: this.#acknowledgements + count, reached };
    });
  }

  async #produce(producer: number): Promise<void> {
    const kinds = [this.#sendLines, this.#sendToMany, this.#sendMuch, this.#sendQuickly];
    while (!this.#stopped) await kinds[producer % kinds.length]!.call(this, producer);
  }

  /** A few small records to one of many partitions. */
  #sendLines(producer: number): Promise<void> {
    const ledger = this.#pick('wide');
    return this.#sendText(producer, ledger, 1 + this.#random.below(3), 100, 'acks=all');
  }

  /** A batch that is written to its segment. */
  #sendMuch(producer: number): Promise<void> {
    const compression = this.#random.pick(['none', 'lz4', 'zstd', 'snappy', 'gzip']);
    const ledger = this.#pick('deep');
    return this.#sendText(
      producer,
      ledger,
      10 + this.#random.below(40),
      500,
      `acks=all&compression=${compression}`,
    );
  }

  /** Acknowledged before it is synced, or not at all: a process that dies does not take what the system has. */
  #sendQuickly(producer: number): Promise<void> {
    const acks = this.#random.pick([1, 1, 0]);
    const ledger = this.#pick(this.#random.pick(['os', 'deep', 'wide']));
    return this.#sendText(producer, ledger, 1 + this.#random.below(5), 200, `acks=${acks}`);
  }

  async #sendText(
    producer: number,
    ledger: PartitionLedger,
    count: number,
    padding: number,
    query: string,
  ): Promise<void> {
    const number = this.#numbers[producer]!++;
    const lines = this.#texts(producer, number, count, padding);
    const path = `/api/topics/${ledger.topic}/records?partition=${ledger.partition}&${query}`;
    await this.#send(producer, number, [{ ledger, count }], path, lines.join('\n'), 'text/plain');
  }

  /** One request with a batch for each of several partitions. */
  async #sendToMany(producer: number): Promise<void> {
    const number = this.#numbers[producer]!++;
    const ledgers = [...new Set([this.#pick('wide'), this.#pick('wide'), this.#pick('wide')])];
    const sendings = ledgers.map((ledger) => ({ ledger, count: 1 + this.#random.below(4) }));
    const records = sendings.flatMap(({ ledger: { partition }, count }) =>
      this.#texts(producer, number, count, 100).map((value) => ({ partition, value })),
    );
    const body = JSON.stringify({ records });
    await this.#send(
      producer,
      number,
      sendings,
      '/api/topics/wide/records?acks=all',
      body,
      'application/json',
    );
  }

  #texts(producer: number, number: number, count: number, padding: number): string[] {
    return Array.from({ length: count }, (_, index) =>
      recordText(producer, number, index, count, this.#random.below(padding)),
    );
  }

  async #send(
    producer: number,
    number: number,
    sendings: readonly Sending[],
    path: string,
    body: string,
    type: string,
  ): Promise<void> {
    for (const { ledger, count } of sendings) ledger.sending(producer, number, count);
    const answer = await this.#client.ask('POST', path, body, { 'content-type': type });
    if (answer.status !== 200) return this.#refused(producer, number, sendings, answer);
    for (const { partition, baseOffset } of JSON.parse(answer.body).partitions) {
      const { ledger } = sendings.find(({ ledger }) => ledger.partition === partition)!;
      if (baseOffset >= 0) ledger.stored(producer, number, baseOffset);
    }
    this.#acknowledgements++;
    if (this.#acknowledgements === this.#enough?.count) this.#enough.reached();
  }

  /** A daemon that stops may refuse, and nothing else is expected. */
  #refused(producer: number, number: number, sendings: readonly Sending[], answer: Answer): void {
    const { code } = JSON.parse(answer.body);
    if (code !== 'not_ready') throw new Error(`a producer got ${answer.status} ${answer.body}`);
    // To one partition it may have been stored before another one refused.
    if (sendings.length === 1) sendings[0]!.ledger.refused(producer, number);
    this.#stopped = true;
  }

  /** Follows a partition from its end, by long polls. */
  async #consume(): Promise<void> {
    const ledger = this.#random.pick(this.ledgers);
    let offset = ledger.checkedEnd;
    while (!this.#stopped) {
      const query = `offset=${offset}&wait_ms=500&max_records=1000`;
      const known = ledger.highWatermark;
      const answer = await this.#client.ask('GET', `${pathOf(ledger)}?${query}`);
      if (answer.status !== 200) return;
      const page: Page = JSON.parse(answer.body);
      ledger.saw(page.records, page.highWatermark, known);
      offset = page.nextOffset;
    }
  }

  #pick(topic: string): PartitionLedger {
    return this.#random.pick(this.ledgers.filter((ledger) => ledger.topic === topic));
  }

  /** Nothing is under way: reads what was not yet checked of each partition. */
  async check(client: HttpClient): Promise<void> {
    for (const ledger of this.ledgers) {
      const { records, highWatermark } = await readFrom(client, ledger, ledger.checkedEnd);
      ledger.check(records, highWatermark);
    }
  }

  /** Reads everything once more. */
  async checkAgain(client: HttpClient): Promise<void> {
    for (const ledger of this.ledgers) ledger.checkAgain((await readFrom(client, ledger, 0)).records);
  }
}

const createTopic = (client: HttpClient, { name, partitions, config }: LoadTopic) =>
  client.json('PUT', `/api/topics/${name}`, { partitions, config });

const pathOf = ({ topic, partition }: PartitionLedger) =>
  `/api/topics/${topic}/partitions/${partition}/records`;

async function readFrom(client: HttpClient, ledger: PartitionLedger, from: number): Promise<Page> {
  const all: StoredRecord[] = [];
  for (let offset = from; ; ) {
    const path = `${pathOf(ledger)}?offset=${offset}&max_records=10000&max_bytes=4000000`;
    const { records, nextOffset, highWatermark } = await client.json<Page>('GET', path);
    all.push(...records);
    offset = nextOffset;
    if (offset === highWatermark) return { records: all, nextOffset, highWatermark };
    if (records.length === 0)
      throw new Error(`${ledger.name}: nothing at offset ${offset} of ${highWatermark}`);
  }
}

function ignoreNoAnswer(error: unknown): void {
  if (!(error instanceof NoAnswer)) throw error;
}
