/**
 * The mistakes that the crash tests must notice, each with the run and the sweep that show it. Those that can be made
 * at the seam to the disk are in planted-bugs.ts; the others change a few words of the engine's source.
 */
import { sweepDamage } from './damage-sweep.ts';
import {
  directScenario,
  fullDiskScenario,
  journalScenario,
  noSpaceScenario,
  policiesScenario,
  retentionScenario,
  topicsScenario,
} from './engine-scenarios.ts';
import {
  type PlantedBug,
  type Scenario,
  type SweepOptions,
  type SweepReport,
  sweepCrashes,
  sweepErrors,
  sweepKills,
} from './harness.ts';
import type { SourcePatch } from './patched-engine.ts';
import {
  answerBeforeSync,
  ignoreFullDisk,
  renameBeforeSync,
  retryFailedDirectorySync,
  retryFailedSync,
  truncateTooMuch,
  trustShortWrites,
  withoutDirectorySyncOf,
  withoutRemovalOf,
  withoutSyncOf,
} from './planted-bugs.ts';
import type { CrashVariant } from './sim/crash-image.ts';
import type { OperationKind } from './sim/faults.ts';

export interface EngineBug {
  readonly bug: PlantedBug;
  readonly scenario: Scenario;
  readonly sweep: Sweeper;
}

type Sweeper = (scenario: Scenario, options: SweepOptions) => Promise<SweepReport>;
type Row = [bug: PlantedBug, scenario: Scenario, sweep: Sweeper];

const sweepErrorsOf =
  (...kinds: OperationKind[]): Sweeper =>
  (scenario, options) =>
    sweepErrors(scenario, { ...options, kinds });

/** A short window of danger is found faster when each point is tried with the loss that shows it. */
const sweepCrashesOf =
  (...variants: CrashVariant[]): Sweeper =>
  (scenario, options) =>
    sweepCrashes(scenario, { ...options, variants });

const inSource = (name: string, file: string, find: string, replace: string): PlantedBug => {
  const patches: SourcePatch[] = [{ file, find, replace }];
  return { name, patches };
};

/** A mistake that takes several places. */
const inPlaces = (name: string, ...places: [file: string, find: string, replace: string][]): PlantedBug => ({
  name,
  patches: places.map(([file, find, replace]) => ({ file, find, replace })),
});

const AT_THE_SEAM: Row[] = [
  [withoutSyncOf('acknowledged before the journal is synced', /\.journal/), journalScenario, sweepCrashes],
  [withoutSyncOf('acknowledged before the segment is synced', /\.log/), directScenario, sweepCrashes],
  [answerBeforeSync, journalScenario, sweepCrashes],
  [
    withoutDirectorySyncOf('segment names are not synced', /topics\/[^/]+\/\d+$/),
    directScenario,
    sweepCrashes,
  ],
  [withoutDirectorySyncOf('topic names are not synced', /topics$/), topicsScenario, sweepCrashes],
  [withoutDirectorySyncOf('topic files are not synced', /topics\/[^/]+$/), topicsScenario, sweepCrashes],
  [withoutDirectorySyncOf('journal names are not synced', /journal$/), journalScenario, sweepCrashes],
  [
    withoutDirectorySyncOf('names in the data directory are not synced', /data$/),
    journalScenario,
    sweepCrashes,
  ],
  [renameBeforeSync, topicsScenario, sweepCrashes],
  [retryFailedSync, directScenario, sweepErrorsOf('sync')],
  [retryFailedDirectorySync, topicsScenario, sweepErrorsOf('syncDirectory')],
  [trustShortWrites, directScenario, sweepErrorsOf('write')],
  [ignoreFullDisk, fullDiskScenario, sweepCrashes],
  [truncateTooMuch, directScenario, sweepCrashes],
  [
    withoutRemovalOf('the clean marker stays', /clean-shutdown$/),
    journalScenario,
    sweepCrashesOf('only what was synced'),
  ],
];

const MOVE_START = `    await this.#write(partition, state, offset, [logStartFile(partition.directory, owner, offset)]);
    partition.startAt(offset);`;

const IN_THE_SOURCE: Row[] = [
  [
    inSource(
      'segments are removed before the log start is durable',
      'partition/segment-maintenance.ts',
      MOVE_START,
      `partition.startAt(offset);
       await removeSegmentsBelowStart(partition);
       await this.#write(partition, state, offset, [logStartFile(partition.directory, owner, offset)]);`,
    ),
    retentionScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a deletion is acknowledged before it is durable',
      'partition/segment-maintenance.ts',
      MOVE_START,
      `void this.#write(partition, state, offset, [logStartFile(partition.directory, owner, offset)]);
       partition.startAt(offset);`,
    ),
    retentionScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'the log start is in the checkpoint alone',
      'partition/segment-maintenance.ts',
      '[logStartFile(partition.directory, owner, offset)]',
      '[]',
    ),
    retentionScenario,
    sweepDamage,
  ],
  [
    inSource(
      'readers see what is not durable',
      'partition/partition-log.ts',
      "flush === 'sync' ? this.durableOffset : Math.max",
      'Math.max',
    ),
    directScenario,
    sweepCrashesOf('only what was synced'),
  ],
  [
    inSource(
      'a journal file is used again before its batches are synced in their segments',
      'commit/journal.ts',
      'this.#options.syncTo(client, end)',
      'client',
    ),
    journalScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a clean stop does not sync',
      'partition/segment-maintenance.ts',
      'async finish(partition: PartitionLog): Promise<boolean> {',
      'async finish(_: PartitionLog): Promise<boolean> { return true; } async #never(partition: PartitionLog): Promise<boolean> {',
    ),
    policiesScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a failed sync fences nothing',
      'partition/partition-writer.ts',
      "failed?.('sync');",
      "failed?.('sync'); return error as never;",
    ),
    directScenario,
    sweepErrorsOf('sync'),
  ],
  [
    inSource(
      'what did not fit stays in the file',
      'partition/partition-writer.ts',
      'await cutBack(file!, position)',
      'true',
    ),
    fullDiskScenario,
    sweepCrashesOf('kill'),
  ],
  [
    inSource(
      'what did not fit is cut off, but not for good',
      'files/file-operations.ts',
      'await file.truncate(position);',
      'return await file.truncate(position).then(() => true);',
    ),
    fullDiskScenario,
    sweepCrashesOf('some pieces', 'cut at a sector'),
  ],
  [
    inSource(
      'the journal is not replayed',
      'recovery/recovery-find.ts',
      'journaled: request.journal.batchesOf(topic.id, partition),',
      'journaled: new Map(),',
    ),
    journalScenario,
    sweepCrashes,
  ],
  [
    inPlaces(
      'the journal is replayed twice',
      [
        'recovery/journal-recovery.ts',
        'export class JournalReplay {',
        "import { stampBatch } from '../format/record-batch.ts';\nexport class JournalReplay {",
      ],
      [
        'recovery/journal-recovery.ts',
        'owner.batches++;',
        `const again = batchNextOffset(bytes, batchAt);
         const end = 2 * again - batchBaseOffset(bytes, batchAt);
         const place = position + batchAt - at;
         owner.last = this.#places.add(again, end, this.#paths.length - 1, place, batchBytes, owner.last);
         owner.batches += 2;`,
      ],
      [
        'recovery/journal-recovery.ts',
        'if (valid && batchBaseOffset(batch, 0) === baseOffset) return batch;',
        `if (batchBaseOffset(batch, 0) !== baseOffset) stampBatch(batch, baseOffset, 0);
         return batch;`,
      ],
    ),
    journalScenario,
    sweepCrashes,
  ],
  [
    inSource('a recovered tail is not synced', 'recovery/segment-writer.ts', 'await file.sync();', ''),
    journalScenario,
    sweepKills,
  ],
  [
    inSource(
      'a tail that is recovered without space is not synced',
      'recovery/recovery-in-place.ts',
      'await lease.file.sync();',
      '',
    ),
    noSpaceScenario,
    sweepKills,
  ],
  [
    inSource(
      'the journal is served without space as it was found',
      'recovery/journal-recovery.ts',
      'if (this.#last === undefined) return true;',
      'if (this.#paths.length >= 0) return true;',
    ),
    noSpaceScenario,
    (scenario, options) =>
      sweepKills(scenario, {
        ...options,
        killedAfter: ({ kind, path }) => kind === 'write' && path.includes('/journal/'),
      }),
  ],
  [
    inSource(
      'a topic is deleted file by file',
      'directory/topic.ts',
      'await this.#fileSystem.rename(\n      topicDirectory(this.#data, topic.name),\n      deletedTopicDirectory(this.#data, topic.id),\n    );',
      'await removeTree(this.#fileSystem, topicDirectory(this.#data, topic.name));',
    ),
    topicsScenario,
    sweepCrashes,
  ],
];

const AT_REST: Row[] = [
  [
    inPlaces(
      'damage counts as the end of the log',
      [
        'recovery/recovery-evidence.ts',
        'if (offset < this.#source.recoveryPoint || offset < this.floor) return true;',
        'if (offset >= 0) return false;',
      ],
      [
        'recovery/recovery-scan.ts',
        'const known = Math.max(this.#request.recoveryPoint, this.#evidence.floor);',
        'const known = 0;',
      ],
    ),
    directScenario,
    sweepDamage,
  ],
  [
    inSource(
      'checksums are not compared',
      'format/record-batch.ts',
      'if (!checksumMatches(buffer.subarray(at + CHECKED_FROM, at + size), buffer, at + CHECKSUM_AT))',
      'if (size < 0)',
    ),
    directScenario,
    sweepDamage,
  ],
  [
    inSource(
      'a file of another place is taken for its own',
      'segment/segment-identity.ts',
      'if (same) return null;',
      'return null;',
    ),
    directScenario,
    sweepDamage,
  ],
];

export const ENGINE_BUGS: EngineBug[] = [...AT_THE_SEAM, ...IN_THE_SOURCE, ...AT_REST].map(
  ([bug, scenario, sweep]) => ({
    bug,
    scenario,
    sweep,
  }),
);
