/**
 * Clients of a log that send again what they have no answer to, and sometimes what they have one to: producers that number
 * their batches, and requests with idempotency keys. Whatever they do, each batch is in the log at most once, and exactly once
 * and with the same answer from its first acknowledgement on; what was refused is not there.
 */
import type { ErrorCode } from '../../src/engine/common/errors.ts';
import type { Acks } from '../../src/engine/common/types.ts';
import { AppendTries, type SendShape } from './append-tries.ts';
import type { EngineDriver } from './engine-driver.ts';
import type { World } from './harness.ts';
import { Violation } from './oracle.ts';
import { logName } from './oracle-check.ts';
import {
  batchOf,
  type Client,
  isStored,
  nextSequence,
  outstanding,
  type ProducerClient,
  REMEMBERED,
  type RequestClient,
  type SentBatch,
  type SentRequest,
} from './producer-client.ts';

/** With a fault, calls may be refused for as long as the log is open. */
const TRIES = 3;

export class ProducerDriver {
  readonly #world: World;
  readonly #driver: EngineDriver;
  readonly #tries: AppendTries;
  /** Batches without an answer, and how many tries of each. */
  readonly #onTheirWay = new Map<number, number>();

  /** `shape`: of batches, where nothing else is said. */
  constructor(world: World, driver: EngineDriver, shape: SendShape = {}) {
    this.#world = world;
    this.#driver = driver;
    this.#tries = new AppendTries(world, driver, shape);
  }

  /** Sends a few new batches of a producer one after the other, without waiting for the answers. */
  async send(name: string, topic: string, partition: number, shapes: readonly SendShape[]): Promise<void> {
    if (!this.#begin(name, topic, partition)) return;
    const calls = shapes.map((shape) => this.#sendNext(name, shape));
    await Promise.all(calls);
  }

  /** Sends one batch twice at a time, while one before it is on its way: both wait for the same group. */
  async sendTwice(name: string, shape?: SendShape): Promise<void> {
    if (this.#producer(name) === undefined) return;
    const calls = [this.#sendNext(name, shape), this.#sendNext(name, shape)];
    const sent = this.#producer(name)!.sent.at(-1)!;
    await Promise.all([...calls, this.#sendAgain(name, sent, 'all')]);
  }

  /** Tries to get all stored that is not known to be: in order, as producers do. */
  async settle(name: string): Promise<void> {
    for (let tries = 0; tries < TRIES; tries++) {
      const client = this.#producer(name);
      const open = client && outstanding(this.#world.oracle, client);
      if (open === undefined || open.length === 0) return;
      // Together, or each when the one before it is answered.
      if (this.#world.random.chance(0.5)) {
        await Promise.all(open.map((sent) => this.#sendAgain(name, sent, 'all')));
      } else {
        for (const sent of open) await this.#sendAgain(name, sent, 'all');
      }
    }
    if (this.#world.faulty || this.#world.disk.isLimited) return;
    throw new Violation(`${name} does not get stored what it has sent`);
  }

  /** Sends again what is known to be stored: one of the last batches, or one that lies before them. */
  async repeat(name: string): Promise<void> {
    const client = this.#producer(name);
    const { oracle, random } = this.#world;
    if (client === undefined || outstanding(oracle, client).length > 0 || client.sent.length === 0) return;
    const last = client.sent.slice(-REMEMBERED);
    const sent = random.chance(0.8) ? random.pick(last) : random.pick(client.sent);
    await this.#sendAgain(name, sent, random.chance(0.3) ? 1 : 'all');
  }

  /** Sends what does not follow: it must not be stored, now or ever. */
  async stray(name: string, shape?: SendShape): Promise<void> {
    const client = this.#producer(name);
    if (client === undefined) return;
    const { oracle, random } = this.#world;
    const { topic, partition, identity, former } = client;
    const isKnown = client.sent.some(({ number }) => batchOf(oracle, number).state === 'stored');
    const asFormer = former !== undefined && isKnown && random.chance(0.5);
    const sequence = asFormer ? former.nextSequence : nextSequence(oracle, client) + 1 + random.below(3);
    const producer = { ...identity, epoch: asFormer ? former.epoch : identity.epoch, sequence };
    const number = this.#tries.newBatch(client.log, topic, shape);
    oracle.refused(number);
    const code = asFormer ? 'INVALID_PRODUCER_EPOCH' : 'OUT_OF_ORDER_SEQUENCE_NUMBER';
    const parts = [{ partition, number }];
    const options = { acks: 'all', partition, producer } as const;
    await this.#tries.run({ topic, parts, options, isFirst: true, refusals: () => [code] });
  }

  /** The producer begins anew under the next epoch; what of its batches was not acknowledged, it gives up. */
  async nextEpoch(name: string, shape?: SendShape): Promise<void> {
    const client = this.#producer(name);
    if (client === undefined) return;
    const { oracle } = this.#world;
    const identity = this.#driver.engine.newProducer(client.identity);
    const former = { epoch: client.identity.epoch, nextSequence: nextSequence(oracle, client) };
    oracle.clientChanged(name, { ...client, identity, sent: [], former } satisfies ProducerClient);
    await this.#sendNext(name, shape);
  }

  /** Several that expect the log to end where it does: one of them is right at the most. */
  async appendAtEnd(topic: string, partition: number, shapes: readonly SendShape[]): Promise<void> {
    const log = this.#log(topic, partition);
    if (log === undefined) return;
    const expectedEndOffset = this.#driver.engine.offsets(topic, partition).logEndOffset;
    await Promise.all(
      shapes.map(async (shape) => {
        const { acks = 'all' } = shape;
        const number = this.#tries.newBatch(log, topic, shape);
        const options = { acks, partition, expectedEndOffset };
        const parts = [{ partition, number }];
        await this.#tries.run({ topic, parts, options, isFirst: true, refusals: () => ['CONDITION_FAILED'] });
      }),
    );
  }

  /** Sends a request with a new key, for one or several partitions. */
  async request(
    name: string,
    topic: string,
    partitions: readonly number[],
    shape?: SendShape,
  ): Promise<void> {
    const { oracle, random } = this.#world;
    const { settled, pending } = oracle.topic(topic);
    if (settled === undefined || pending) return;
    const before = this.#requests(name) ?? this.#noRequests(topic, settled.incarnation);
    const parts = partitions.map((partition) => ({
      partition,
      number: this.#tries.newBatch(logName(topic, settled, partition), topic, shape),
    }));
    const key = `${name} ${before.sent.length} ${settled.incarnation}`;
    const sent: SentRequest = { key, fingerprint: random.below(2 ** 31), parts };
    oracle.clientChanged(name, { ...before, sent: [...before.sent, sent] } satisfies RequestClient);
    await this.#sendRequest(topic, sent, true, shape?.acks);
  }

  /** Sends one request twice at a time, while one before it is on its way. */
  async requestTwice(
    name: string,
    topic: string,
    partitions: readonly number[],
    shape?: SendShape,
  ): Promise<void> {
    const calls = [1, 2].map(() => this.request(name, topic, partitions, shape));
    const sent = this.#requests(name)?.sent.at(-1);
    if (sent !== undefined) calls.push(this.#sendRequest(topic, sent, false));
    await Promise.all(calls);
  }

  async settleRequests(name: string): Promise<void> {
    const client = this.#requests(name);
    for (const sent of client?.sent ?? [])
      for (let tries = 0; tries < TRIES && !isStored(this.#world.oracle, sent); tries++)
        await this.#sendRequest(client!.topic, sent, false);
  }

  /** Sends requests again that were answered, several of them at a time. */
  async repeatRequests(name: string, count: number): Promise<void> {
    const { oracle, random } = this.#world;
    const client = this.#requests(name);
    const stored = client?.sent.filter((sent) => isStored(oracle, sent)) ?? [];
    if (stored.length === 0) return;
    const again = Array.from({ length: count }, () => random.pick(stored));
    await Promise.all(again.map((sent) => this.#sendRequest(client!.topic, sent, false)));
  }

  /** Another request under a key that is known. */
  async reuseKey(name: string): Promise<void> {
    const { oracle, random } = this.#world;
    const client = this.#requests(name);
    const stored = client?.sent.filter((sent) => isStored(oracle, sent)) ?? [];
    if (stored.length === 0) return;
    const { key, fingerprint, parts } = random.pick(stored);
    const { partition, number } = random.pick(parts);
    const other = this.#tries.newBatch(batchOf(oracle, number).log, client!.topic);
    oracle.refused(other);
    const options = {
      acks: 'all',
      partition,
      idempotency: { key, fingerprint: (fingerprint + 1) % 2 ** 31 },
    } as const;
    await this.#tries.run({
      topic: client!.topic,
      parts: [{ partition, number: other }],
      options,
      isFirst: true,
      refusals: () => ['IDEMPOTENCY_KEY_REUSED'],
    });
  }

  /** After a start: all that is open is settled, and what was answered is asked for again. */
  async resume(): Promise<void> {
    for (const [name, client] of this.#world.oracle.state.clients as Map<string, Client>) {
      if (client.kind === 'producer') {
        await this.settle(name);
        for (let i = 0; i < 3; i++) await this.repeat(name);
        await this.stray(name);
      } else if (client.kind === 'requests') {
        await this.repeatRequests(name, 3);
        await this.settleRequests(name);
        await this.reuseKey(name);
      }
    }
  }

  /** All clients send something new, and settle it. */
  async goOn(shape: SendShape = {}): Promise<void> {
    for (const [name, client] of this.#world.oracle.state.clients as Map<string, Client>) {
      if (client.kind === 'producer') {
        await this.send(name, client.topic, client.partition, [shape, shape]);
        await this.settle(name);
        await this.repeat(name);
      } else if (client.kind === 'requests') {
        const partitions = this.#world.oracle.topic(client.topic).settled?.partitions ?? 1;
        await this.request(name, client.topic, [this.#world.random.below(partitions)], shape);
        await this.settleRequests(name);
      }
    }
  }

  #producer(name: string): ProducerClient | undefined {
    const client = this.#world.oracle.client<ProducerClient>(name);
    return client && this.#log(client.topic, client.partition) === client.log ? client : undefined;
  }

  #requests(name: string): RequestClient | undefined {
    const { oracle } = this.#world;
    const client = oracle.client<RequestClient>(name);
    const entry = client && oracle.topic(client.topic);
    return entry?.settled?.incarnation === client?.incarnation && !entry?.pending ? client : undefined;
  }

  #noRequests(topic: string, incarnation: number): RequestClient {
    return { kind: 'requests', topic, incarnation, sent: [] };
  }

  /** Undefined while nobody knows how the topic stands. */
  #log(topic: string, partition: number): string | undefined {
    const { settled, pending } = this.#world.oracle.topic(topic);
    return settled === undefined || pending ? undefined : logName(topic, settled, partition);
  }

  /** False where there is no such log. */
  #begin(name: string, topic: string, partition: number): boolean {
    const log = this.#log(topic, partition);
    if (log === undefined) return false;
    if (this.#producer(name) !== undefined) return true;
    // Its own id, so that a run is the same each time.
    const identity = { id: this.#world.random.below(2 ** 31), epoch: 0 };
    const client = {
      kind: 'producer',
      topic,
      partition,
      log,
      identity,
      sent: [],
      former: undefined,
    } as const;
    this.#world.oracle.clientChanged(name, client satisfies ProducerClient);
    return true;
  }

  #sendNext(name: string, shape: SendShape = {}): Promise<void> {
    const client = this.#producer(name);
    if (client === undefined) return Promise.resolve();
    const { oracle } = this.#world;
    const sent = {
      number: this.#tries.newBatch(client.log, client.topic, shape),
      sequence: nextSequence(oracle, client),
    };
    oracle.clientChanged(name, { ...client, sent: [...client.sent, sent] } satisfies ProducerClient);
    return this.#sendSequence(name, sent, shape.acks ?? 'all', true);
  }

  #sendAgain(name: string, sent: SentBatch, acks: 'all' | 1): Promise<void> {
    this.#world.oracle.appendingAgain(sent.number);
    return this.#sendSequence(name, sent, acks, false);
  }

  async #sendSequence(name: string, sent: SentBatch, acks: 'all' | 1, isFirst: boolean): Promise<void> {
    const { topic, partition, identity } = this.#producer(name)!;
    const { number, sequence } = sent;
    this.#onTheirWay.set(number, (this.#onTheirWay.get(number) ?? 0) + 1);
    const code = await this.#tries
      .run({
        topic,
        parts: [{ partition, number }],
        options: { acks, partition, producer: { ...identity, sequence } },
        isFirst,
        refusals: () => this.#refusalsOf(name, sent),
      })
      .finally(() => this.#onTheirWay.set(number, this.#onTheirWay.get(number)! - 1));
    // It is there, but its offset is forgotten.
    if (code === 'DUPLICATE_SEQUENCE_NUMBER') this.#giveUp(name, sent);
  }

  #refusalsOf(name: string, { number }: SentBatch): ErrorCode[] {
    const { oracle } = this.#world;
    const client = this.#producer(name);
    const place = client?.sent.findIndex((sent) => sent.number === number) ?? -1;
    // It is of an earlier epoch by now.
    if (place < 0) return ['INVALID_PRODUCER_EPOCH', 'OUT_OF_ORDER_SEQUENCE_NUMBER'];
    const { faulty, disk } = this.#world;
    const mayFail = faulty || disk.isLimited;
    // What is before it on its way fails only with the disk: it is waited for.
    const isStored = (each: SentBatch) =>
      batchOf(oracle, each.number).state === 'stored' || (!mayFail && this.#onTheirWay.get(each.number)! > 0);
    const codes: ErrorCode[] = [];
    if (!client!.sent.slice(0, place).every(isStored)) codes.push('OUT_OF_ORDER_SEQUENCE_NUMBER');
    const later = client!.sent.slice(place + 1);
    if (later.filter(({ number }) => batchOf(oracle, number).state !== 'refused').length >= REMEMBERED)
      codes.push('DUPLICATE_SEQUENCE_NUMBER');
    return codes;
  }

  #giveUp(name: string, { number }: SentBatch): void {
    const client = this.#producer(name);
    if (client === undefined || batchOf(this.#world.oracle, number).state === 'stored') return;
    const sent = client.sent.filter((each) => each.number !== number);
    this.#world.oracle.clientChanged(name, { ...client, sent } satisfies ProducerClient);
  }

  async #sendRequest(
    topic: string,
    { key, fingerprint, parts }: SentRequest,
    isFirst: boolean,
    acks: Acks = 'all',
  ): Promise<void> {
    if (!isFirst) for (const { number } of parts) this.#world.oracle.appendingAgain(number);
    const options = { acks, idempotency: { key, fingerprint } };
    await this.#tries.run({ topic, parts, options, isFirst });
  }
}
