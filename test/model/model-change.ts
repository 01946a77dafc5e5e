/** One change of a topic in the model test: creating, altering or deleting it. */
import assert from 'node:assert';
import { isSeglogError } from '../../src/engine/common/errors.ts';
import { isSynchronous, type ModelLog, ModelPartition, type ModelTopic, modelTopic } from './log-model.ts';
import type { LogUnderTest, TopicChanged } from './log-under-test.ts';
import type { ChangePlan } from './plans.ts';

export class ModelChange {
  readonly #plan: ChangePlan;
  readonly #before: ModelTopic | undefined;

  constructor(plan: ChangePlan, model: ModelLog) {
    this.#plan = plan;
    this.#before = model.get(plan.topic);
  }

  deletes(topic: string): boolean {
    return this.#plan.kind === 'delete' && this.#plan.topic === topic;
  }

  /** Undefined when the log refused it, as it had to. */
  async give(log: LogUnderTest): Promise<TopicChanged | undefined> {
    const { topic: name } = this.#plan;
    const before = this.#before;
    const after = this.#after();
    try {
      await this.#ask(log);
    } catch (error) {
      const refused = before === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'TOPIC_ALREADY_EXISTS';
      assert(after === before && isSeglogError(error, refused), error as Error);
      return undefined;
    }
    return { name, before, after, at: log.at };
  }

  async #ask({ engine }: LogUnderTest): Promise<void> {
    const plan = this.#plan;
    if (plan.kind === 'delete') {
      await engine.deleteTopic(plan.topic);
    } else if (plan.kind === 'create') {
      const { created } = await engine.createTopic(plan.topic, plan);
      assert.equal(created, this.#before === undefined);
    } else {
      const { config, morePartitions } = plan;
      const partitions = (this.#before?.partitions.length ?? 1) + morePartitions;
      await engine.alterTopic(plan.topic, { config, partitions });
    }
  }

  #after(): ModelTopic | undefined {
    const plan = this.#plan;
    const before = this.#before;
    if (plan.kind === 'create') return before ?? modelTopic(plan.partitions, plan.config);
    if (plan.kind === 'delete' || before === undefined) return undefined;
    const config = Object.entries({ ...before.config, ...plan.config }).filter(([, value]) => value !== null);
    const added = Array.from({ length: plan.morePartitions }, () => new ModelPartition());
    const after: ModelTopic = {
      partitions: [...before.partitions, ...added],
      config: Object.fromEntries(config) as ModelTopic['config'],
      sawUnsynced: before.sawUnsynced,
    };
    after.sawUnsynced ||= !isSynchronous(after);
    return after;
  }
}
