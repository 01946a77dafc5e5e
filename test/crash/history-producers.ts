/** Producers that send each batch again until it is answered: some number their records, some give each request a key. */
import assert from 'node:assert';
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from './daemon-load.ts';
import type { HistoryLedger } from './history-ledger.ts';
import type { MortalDaemon } from './mortal-daemon.ts';
import type { Random } from './sim/random.ts';

const JSON_BODY = { 'content-type': 'application/json' };
/** Of the batches of a producer so many are remembered in each partition. */
const REMEMBERED = 5;

/** A request that was answered. */
interface Answered {
  readonly path: string;
  readonly body: string;
  readonly headers: Record<string, string>;
  readonly answer: string;
}

interface Parts {
  /** By partition. */
  readonly values: ReadonlyMap<number, readonly string[]>;
  readonly path: string;
  readonly body: string;
  readonly headers: Record<string, string>;
}

export abstract class HistoryProducer {
  readonly name: string;
  repeated = 0;
  protected readonly daemon: MortalDaemon;
  protected readonly random: Random;
  readonly #ledger: HistoryLedger;
  readonly #topic: string;
  #number = 0;

  constructor(name: string, topic: string, daemon: MortalDaemon, ledger: HistoryLedger, random: Random) {
    this.name = name;
    this.daemon = daemon;
    this.random = random;
    this.#topic = topic;
    this.#ledger = ledger;
  }

  /** Until it is told to stop; all that it has sent is stored then. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#send();
      if (this.random.chance(0.2)) await this.#sendAgain();
      await delay(this.random.below(20));
    }
  }

  protected abstract prepare(values: ReadonlyMap<number, readonly string[]>): Promise<Parts>;
  protected abstract answered(parts: Parts, answered: Answered): void;
  /** One that is answered still as it was. */
  protected abstract remembered(): Answered | undefined;
  protected abstract get spread(): number;

  protected get path(): string {
    return `/api/topics/${this.#topic}/records`;
  }

  async #send(): Promise<void> {
    const number = this.#number++;
    const values = new Map<number, string[]>();
    for (let i = 0; i < this.spread; i++) {
      const partition = this.random.below(this.#ledger.partitions);
      if (values.has(partition)) continue;
      const count = 1 + this.random.below(4);
      values.set(
        partition,
        Array.from({ length: count }, (_, index) => `${this.name}.${number}.${partition}.${index}`),
      );
    }
    for (const [partition, texts] of values) this.#ledger.sending(partition, texts);
    const parts = await this.prepare(values);
    const { path, body, headers } = parts;
    const { status, body: answer } = await this.daemon.insist('POST', path, body, headers);
    assert.equal(status, 200, `${this.name} was told ${status} ${answer}`);
    for (const { partition, baseOffset } of JSON.parse(answer).partitions)
      this.#ledger.stored(values.get(partition)!, baseOffset);
    this.answered(parts, { path, body, headers, answer });
  }

  /** The first answer, to the last byte. */
  async #sendAgain(): Promise<void> {
    const again = this.remembered();
    if (again === undefined) return;
    const answer: Answer = await this.daemon.insist('POST', again.path, again.body, again.headers);
    assert.equal(answer.status, 200, `${this.name} was told ${answer.status} ${answer.body}`);
    assert.equal(answer.body, again.answer, `${this.name} was answered otherwise before`);
    assert.equal(answer.headers['idempotent-replayed'], 'true');
    this.repeated++;
  }
}

/** Numbers its records in each partition. */
export class NumberingProducer extends HistoryProducer {
  #id: { producerId: number; epoch: number } | undefined;
  readonly #next = new Map<number, number>();
  readonly #last = new Map<number, Answered[]>();

  protected get spread(): number {
    return 1;
  }

  protected async prepare(values: ReadonlyMap<number, readonly string[]>): Promise<Parts> {
    this.#id ??= JSON.parse((await this.daemon.insist('POST', '/api/producers', '{}', JSON_BODY)).body);
    const [[partition, texts]] = [...values] as [[number, string[]]];
    const sequence = this.#next.get(partition) ?? 0;
    const { producerId, epoch } = this.#id!;
    const query = `partition=${partition}&producerId=${producerId}&producerEpoch=${epoch}&sequence=${sequence}`;
    const headers = { 'content-type': 'text/plain' };
    return { values, path: `${this.path}?${query}`, body: texts.join('\n'), headers };
  }

  protected answered({ values }: Parts, answered: Answered): void {
    const [[partition, texts]] = [...values] as [[number, string[]]];
    this.#next.set(partition, (this.#next.get(partition) ?? 0) + texts.length);
    this.#last.set(partition, [...(this.#last.get(partition) ?? []), answered].slice(-REMEMBERED));
  }

  protected remembered(): Answered | undefined {
    const last = [...this.#last.values()];
    return last.length === 0 ? undefined : this.random.pick(this.random.pick(last));
  }
}

/** Gives each request a key. */
export class KeyedProducer extends HistoryProducer {
  #requests = 0;
  readonly #answered: Answered[] = [];

  protected get spread(): number {
    return 3;
  }

  protected async prepare(values: ReadonlyMap<number, readonly string[]>): Promise<Parts> {
    const records = [...values].flatMap(([partition, texts]) => texts.map((value) => ({ partition, value })));
    const headers = { ...JSON_BODY, 'idempotency-key': `${this.name} ${this.#requests++}` };
    return { values, path: this.path, body: JSON.stringify({ records }), headers };
  }

  protected answered(_: Parts, answered: Answered): void {
    this.#answered.push(answered);
  }

  protected remembered(): Answered | undefined {
    return this.#answered.length === 0 ? undefined : this.random.pick(this.#answered);
  }
}
