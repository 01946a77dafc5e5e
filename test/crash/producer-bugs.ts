/** Mistakes in remembering what may be sent again, each of which the crash tests must notice. */
import { inPlaces, inSource, type Row, sweepCrashesOf, sweepErrorsOf } from './bug-rows.ts';
import { sweepCrashes } from './harness.ts';
import {
  aheadProducersScenario,
  compactedProducersScenario,
  directProducersScenario,
  fullProducersScenario,
  journaledProducersScenario,
} from './producer-scenarios.ts';

const STATES = 'partition/producer-states.ts';
const ADMISSION = 'partition/append-admission.ts';
const GROUP = 'partition/group-part.ts';
const WRITER = 'partition/partition-writer.ts';
const RECOVERY = 'recovery/producer-recovery.ts';
const REPEATED = 'commit/repeated-appends.ts';

const NOTE_APPLIED: [string, string, string][] = [
  [WRITER, 'noteProducers(part);\n  partition.advance', 'partition.advance'],
  [WRITER, 'noteProducers(part);\n    partition.advance', 'partition.advance'],
  [WRITER, 'function noteProducers(', 'export function noteProducers('],
];

const ACCEPT = 'if (conditions !== undefined) admission!.accept(conditions, batch.recordCount);';

export const PRODUCER_BUGS: Row[] = [
  [
    inSource(
      'the epoch of a producer is not checked',
      STATES,
      'if (epoch < state.epoch) return fenced(id, epoch, state.epoch);',
      '',
    ),
    journaledProducersScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'producers and keys are not found again when the log is opened',
      'recovery/partition-open.ts',
      'await restoreProducers(log, snapshot, producers);',
      'void restoreProducers; void snapshot; void producers;',
    ),
    journaledProducersScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a snapshot of producers lacks what batches that are not durable have taken the place of',
      STATES,
      'this.#displacing.add(state);',
      'state.displaced = undefined;',
    ),
    aheadProducersScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'what came after the snapshot of producers is not looked at',
      RECOVERY,
      'await new ProducerWalk(log, note).run(from, range.to);',
      'if (snapshot === undefined) await new ProducerWalk(log, note).run(from, range.to);',
    ),
    journaledProducersScenario,
    sweepCrashes,
  ],
  [
    inPlaces(
      'a snapshot of producers that says more than the log has counts',
      [
        'partition/segment-maintenance.ts',
        'return producers.snapshot(directory, owner, syncedOffset, pause);',
        'return producers.snapshot(directory, owner, syncedOffset + 1_000_000, pause);',
      ],
      [RECOVERY, 'snapshot.offset <= log.logEndOffset', 'snapshot.offset >= 0'],
    ),
    directProducersScenario,
    sweepCrashes,
  ],
  [
    inPlaces('what may be sent again is remembered when its group is formed', ...NOTE_APPLIED, [
      GROUP,
      ACCEPT,
      `${ACCEPT}
    if (conditions !== undefined) {
      const stored = { baseOffset: fact.baseOffset, count: fact.records, maxTimestamp: fact.maxTimestamp };
      partition.producers.note(conditions, stored, now, fact.bytes);
    }`,
    ]),
    fullProducersScenario,
    sweepCrashes,
  ],
  [
    inPlaces(
      'a key is remembered before its records are durable',
      [
        WRITER,
        'await writeToSegment(partition, segment, buffers);',
        'noteProducers(part); await writeToSegment(partition, segment, buffers);',
      ],
      [WRITER, 'noteProducers(part);\n    partition.advance', 'partition.advance'],
    ),
    directProducersScenario,
    sweepErrorsOf('write', /orders|later/),
  ],
  [
    inPlaces(
      'what may be sent again is remembered only after the answer',
      [
        WRITER,
        'noteProducers(part);\n  partition.advance',
        'partition.context.clock.soon(() => noteProducers(part));\n  partition.advance',
      ],
      [
        WRITER,
        'noteProducers(part);\n    partition.advance',
        'partition.context.clock.soon(() => noteProducers(part));\n    partition.advance',
      ],
    ),
    journaledProducersScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a repetition is answered before what it repeats is durable',
      REPEATED,
      "if (queued.acks !== 'all' || isDurable(partition, stored)) {",
      'if (queued.batch !== undefined) {',
    ),
    directProducersScenario,
    sweepCrashesOf('only what was synced'),
  ],
  [
    inSource(
      'a partition that is fenced answers for what it does not know to be durable',
      'partition/fenced-appends.ts',
      "if (isStored && (acks !== 'all' || isDurable(partition, stored))) queued.repeat(stored);",
      'if (isStored && acks !== undefined) queued.repeat(stored);',
    ),
    directProducersScenario,
    sweepErrorsOf('sync'),
  ],
  [
    inSource(
      'what a producer sends twice in one group is appended twice',
      ADMISSION,
      'const before = producer && this.#producers.get(producer.id);',
      'const before = producer && this.#producers.get(-1);',
    ),
    journaledProducersScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'what is sent twice under a key in one group is appended twice',
      ADMISSION,
      'this.#requests.has(request.id)',
      'this.#requests.has(-1)',
    ),
    journaledProducersScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'two that expect the same end in one group are appended both',
      ADMISSION,
      'expectedEndOffset !== undefined && expectedEndOffset !== offset',
      'expectedEndOffset !== undefined && expectedEndOffset !== this.#partition.logEndOffset',
    ),
    journaledProducersScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'the snapshot says nothing of idempotency keys',
      'partition/producers-file.ts',
      'keys: await encodeKeys(keys, offset, pause),',
      'keys: await encodeKeys(keys, 0, pause),',
    ),
    journaledProducersScenario,
    sweepCrashes,
  ],
  [
    inPlaces(
      'a scan after a crash does not look at producers',
      [
        'recovery/recovery-scan.ts',
        'if (batchProducerId(batch.buffer, batch.at) !== -1) this.#producersFrom ??= facts.baseOffset;',
        'void batchProducerId;',
      ],
      ['recovery/recovery-scan.ts', 'this.#producersFrom ??= journaled.baseOffset;', ''],
    ),
    journaledProducersScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'of what only the journal has nobody looks for producers',
      'recovery/recovery-scan.ts',
      'this.#producersFrom ??= journaled.baseOffset;',
      '',
    ),
    journaledProducersScenario,
    sweepCrashesOf('only what was synced'),
  ],
  [
    inSource(
      'the clean marker does not say where producers stand',
      'engine-close.ts',
      'const producers = partition.producers.rangeBelow(logEndOffset);',
      'const producers = partition.producers.rangeBelow(0); void logEndOffset;',
    ),
    journaledProducersScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a checkpoint does not say where producers stand',
      'partition/segment-maintenance.ts',
      'const producers = partition.producers.rangeBelow(offset);',
      'const producers = partition.producers.rangeBelow(0);',
    ),
    journaledProducersScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'compaction takes batches of producers apart',
      'rewrite/batch-traits.ts',
      'framed: batchProducerId(buffer, at) !== -1 || ',
      'framed: batchProducerId(buffer, at) < -1 || ',
    ),
    compactedProducersScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a retry is told by its sequence alone, whatever it holds',
      STATES,
      'if (batches[at] === sequence && batches[at + 1] === count) return batchAt(batches, at);',
      'if (batches[at] !== undefined) return batchAt(batches, at);',
    ),
    journaledProducersScenario,
    sweepCrashes,
  ],
];
