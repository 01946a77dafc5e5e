/**
 * All groups of a coordinator, by name, and what is counted over all of them. What is read from the log comes in here, at the
 * start and wherever memory had to be brought up to the log.
 */
import type { LogRecord } from '../common/types.ts';
import { Group } from './group.ts';
import type { GroupContext } from './group-context.ts';
import { overLimit } from './group-errors.ts';
import { OffsetsTopic } from './offsets-topic.ts';
import { decodeRecord } from './records.ts';

export class GroupRegistry {
  readonly context: GroupContext;
  readonly #groups = new Map<string, Group>();
  /** All that is stored has been taken up. */
  #isOpen = false;
  #unknownRecords = 0;

  constructor(parts: Omit<GroupContext, 'log' | 'totals'>) {
    const log = new OffsetsTopic({ ...parts, replay: (record) => this.#replay(record) });
    this.context = { ...parts, log, totals: { members: 0, offsets: 0, lastGeneration: 0 } };
  }

  /** Takes up what is stored. Throws as OffsetsTopic.open. */
  async open(): Promise<void> {
    await this.context.log.open();
    if (this.#unknownRecords > 0) {
      const fields = { records: this.#unknownRecords };
      this.context.logger.warn(fields, 'records in the topic of the groups are of no known kind');
    }
    this.#isOpen = true;
    for (const group of this.#groups.values()) {
      if (group.isBlank) {
        this.#groups.delete(group.id);
      } else {
        group.start();
        group.changeBehind({ kind: 'topics' });
      }
    }
  }

  get(groupId: string): Group | undefined {
    return this.#groups.get(groupId);
  }

  all(): Iterable<Group> {
    return this.#groups.values();
  }

  /** Runs what may make the group; one that nothing was stored of is forgotten. Throws THROTTLED at the most groups. */
  async with<T>(groupId: string, action: (group: Group) => Promise<T>): Promise<T> {
    const limit = this.context.engine.settings['group.max.groups'];
    if (!this.#groups.has(groupId) && this.#groups.size >= limit)
      throw overLimit('groups', 'group.max.groups', limit);
    const group = this.#groupFor(groupId);
    group.users++;
    try {
      return await action(group);
    } finally {
      group.users--;
      this.forgetIfBlank(group);
    }
  }

  /** Nothing is stored of it, and nobody is about to change that. */
  forgetIfBlank(group: Group): void {
    if (!group.isBlank || group.users > 0 || this.#groups.get(group.id) !== group) return;
    group.stop();
    this.#groups.delete(group.id);
  }

  #groupFor(groupId: string): Group {
    let group = this.#groups.get(groupId);
    if (group === undefined) {
      group = new Group(this.context, groupId, (each) => this.forgetIfBlank(each));
      if (this.#isOpen) group.start();
      this.#groups.set(groupId, group);
    }
    return group;
  }

  #replay(record: LogRecord): void {
    const fact = decodeRecord(record);
    if (fact === undefined) {
      this.#unknownRecords++;
    } else if (fact.kind === 'generation') {
      const { totals } = this.context;
      totals.lastGeneration = Math.max(totals.lastGeneration, fact.generation);
    } else {
      const group = this.#groupFor(fact.groupId);
      if (fact.kind === 'offset') group.applyOffsets([fact]);
      else group.applyContent(fact.content, fact.confirmed);
      // Where the log is read again, nobody waits for the rest of it.
      if (this.#isOpen) this.forgetIfBlank(group);
    }
  }
}
