/** Progress on a terminal, in bytes: how much, how fast, and how long it will take. */
import type { SingleBar } from 'cli-progress';
import type { Output } from './io.ts';
import { humanBytes, humanDuration } from './text.ts';

export interface ByteProgress {
  /** `total` is undefined where the end is not known. */
  update(done: number, total: number | undefined): void;
  /** Takes the bar away, to make place for words; the next update draws it again. */
  stop(): void;
}

const SILENT: ByteProgress = { update() {}, stop() {} };

/** Silent unless `output` is a terminal. Nothing is drawn before the first update. */
export async function createProgress(output: Output | undefined): Promise<ByteProgress> {
  if (!output?.isTTY) return SILENT;
  const { default: progress } = await import('cli-progress');
  const started = performance.now();
  let bar: SingleBar | undefined;
  return {
    update(done, total) {
      const figures = figuresOf(done, total, performance.now() - started);
      if (bar === undefined) {
        bar = new progress.SingleBar({
          stream: output,
          format:
            total === undefined
              ? '{done}  {rate}/s'
              : '{bar} {percentage}%  {done} of {all}  {rate}/s  {left} left',
          clearOnComplete: true,
          hideCursor: true,
          barCompleteChar: '█',
          barIncompleteChar: '░',
          barsize: 24,
          gracefulExit: false,
        });
        bar.start(Math.max(1, total ?? 1), 0, figures);
      }
      if (total !== undefined) bar.setTotal(Math.max(1, total));
      bar.update(total === undefined ? 0 : Math.min(done, total), figures);
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}

function figuresOf(done: number, total: number | undefined, elapsedMs: number): Record<string, string> {
  const perMs = elapsedMs > 0 ? done / elapsedMs : 0;
  return {
    done: humanBytes(done),
    all: humanBytes(total ?? 0),
    rate: humanBytes(perMs * 1000),
    left: perMs > 0 ? humanDuration(Math.max(0, (total ?? 0) - done) / perMs) : '?',
  };
}
