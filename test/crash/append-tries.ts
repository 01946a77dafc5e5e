/**
 * One call of the log by somebody who may send the same thing again, and what its answer must be: that of an earlier try,
 * where one is known to have been stored, and otherwise either that of one or the place where it is stored now.
 */
import { type ErrorCode, SeglogError } from '../../src/engine/common/errors.ts';
import type { AppendOptions, PartitionAppend } from '../../src/engine/common/types.ts';
import { type AppendShape, makeRecords, toProduce } from './driver-records.ts';
import { type EngineDriver, NOTHING_STORED } from './engine-driver.ts';
import type { World } from './harness.ts';
import { type OracleBatch, Violation } from './oracle.ts';
import { isSynchronous } from './oracle-check.ts';
import { batchOf, type SentRequest } from './producer-client.ts';

export interface SendShape extends AppendShape {
  readonly acks?: 'all' | 1;
}

export interface Try {
  readonly topic: string;
  readonly parts: SentRequest['parts'];
  readonly options: AppendOptions;
  /** It was not sent before: the answer is no repetition. */
  readonly isFirst: boolean;
  /** Refusals that are right, by the time of the answer; beside those of a failing disk. */
  refusals?(): readonly ErrorCode[];
}

export class AppendTries {
  readonly #world: World;
  readonly #driver: EngineDriver;
  /** Of batches, where nothing else is said. */
  readonly #shape: SendShape;

  constructor(world: World, driver: EngineDriver, shape: SendShape) {
    this.#world = world;
    this.#driver = driver;
    this.#shape = shape;
  }

  /** The number of a batch that is going to be sent for the first time. */
  newBatch(log: string, topic: string, given: SendShape = {}): number {
    const { oracle } = this.#world;
    const shape = { ...this.#shape, ...given };
    const { acks = 'all' } = shape;
    const number = oracle.nextBatch;
    const records = makeRecords(this.#world, number, shape);
    const synchronous = isSynchronous(oracle.topic(topic).settled!);
    oracle.appending({ number, log, records, acks, synchronous });
    return number;
  }

  /** What it was refused with, if it was. */
  async run(call: Try): Promise<ErrorCode | undefined> {
    const { oracle } = this.#world;
    const { topic, parts, options } = call;
    const before = parts.map(({ number }) => ({ ...batchOf(oracle, number) }));
    const log = before[0]!.log;
    const records = parts.flatMap(({ partition, number }) =>
      batchOf(oracle, number).records.map((record) => ({ ...toProduce(record), partition })),
    );
    try {
      const answers = await this.#driver.engine.append(topic, records, options);
      for (const [place, { partition, number }] of parts.entries()) {
        const answer = answers.find((each) => each.partition === partition);
        this.#checkAnswer(call, before[place]!, answer);
        oracle.acknowledged(number, answer!.baseOffset, options.acks);
      }
      return undefined;
    } catch (error) {
      const code = this.#excuse(error, call, log);
      if (code !== 'OUTCOME_UNKNOWN' && parts.length === 1) oracle.refused(parts[0]!.number);
      return code;
    }
  }

  #checkAnswer({ options, isFirst }: Try, before: OracleBatch, answer: PartitionAppend | undefined): void {
    const { number, records, state, log } = before;
    const what = `${log}: batch ${number} (${state}) is answered ${JSON.stringify(answer)}`;
    if (answer === undefined) throw new Violation(what);
    const { baseOffset, lastOffset, count, timestamp, duplicate } = answer;
    const isRight =
      count === records.length &&
      lastOffset === baseOffset + count - 1 &&
      timestamp === Math.max(...records.map((record) => record.timestamp));
    if (!isRight) throw new Violation(what);
    if (state === 'stored' && !(duplicate && baseOffset === before.baseOffset))
      throw new Violation(`${what}, and was stored at ${before.baseOffset}`);
    if (state === 'refused') throw new Violation(`${what}, and must not be stored`);
    const { expectedEndOffset = baseOffset } = options;
    if (expectedEndOffset !== baseOffset)
      throw new Violation(`${what}, and was to be at ${expectedEndOffset}`);
    // Unless it was sent again meanwhile.
    if (isFirst && duplicate && !batchOf(this.#world.oracle, number).doubtful)
      throw new Violation(`${what}, and was not sent before`);
  }

  /** The error's code, if it is one that may come. */
  #excuse(error: unknown, { topic, refusals }: Try, log: string): ErrorCode {
    if (error instanceof Violation) throw error;
    if (!(error instanceof SeglogError)) throw new Violation(`append failed with ${(error as Error).stack}`);
    const { code } = error;
    const { faulty, disk, oracle } = this.#world;
    const { settled, pending } = oracle.topic(topic);
    const isGone = pending !== undefined || !log.startsWith(`${topic}/${settled?.incarnation}/`);
    const mayFail =
      faulty ||
      (code === 'STORAGE_FULL' && disk.isLimited) ||
      (code === 'UNKNOWN_TOPIC_OR_PARTITION' && isGone);
    if (mayFail && (NOTHING_STORED.has(code) || code === 'OUTCOME_UNKNOWN')) return code;
    if (refusals?.().includes(code)) return code;
    throw new Violation(`an append to ${log} is refused with ${error}`);
  }
}
