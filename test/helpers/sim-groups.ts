/** A group coordinator over an engine on a simulated disk, with a simulated clock, and short ways to say what came of a call. */
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import { GroupCoordinator } from '../../src/engine/groups/group-coordinator.ts';
import type {
  GroupObserver,
  JoinRequest,
  MemberView,
  PollAnswer,
  TopicPartitions,
} from '../../src/engine/groups/types.ts';
import type { CrashVariant } from '../crash/sim/crash-image.ts';
import type { SimLog } from './sim-log.ts';

export class SimGroups<L extends SimLog = SimLog> {
  readonly log: L;
  readonly observer: GroupObserver = {};
  coordinator!: GroupCoordinator;

  private constructor(log: L) {
    this.log = log;
  }

  /** With topics and how many partitions they have. */
  static async over<L extends SimLog>(log: L, topics: Record<string, number> = {}): Promise<SimGroups<L>> {
    const groups = new SimGroups(log);
    await log.start();
    for (const [name, partitions] of Object.entries(topics))
      await log.engine.createTopic(name, { partitions });
    await groups.take();
    return groups;
  }

  get engine() {
    return this.log.engine;
  }

  /** Stops in good order. */
  async stop(): Promise<void> {
    await this.coordinator.close();
    await this.engine.close();
  }

  /** Takes up what is stored. */
  async start(): Promise<void> {
    await this.log.start();
    await this.take();
  }

  async reopen(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** The process dies, and another one takes up what is stored. */
  reopenAfterKill(): Promise<void> {
    return this.reopenAfterCrash('kill', 0);
  }

  async reopenAfterCrash(variant: CrashVariant, seed: number): Promise<void> {
    await this.log.reopenAfterCrash(variant, seed);
    await this.take();
  }

  /** Lets time pass, and all happen that it sets off. */
  async advance(ms: number): Promise<void> {
    await this.log.clock.advance(ms);
    await this.log.settle();
  }

  /** The topic of the groups gets a new segment with its next record. */
  async rollGroupsTopic(): Promise<void> {
    this.log.clock.jump(8 * 86_400_000);
    await this.advance(1_000);
  }

  /** Opens the coordinator over the engine as it is. */
  async take(): Promise<void> {
    const { engine, clock, logger } = this.log;
    this.coordinator = await GroupCoordinator.open(engine, { clock, logger, observer: this.observer });
    await this.log.settle();
  }

  /** What another coordinator makes of the log; it must not be asked to change anything. */
  second(): Promise<GroupCoordinator> {
    return GroupCoordinator.open(this.engine, { clock: this.log.clock });
  }
}

/** Joins a group as a member that reads topic `a`, unless `request` says otherwise. */
export function join(
  { coordinator }: SimGroups,
  request: Partial<JoinRequest> = {},
  group = 'g',
): Promise<MemberView> {
  return coordinator.join(group, { topics: ['a'], ...request });
}

/** "a:0,1 b:2" */
export function shown(partitions: readonly TopicPartitions[]): string {
  return partitions.map(({ topic, partitions: numbers }) => `${topic}:${numbers}`).join(' ');
}

/** "2 a:0,1", or "2 a:0 -a:1" where something is to be given up. */
export function told({ generation, assignment, revoking }: MemberView): string {
  return [generation, shown(assignment), ...revoking.map((each) => `-${shown([each])}`)].join(' ').trimEnd();
}

/** "a-0@3=value" of each record. */
export function given({ partitions }: PollAnswer): string[] {
  return partitions.flatMap(({ topic, partition, offset, endOffset, chunks }) =>
    decodeRecords(chunks, offset)
      .filter((record) => record.offset < endOffset)
      .map((record) => `${topic}-${partition}@${record.offset}=${record.value}`),
  );
}
