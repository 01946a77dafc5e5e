/** `seglog ingest --follow`: files are followed side by side, each with a state of its own, until Ctrl-C. */
import { join, resolve } from 'node:path';
import { ServerError, UsageError } from '../errors.ts';
import { codingOf, openReadable, sourceOfFile } from '../ingest-inputs.ts';
import { type IngestRun, MAX_LINE_BYTES, packerFor, sendBatch, sourceFor } from '../ingest-run.ts';
import type { Io } from '../io.ts';
import { FollowLane } from './follow-lane.ts';
import { FollowLock } from './follow-lock.ts';
import { FollowState, statePath } from './follow-state.ts';
import { FollowedFile } from './followed-file.ts';

const POLL_MS = 250;
const GRACE_MS = 2_000;

/** Resolves to true once all of them are stopped, with what was read stored. */
export async function followFiles(
  files: readonly string[],
  run: IngestRun,
  server: string,
  io: Io,
): Promise<boolean> {
  const directory = run.options.state ?? defaultDirectory(io.env);
  const topic = run.options.topic;
  const locks: FollowLock[] = [];
  try {
    const states: FollowState[] = [];
    for (const file of new Set(files)) {
      const about = { file: resolve(file), server, topic };
      locks.push(await FollowLock.take(await statePath(directory, about), file));
      const state = await FollowState.open(directory, about);
      // One that was followed before may be between two files now.
      if (state.place === undefined) await checkFile(file);
      states.push(state);
    }
    await followAll([...new Set(files)], states, run);
  } finally {
    await Promise.all(locks.map((lock) => lock.release()));
  }
  return true;
}

async function followAll(
  files: readonly string[],
  states: readonly FollowState[],
  run: IngestRun,
): Promise<void> {
  const stop = new AbortController();
  const abort = () => stop.abort();
  if (run.interruption.aborted) abort();
  run.interruption.addEventListener('abort', abort);
  const followed = files.map((file, i) => followFile(file, states[i]!, run, stop));
  for (const outcome of await Promise.allSettled(followed))
    if (outcome.status === 'rejected' && !run.interruption.aborted) throw outcome.reason;
}

async function followFile(
  file: string,
  state: FollowState,
  run: IngestRun,
  stop: AbortController,
): Promise<void> {
  const source = sourceFor(run.options, sourceOfFile(file));
  const lane = new FollowLane({
    name: file,
    state,
    batchBytes: run.options.batchBytes,
    newPacker: (place) => packerFor(run, file, source, place),
    send: async (batch, key) => {
      await sendBatch(run, batch, file, source, key).catch((error: unknown) => {
        if (!wasSentOtherwise(error)) throw error;
        const { firstLine, lastLine } = batch;
        run.report.say(`lines ${firstLine} to ${lastLine} of ${file} were sent before, with other options`);
      });
      run.progress.update(run.report.bytes, undefined);
    },
    failed: () => stop.abort(),
  });
  const options = {
    pollMs: POLL_MS,
    graceMs: GRACE_MS,
    maxLineBytes: MAX_LINE_BYTES,
    say: (text: string) => run.report.say(text),
  };
  try {
    await new FollowedFile(file, state, lane, options, stop.signal).run();
    await lane.drained();
  } catch (error) {
    stop.abort();
    throw error;
  }
}

/** The batch was on its way when the last run ended, which made other events of its lines. They are stored as they were then. */
function wasSentOtherwise(error: unknown): boolean {
  return error instanceof ServerError && error.code === 'idempotency_key_reused';
}

async function checkFile(file: string): Promise<void> {
  const { handle, bytes } = await openReadable(file);
  try {
    if (bytes === undefined) throw new UsageError(`--follow takes files that grow: ${file} is none`);
    if ((await codingOf(handle)) !== undefined)
      throw new UsageError(`${file} is compressed: it does not grow; give it without --follow`);
  } finally {
    await handle.close();
  }
}

function defaultDirectory(env: Io['env']): string {
  if (env.XDG_STATE_HOME) return join(env.XDG_STATE_HOME, 'seglog');
  if (env.HOME) return join(env.HOME, '.local', 'state', 'seglog');
  throw new UsageError('give a directory for the positions of followed files by --state: there is no $HOME');
}
