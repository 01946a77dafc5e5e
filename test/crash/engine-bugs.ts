/**
 * The mistakes that the crash tests must notice, each with the run and the sweep that show it. Those that can be made
 * at the seam to the disk are in planted-bugs.ts; the others change a few words of the engine's source.
 */
import {
  inPlaces,
  inSource,
  overSeeds,
  type Row,
  sweepCrashesOf,
  sweepErrorsOf,
  sweepKillsOf,
} from './bug-rows.ts';
import { sweepDamage } from './damage-sweep.ts';
import {
  directScenario,
  fullDiskScenario,
  journalScenario,
  noSpaceScenario,
  overtakingScenario,
  policiesScenario,
  retentionScenario,
  topicsScenario,
} from './engine-scenarios.ts';
import { sweepCrashes, sweepKills } from './harness.ts';
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
import type { Operation } from './sim/kernel.ts';
import { SWAP_BUGS } from './swap-bugs.ts';

const isJournaled = ({ kind, path }: Operation) => kind === 'write' && path.includes('/journal/');
const isNewStart = ({ change, target }: Operation) =>
  change?.kind === 'rename' && target?.endsWith('/log-start') === true;
const isSegmentRemoval = ({ change, path }: Operation) => change?.kind === 'remove' && path.endsWith('.log');

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

const MOVE_START = 'await this.#write(partition, state, offset, files, snapshot);';

const RENAME_DELETED = `return this.#fileSystem.rename(
      topicDirectory(this.#data, topic.name),
      deletedTopicDirectory(this.#data, topic.id),
    );`;

const IN_THE_SOURCE: Row[] = [
  [
    inSource(
      'segments are removed before the log start is durable',
      'partition/segment-maintenance.ts',
      MOVE_START,
      `partition.startAt(offset);
       await removeSegmentsBelowStart(partition);
       ${MOVE_START}`,
    ),
    retentionScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a deletion is acknowledged before it is durable',
      'partition/segment-maintenance.ts',
      MOVE_START,
      MOVE_START.replace('await', 'void'),
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
      'partition/partition-names.ts',
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
    // One kill in a hundred leaves such a journal: one run has hardly more of them.
    overSeeds(4, sweepKillsOf({ killedAfter: isJournaled })),
  ],
  [
    inSource(
      'a topic is deleted file by file',
      'directory/topic.ts',
      RENAME_DELETED,
      'return removeTree(this.#fileSystem, topicDirectory(this.#data, topic.name));',
    ),
    topicsScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a topic stays open although its deletion has begun',
      'directory/topic.ts',
      RENAME_DELETED,
      RENAME_DELETED.replace(
        ');',
        ').then(() => this.#fileSystem.syncDirectory(topicsDirectory(this.#data)));',
      ),
    ),
    topicsScenario,
    sweepErrorsOf('syncDirectory'),
  ],
  [
    inSource(
      'what is left of a deletion is removed while its name may come back',
      'directory/topic-leftovers.ts',
      'if (await takeNames(fileSystem, data, taken)) {',
      'if (taken.length >= 0) {',
    ),
    topicsScenario,
    sweepErrorsOf('syncDirectory', /topics$/),
  ],
  [
    inSource(
      'the name of a deleted topic is taken without a sync',
      'directory/topic-leftovers.ts',
      'if (made.length > 0) await fileSystem.syncDirectory(topicsDirectory(data));',
      '',
    ),
    topicsScenario,
    sweepErrorsOf('syncDirectory', /topics$/),
  ],
  [
    inSource(
      'a name that was taken counts as a topic',
      'directory/topic.ts',
      'if (await isTakenName(this.#fileSystem, directory)) return undefined;',
      '',
    ),
    topicsScenario,
    sweepErrorsOf('syncDirectory', /topics$/),
  ],
  [
    inSource(
      'a failed sync of names for what is derived fences nothing',
      'partition/partition-names.ts',
      'throw syncFailed(partition, error);',
      'throw error;',
    ),
    overtakingScenario,
    sweepErrorsOf('syncDirectory', /later/),
  ],
  [
    inSource(
      'a sync takes along what was written after it began',
      'partition/partition-writer.ts',
      'segment.dirty = false;\n    await lease.file.sync();',
      'await lease.file.sync();\n    segment.dirty = false;',
    ),
    overtakingScenario,
    sweepCrashesOf('only what was synced'),
  ],
  [
    inSource(
      'what was written when a sync ends counts as durable',
      'partition/partition-writer.ts',
      'partition.durableOffset = Math.max(partition.durableOffset, target.offset);',
      'partition.durableOffset = Math.max(partition.durableOffset, partition.writtenOffset);',
    ),
    overtakingScenario,
    sweepCrashesOf('only what was synced'),
  ],
  [
    inSource(
      'a close that could not sync all is called clean',
      'engine-close.ts',
      'if (failures.length > 0) throw failures[0];',
      '',
    ),
    overtakingScenario,
    sweepErrorsOf('sync', /later\/\d+\/\d+\.log$/),
  ],
  [
    inSource(
      'a start removes segments before the log start is durable',
      'recovery/recovery-settle.ts',
      'else await replaceFiles(fileSystem, [logStartFile(directory, owner, found.logStartOffset)]);',
      '',
    ),
    retentionScenario,
    sweepKillsOf({ killedAfter: isNewStart, cutAfter: isSegmentRemoval, variants: ['some names'] }),
  ],
  [
    inSource(
      'a journal file is used again before what is in memory only has reached its segments',
      'commit/journal.ts',
      'if (ends.size > 0) this.#retired.add(journal);',
      'if (ends.size < 0) this.#retired.add(journal);',
    ),
    noSpaceScenario,
    sweepKillsOf({ killedAfter: isJournaled }),
  ],
  [
    inSource(
      'the names of a tail that was written anew are not synced',
      'recovery/segment-writer.ts',
      'await fileSystem.syncDirectory(directory);',
      '',
    ),
    directScenario,
    // One kill in thirty leaves a tail whose new names no other sync takes along.
    (scenario, options) => sweepKills(scenario, { ...options, budget: 2000 }),
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

export const LOG_BUGS: Row[] = [...AT_THE_SEAM, ...IN_THE_SOURCE, ...AT_REST, ...SWAP_BUGS];
