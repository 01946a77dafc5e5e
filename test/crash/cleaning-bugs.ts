/** Mistakes in compaction, recompression and retention, each of which the crash tests must notice. */
import { inPlaces, inSource, type Row, type Sweeper, sweepCrashesOf, sweepErrorsOf } from './bug-rows.ts';
import { cleaningScenario, compactionScenario } from './cleaning-scenarios.ts';
import { sweepCrashes } from './harness.ts';
import { reusingDescriptors } from './planted-bugs.ts';

const PASS = 'cleaning/compaction-pass.ts';
const FILTER = 'rewrite/record-filter.ts';
const OUTPUT = 'rewrite/segment-output.ts';
const SWAP = 'rewrite/segment-swap.ts';

const NOTE = 'await this.#note({ firstDirtyOffset: from, firstDeleteHorizon });';
const REWRITE = 'await rewriteGroup(this.#pass, this.#partition, group, options);';
const NO_RESULT = '{ firstDeleteHorizon: -1, recordsWithoutKey: 0, tombstones: 0 }';

/** What no crash is needed for, but a reader that comes at the right moment: one run in two or three. */
const sweepRuns: Sweeper = async (scenario, options) => {
  let seed = 1;
  let report = await sweepCrashes(scenario, { ...options, seed, budget: 1 });
  while (report.violations.length === 0 && seed < 20)
    report = await sweepCrashes(scenario, { ...options, seed: ++seed, budget: 1 });
  return report;
};

const PASSES: Row[] = [
  [
    inSource(
      'a tombstone goes in the first pass that meets it',
      FILTER,
      'const dropsTombstones = horizon !== NO_HORIZON && horizon * 1000 <= this.#now;',
      'const dropsTombstones = horizon === NO_HORIZON || horizon * 1000 <= this.#now;',
    ),
    compactionScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'the time of a tombstone begins with its record, not with the pass that met it',
      FILTER,
      'const dropsTombstones = horizon !== NO_HORIZON && horizon * 1000 <= this.#now;',
      'const dropsTombstones = record.baseTimestamp + 60_000 <= this.#now;',
    ),
    compactionScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a pass goes on behind segments that it could not rewrite',
      PASS,
      REWRITE,
      `await rewriteGroup(this.#pass, this.#partition, group, options).catch(() => (${NO_RESULT}));`,
    ),
    compactionScenario,
    sweepErrorsOf('write', /rewritten~$/),
  ],
  [
    inPlaces(
      'a log is called clean before its segments are replaced',
      [
        PASS,
        'const firstDeleteHorizon = await',
        `await this.#note({ firstDirtyOffset: from, firstDeleteHorizon: -1 }); await`,
      ],
      [PASS, NOTE, ''],
    ),
    compactionScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a log is called clean beyond what the map of keys held',
      PASS,
      NOTE,
      'await this.#note({ firstDirtyOffset: this.#limitOffset, firstDeleteHorizon });',
    ),
    compactionScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a round is the last one, though the map of keys was full',
      PASS,
      'if (from >= this.#limitOffset) break;',
      'if (from >= 0) break;',
    ),
    compactionScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'the map of keys is not empty when the next round begins',
      'rewrite/map-keys.ts',
      'if (map.size > 0) map.clear();',
      '',
    ),
    compactionScenario,
    sweepCrashes,
  ],
  [
    inPlaces(
      'records beyond what the map of keys holds are judged by it',
      [
        FILTER,
        'if (map !== undefined && offset < mappedEndOffset) {',
        'if (map !== undefined && mappedEndOffset >= 0) {',
      ],
      [
        FILTER,
        'const isNewest = map.get(i) <= baseOffset + kept.offsetDeltas[first + i]!;',
        `const known = map.get(i);
         const isNewest = known < 0 || known === baseOffset + kept.offsetDeltas[first + i]!;`,
      ],
    ),
    compactionScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a tombstone beyond what the map of keys holds is stamped',
      FILTER,
      'kept.mappedTombstones === 0 || kept.laterTombstones > 0) return horizon;',
      'kept.tombstones === 0) return horizon;',
    ),
    compactionScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'segments of a group are rewritten last ones first',
      PASS,
      'of groupSegments(segments, this.#partition.topic.settings)) {',
      'of groupSegments(segments, this.#partition.topic.settings).reverse()) {',
    ),
    compactionScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'the key map is made of the dirty part, and the log compacted as if it were of all',
      PASS,
      'const dirty = this.#segments().filter(({ endOffset }) => endOffset > from);',
      'const dirty = this.#segments().slice(0, -1).filter(({ endOffset }) => endOffset > from);',
    ),
    compactionScenario,
    sweepCrashes,
  ],
];

const REWRITING: Row[] = [
  [
    inPlaces(
      'a rewritten segment takes its place before it is synced',
      [OUTPUT, 'this.#syncing = this.#file.sync();', ''],
      [OUTPUT, 'await this.#file.sync();', ''],
    ),
    compactionScenario,
    sweepCrashesOf('names without data', 'some names', 'some pieces'),
  ],
  [
    inSource(
      'what was removed between two batches is not covered',
      'rewrite/batch-block.ts',
      `    this.endOffset = endOffset;
    this.#goneMinTimestamp`,
      '    this.#goneMinTimestamp',
    ),
    compactionScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'swaps of passes are not synced',
      SWAP,
      `swapPath(directory, swap));
  await place.syncNames();`,
      'swapPath(directory, swap));',
    ),
    compactionScenario,
    (scenario, options) =>
      sweepCrashes(scenario, {
        ...options,
        variants: ['some names', 'only what was synced'],
        before: ({ change }) => change?.kind === 'rename',
      }),
  ],
  [
    inSource(
      'a compacted segment is read by the index of the first one that it replaced',
      'partition/segment-replacement.ts',
      'new IndexWriter(indexes, stats.bytes)',
      "new IndexWriter(await context.indexCache.get(directory, olds[0]!, partition.topic.settings['index.interval.bytes']), indexes ? 0 : 0)",
    ),
    compactionScenario,
    sweepCrashes,
  ],
  [
    {
      ...inPlaces(
        'a segment that a reader has open is closed, and its descriptor used again',
        ['files/descriptor-cache.ts', '  users = 0;', '  users = 0;\n  gone = false;'],
        [
          'files/descriptor-cache.ts',
          'if (this.evicted && this.users === 0) this.#closed(this.file);',
          'if (this.evicted && !this.gone) { this.gone = true; this.#closed(this.file); }',
        ],
      ),
      wrap: reusingDescriptors,
    },
    compactionScenario,
    sweepRuns,
  ],
  [
    inSource(
      'recompression forgets where a batch ends',
      'rewrite/batch-merger.ts',
      'this.#block.add(kept, baseOffset, endOffset);',
      'this.#block.add(kept, baseOffset, endOffset - (kept.count > 3 ? 1 : 0));',
    ),
    cleaningScenario,
    sweepCrashes,
  ],
];

export const CLEANING_BUGS: Row[] = [...PASSES, ...REWRITING];
