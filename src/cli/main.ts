#!/usr/bin/env node
/**
 * The program's entry. It must parse on any Node and import nothing by itself: an old Node gets one clear
 * line instead of a syntax error from some file below, and the thread pool is sized before it starts.
 */
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write(
    `seglog needs Node.js 24 or later; this is ${process.version} (${process.execPath}): install a newer one\n`,
  );
  process.exitCode = 1;
} else {
  // File calls block threads of the pool: four, Node's default, are fewer than the syncs that run at the same time.
  process.env.UV_THREADPOOL_SIZE ||= '16';
  // Without `await`: in a single executable this is a script, not a module.
  void import('./run.ts').then(({ runProcess }) => runProcess());
}

export {};
