/** Mistakes in keeping consumer groups, each of which the crash tests must notice. */
import { inSource, type Row, sweepCrashesOf, sweepErrorsOf } from './bug-rows.ts';
import { oldGroupsScenario, rebalancesScenario, slowGroupsScenario } from './group-scenarios.ts';
import { sweepCrashes } from './harness.ts';

const TOPIC = 'groups/offsets-topic.ts';
const GROUP = 'groups/group.ts';
const STATE = 'groups/group-state.ts';

const QUEUED = 'this.#queue.push({ records, apply, resolve, reject });';
const told = (kind: string) =>
  `const isTold = records.some(({ key }) => key.startsWith('["${kind}"'));
      if (isTold) { apply(); resolve(); }
      this.#queue.push({ records, apply: isTold ? () => {} : apply, resolve, reject });`;

export const GROUP_BUGS: Row[] = [
  [
    inSource('a commit is answered before it is appended', TOPIC, QUEUED, told('offset')),
    slowGroupsScenario,
    sweepCrashesOf('only what was synced'),
  ],
  [
    inSource('a change of a group is told before it is durable', TOPIC, QUEUED, told('group')),
    slowGroupsScenario,
    sweepCrashesOf('only what was synced'),
  ],
  [
    inSource('the records of groups are appended unsynced', TOPIC, "{ acks: 'all' }", '{ acks: 1 }'),
    slowGroupsScenario,
    sweepCrashesOf('only what was synced'),
  ],
  [
    inSource(
      'a commit is in memory before it is appended, and stays there',
      GROUP,
      `const stored = this.#context.log.append(this.#records(entries), () => {
      applying?.();
      this.applyOffsets(entries);
    });`,
      `applying?.();
    this.applyOffsets(entries);
    const stored = this.#context.log.append(this.#records(entries), () => {});`,
    ),
    rebalancesScenario,
    sweepErrorsOf('write', /__consumer_offsets|journal/),
  ],
  [
    inSource(
      'groups begin their generations anew when the log is opened',
      'groups/records.ts',
      'generation: count(generation),\n    assignor',
      'generation: count(generation) && 0,\n    assignor',
    ),
    rebalancesScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a group that is made again begins its generations anew',
      GROUP,
      'totals.lastGeneration = Math.max(totals.lastGeneration, plan.content.generation);',
      '',
    ),
    rebalancesScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'members are not found again when the log is opened',
      'groups/records.ts',
      'members: new Map(members.map((member) => [member.id, decodeMember(member)])),',
      'members: new Map(members.slice(1).map((member) => [member.id, decodeMember(member)])),',
    ),
    rebalancesScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'committed offsets are not found again when the log is opened',
      'groups/group-registry.ts',
      'group.applyOffsets([fact]);',
      'void fact;',
    ),
    rebalancesScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'of several records of an offset the first one counts',
      'groups/group-registry.ts',
      "if (fact.kind === 'offset') group.applyOffsets([fact]);",
      `if (fact.kind === 'offset') {
        if (!group.offsets.get(fact.topic, fact.partition)) group.applyOffsets([fact]);
      }`,
    ),
    oldGroupsScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'anybody may commit for any partition',
      'groups/commits.ts',
      'if (since === undefined || since > generation || !isSame)',
      'if (!isSame)',
    ),
    rebalancesScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a commit is judged while the group changes',
      GROUP,
      'if (!this.#changing) return action();',
      'if (this.id !== undefined) return action();',
    ),
    slowGroupsScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a partition is given away before it is given up',
      STATE,
      'if (owner.id !== member.id || owner.since === 0) return 0;',
      'if (owner.id !== member.id || owner.since === 0) return generation;',
    ),
    rebalancesScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'who goes by an older generation is taken to know the newest one',
      'groups/group-coordinator.ts',
      'session.confirmed = Math.max(session.confirmed, generation);',
      'session.confirmed = Math.max(session.confirmed, generation, session.told);',
    ),
    rebalancesScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a generation does not go up when somebody leaves',
      STATE,
      'const generation = group.generation + 1;',
      'const generation = group.generation + (members.length < group.members.size ? 0 : 1);',
    ),
    rebalancesScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a silent member is never taken out',
      'groups/silence-watch.ts',
      'for (const { id } of silent) this.#watched.expire(id);',
      'void silent;',
    ),
    rebalancesScenario,
    sweepCrashes,
  ],
];
