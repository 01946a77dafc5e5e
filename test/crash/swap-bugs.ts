/** Mistakes in putting a rewritten segment in the place of others, each of which the crash tests must notice. */
import { inPlaces, inSource, overSeeds, type Row, sweepCrashesOf, sweepErrorsOf } from './bug-rows.ts';
import { regroupScenario, swapScenario } from './engine-scenarios.ts';
import { sweepCrashes } from './harness.ts';
import { compactedProducersScenario } from './producer-scenarios.ts';

const SWAP = 'rewrite/segment-swap.ts';
const REPLACEMENT = 'partition/segment-replacement.ts';

export const SWAP_BUGS: Row[] = [
  [
    inSource(
      'old segments go before the swap is durable',
      SWAP,
      `swapPath(directory, swap));
  await place.syncNames();`,
      'swapPath(directory, swap));',
    ),
    swapScenario,
    sweepCrashesOf('some names', 'only what was synced'),
  ],
  [
    inSource(
      'old segments go before the swap is committed',
      SWAP,
      '  await fileSystem.rename(rewrittenPath(directory, swap.baseOffset), swapPath(directory, swap));',
      `for (const name of await fileSystem.list(directory))
         if (isReplaced(name, swap)) await fileSystem.rename(directory + '/' + name, directory + '/' + name + '~');
       await fileSystem.rename(rewrittenPath(directory, swap.baseOffset), swapPath(directory, swap));`,
    ),
    swapScenario,
    sweepCrashesOf('kill'),
  ],
  [
    inSource(
      'the new segment has its name before the old ones are durably gone',
      SWAP,
      `\`\${directory}/\${name}~\`);
  }
  await place.syncNames();`,
      `\`\${directory}/\${name}~\`);
  }`,
    ),
    swapScenario,
    overSeeds(4, (scenario, options) =>
      sweepCrashes(scenario, {
        ...options,
        variants: ['some names', 'some pieces'],
        before: ({ kind, path }) => kind === 'syncDirectory' && /\d$/.test(path),
      }),
    ),
  ],
  [
    inSource(
      'what tells of the old first segment stays beside the new one',
      SWAP,
      'const SUFFIXES = [SEGMENT_SUFFIX, OFFSET_INDEX_SUFFIX, TIME_INDEX_SUFFIX, SUMMARY_SUFFIX, SEARCH_SUFFIX];',
      'const SUFFIXES = [SEGMENT_SUFFIX];',
    ),
    regroupScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a pending swap is ignored when the log is opened',
      SWAP,
      '.filter((swap) => swap !== undefined)',
      '.filter((swap): swap is SegmentSwap => swap === null)',
    ),
    swapScenario,
    sweepCrashesOf('kill'),
  ],
  [
    inSource(
      'a pending swap is seen when the log is opened, but not finished',
      'recovery/partition-open.ts',
      'await finishPendingSwaps(fileSystem, directory);',
      'void finishPendingSwaps;',
    ),
    swapScenario,
    sweepCrashesOf('kill'),
  ],
  [
    inSource(
      'a segment keeps its last name although that could not be synced',
      SWAP,
      `await fileSystem.rename(path, swapPath(directory, swap));
    named(swapPath(directory, swap));
`,
      '',
    ),
    compactedProducersScenario,
    sweepErrorsOf('syncDirectory', /\/\d+$/),
  ],
  [
    inPlaces(
      'the descriptor of an old segment is used for the new one',
      [REPLACEMENT, 'context.files.forget(old.path);', ''],
      [REPLACEMENT, 'files.forget(path);', ''],
    ),
    swapScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'the new segment is read by the index of the old one',
      REPLACEMENT,
      'new IndexWriter(indexes, stats.bytes)',
      "new IndexWriter(await context.indexCache.get(directory, olds[0]!, partition.topic.settings['index.interval.bytes']), indexes ? 0 : 0)",
    ),
    regroupScenario,
    sweepCrashes,
  ],
  [
    inSource(
      'a checkpoint goes on telling of a segment that was replaced',
      'partition/segment-maintenance.ts',
      'if (!isStored && known !== undefined && !bases.has(known.stats.baseOffset)) return;',
      'if (partition !== undefined) return;',
    ),
    swapScenario,
    sweepCrashesOf('kill'),
  ],
];
