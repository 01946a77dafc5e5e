/** The commands of the model test: each does the same to the real log and to the arrays, and compares what it sees. */
import assert from 'node:assert';
import fc from 'fast-check';
import type { ModelLog, ModelPartition, ModelTopic } from './log-model.ts';
import type { CrashPlan, LogUnderTest, TopicChanged } from './log-under-test.ts';
import { ModelAppend } from './model-append.ts';
import { ModelChange } from './model-change.ts';
import { crashArbitrary, TOPICS, timeArbitrary, type WorkPlan, workArbitrary } from './plans.ts';
import { Watcher } from './watcher.ts';

type Command = fc.AsyncCommand<ModelLog, LogUnderTest>;

/** Appends and a change of a topic, all at once, perhaps cut off by a crash. */
class Work implements Command {
  readonly plan: WorkPlan;

  constructor(plan: WorkPlan) {
    this.plan = plan;
  }

  check = () => true;
  toString = () => `work ${JSON.stringify(this.plan)}`;

  async run(model: ModelLog, log: LogUnderTest): Promise<void> {
    const { crash, rounds } = this.plan;
    const from = log.at;
    const watchers = new Map([...model].map(([name, topic]) => [name, watch(log, name, topic)]));
    const before = new Map(model);
    let changed: TopicChanged | undefined;
    for (let round = 0; round < rounds; round++) changed = (await this.#round(model, log, round)) ?? changed;
    for (const [name, topic] of before) {
      const now = model.get(name);
      for (const watcher of watchers.get(name)!) {
        await log.run(watcher.stop());
        if (now !== undefined) watcher.check({ ...topic, sawUnsynced: now.sawUnsynced });
      }
    }
    if (crash !== null) await log.crash(model, crash, from, changed);
    else checkBounds(model, log);
  }

  /** Everything at once; the change comes with the first round only. */
  async #round(model: ModelLog, log: LogUnderTest, round: number): Promise<TopicChanged | undefined> {
    const { change: plan, changeFirst } = this.plan;
    const change = plan === null || round > 0 ? undefined : new ModelChange(plan, model);
    const appends = this.#appends(model, log.clock.now());
    const first = changeFirst ? change?.give(log) : undefined;
    const given = appends.map((append) => append.give(log, change?.deletes(append.topic) === true));
    const [changed] = await log.run(Promise.all([first ?? change?.give(log), ...given]));
    for (const append of appends) append.takeOver();
    if (changed?.after !== undefined) model.set(changed.name, changed.after);
    else if (changed !== undefined) model.delete(changed.name);
    return changed;
  }

  #appends(model: ModelLog, now: number): ModelAppend[] {
    const { appends, change, crash } = this.plan;
    return appends.flatMap((plan) => {
      const topic = model.get(plan.topic);
      // Of an append to several partitions of a topic that goes away, nobody knows how far it came.
      const unclear = crash !== null && change?.kind === 'delete' && change.topic === plan.topic;
      return topic === undefined || unclear ? [] : [new ModelAppend(plan, topic, now)];
    });
  }
}

function watch(log: LogUnderTest, name: string, { partitions }: ModelTopic): Watcher[] {
  return partitions.map((_, number) => new Watcher(log, name, number));
}

/** What is seen of each partition is what is owed, no more than was appended, and from now on it is owed. */
function checkBounds(model: ModelLog, log: LogUnderTest): void {
  for (const [name, topic] of model) {
    for (const [number, partition] of topic.partitions.entries()) {
      const { logStartOffset, highWatermark, logEndOffset } = log.engine.offsets(name, number);
      assert.equal(logStartOffset, 0);
      const order = [partition.owed('durable'), highWatermark, logEndOffset, partition.records.length];
      assert.deepEqual(
        order,
        [...order].sort((a, b) => a - b),
        `${name}-${number} is out of bounds`,
      );
      see(topic, partition, highWatermark, log);
    }
  }
}

function see(topic: ModelTopic, partition: ModelPartition, highWatermark: number, log: LogUnderTest): void {
  partition.promise(log.at, highWatermark, topic.sawUnsynced ? 'written' : 'durable');
}

/** A partition by numbers that stay the same while others are taken away from a failing run. */
interface Target {
  readonly topic: string;
  readonly partition: number;
}

function find(
  model: ModelLog,
  { topic, partition }: Target,
): { name: string; number: number; topic: ModelTopic; partition: ModelPartition } | undefined {
  const found = model.get(topic);
  if (found === undefined) return undefined;
  const number = partition % found.partitions.length;
  return { name: topic, number, topic: found, partition: found.partitions[number]! };
}

/** Reads from an offset on, in pieces. */
class Read implements Command {
  readonly plan: Target & { readonly place: number; readonly maxBytes: number };

  constructor(plan: Read['plan']) {
    this.plan = plan;
  }

  check = (model: Readonly<ModelLog>) => model.has(this.plan.topic);
  toString = () => `read ${JSON.stringify(this.plan)}`;

  async run(model: ModelLog, log: LogUnderTest): Promise<void> {
    const { name, number, topic, partition } = find(model, this.plan)!;
    const { highWatermark } = log.engine.offsets(name, number);
    const from = Math.round(this.plan.place * highWatermark);
    await log.compare(name, number, partition.records, from, highWatermark, this.plan.maxBytes);
    see(topic, partition, highWatermark, log);
  }
}

/** Looks for the first record that is not older than a time. */
class Seek implements Command {
  readonly plan: Target & { readonly time: number };

  constructor(plan: Seek['plan']) {
    this.plan = plan;
  }

  check = (model: Readonly<ModelLog>) => model.has(this.plan.topic);
  toString = () => `seek ${JSON.stringify(this.plan)}`;

  async run(model: ModelLog, log: LogUnderTest): Promise<void> {
    const { name, number, partition } = find(model, this.plan)!;
    const timestamp = Math.max(0, log.clock.now() + this.plan.time);
    const before = log.engine.offsets(name, number).highWatermark;
    const found = await log.run(log.engine.offsetForTimestamp(name, number, timestamp));
    const after = log.engine.offsets(name, number).highWatermark;
    log.counts.seeks++;
    const expected = [before, after].map((end) => {
      const offset = partition.seek(timestamp, end);
      return offset < 0 ? end : offset;
    });
    // What became readable during the search may be found or not.
    const fits = expected[0] === expected[1] ? found === expected[0] : found >= before && found <= after;
    assert(fits, `${name}-${number}: ${found} found for time ${timestamp}, expected ${expected}`);
  }
}

/** All that was appended becomes readable, and is as it was appended. */
export async function checkAll(model: ModelLog, log: LogUnderTest): Promise<void> {
  for (const [name, topic] of model) {
    for (const [number, partition] of topic.partitions.entries()) {
      const end = partition.records.length;
      if (end > 0) {
        const wait = log.engine.waitForRecords(name, number, end - 1, 600_000);
        assert(await log.run(wait), `${name}-${number}: offset ${end - 1} never becomes readable`);
      }
      await log.compare(name, number, partition.records, 0, end);
      see(topic, partition, end, log);
    }
  }
}

class CheckAll implements Command {
  check = () => true;
  toString = () => 'check all';
  run = checkAll;
}

/** The wall clock is set, and time passes: idle segments are sealed, journals drained, intervals flushed. */
class PassTime implements Command {
  readonly plan: { readonly jumpMs: number; readonly ms: number };

  constructor(plan: PassTime['plan']) {
    this.plan = plan;
  }

  check = () => true;
  toString = () => `time ${JSON.stringify(this.plan)}`;

  async run(model: ModelLog, log: LogUnderTest): Promise<void> {
    log.clock.jump(this.plan.jumpMs);
    await log.clock.advance(this.plan.ms);
    checkBounds(model, log);
  }
}

/** A clean stop and a start, perhaps cut off by a crash. */
class Reopen implements Command {
  readonly crash: CrashPlan | null;

  constructor(crash: CrashPlan | null) {
    this.crash = crash;
  }

  check = () => true;
  toString = () => `reopen ${JSON.stringify(this.crash)}`;

  run = (model: ModelLog, log: LogUnderTest) => log.reopen(model, this.crash);
}

const target = { topic: fc.constantFrom(...TOPICS), partition: fc.nat({ max: 9 }) };
const place = fc.double({ min: 0, max: 1, noNaN: true });

/** Work most often, the others between. */
export const COMMANDS: fc.Arbitrary<Command>[] = [
  ...Array.from({ length: 5 }, () => workArbitrary.map((plan) => new Work(plan))),
  fc
    .record({ ...target, place, maxBytes: fc.constantFrom(1, 500, 5000, 1_000_000) })
    .map((plan) => new Read(plan)),
  fc.record({ ...target, time: timeArbitrary }).map((plan) => new Seek(plan)),
  fc.record({ ...target, time: timeArbitrary }).map((plan) => new Seek(plan)),
  fc.constant(new CheckAll()),
  fc
    .record({
      jumpMs: fc.constantFrom(0, 0, 0, 3_600_000, 90_000_000, -5000, -90_000_000),
      ms: fc.constantFrom(1, 200, 5000),
    })
    .map((plan) => new PassTime(plan)),
  fc.option(crashArbitrary).map((crash) => new Reopen(crash)),
];
