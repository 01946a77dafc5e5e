/** The runner of tasks over a simulated disk; the oracle is told of each rewriting that may take records out. */
import { InlineTaskRunner } from '../../src/engine/background/inline-runner.ts';
import type { TaskRunner, Tasks } from '../../src/engine/background/task.ts';
import type { World } from './harness.ts';
import { logName } from './oracle-check.ts';
import { loadPatchedModule } from './patched-engine.ts';

type RunnerModule = typeof import('../../src/engine/background/inline-runner.ts');

const IN_A_PARTITION = /\/topics\/([^/]+)\/(\d+)\//;

export async function watchedRunner(world: World): Promise<TaskRunner> {
  const { files: fileSystem, clock, bug } = world;
  const Runner = bug?.patches
    ? (await loadPatchedModule<RunnerModule>(bug.name, 'background/inline-runner.ts')).InlineTaskRunner
    : InlineTaskRunner;
  const runner = new Runner({ fileSystem, clock, bytesPerSecond: 0 });
  return {
    worthwhileBytes: runner.worthwhileBytes,
    run: (name, request, options) => {
      if (name === 'rewrite') noteRewrite(world, request as Tasks['rewrite']['request']);
      return runner.run(name, request, options);
    },
    close: () => runner.close(),
  };
}

function noteRewrite({ oracle }: World, request: Tasks['rewrite']['request']): void {
  const { filter, segments, outputPath } = request;
  if (filter === undefined) return;
  const [, topic, partition] = IN_A_PARTITION.exec(outputPath)!;
  const { settled } = oracle.topic(topic!);
  // One that is being created has nothing to be compacted, and what is being deleted is owed no more.
  if (settled === undefined) return;
  oracle.compacting({
    log: logName(topic!, settled, Number(partition)),
    from: segments[0]!.baseOffset,
    end: segments.at(-1)!.endOffset,
    mappedEnd: filter.mappedEndOffset,
    now: filter.now,
    deleteRetentionMs: filter.deleteRetentionMs,
  });
}
