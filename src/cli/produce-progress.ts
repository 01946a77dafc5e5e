/** The progress of `seglog produce` on a terminal: how much, how fast, and how long it will take. */
import type { SingleBar } from 'cli-progress';
import type { Output } from './io.ts';
import { humanBytes, humanDuration } from './text.ts';

export interface ProduceProgress {
  /** `bytes` of input are acknowledged by now, in all. */
  update(bytes: number): void;
  /** Takes the bar away, to make place for words. */
  stop(): void;
}

const NO_PROGRESS: ProduceProgress = { update() {}, stop() {} };

/** Silent unless `output` is a terminal. `totalBytes` is undefined where the input has no known end. */
export async function startProgress(
  output: Output | undefined,
  totalBytes: number | undefined,
): Promise<ProduceProgress> {
  if (!output?.isTTY) return NO_PROGRESS;
  const { default: progress } = await import('cli-progress');
  const started = performance.now();
  const known = totalBytes !== undefined && totalBytes > 0;
  const bar: SingleBar = new progress.SingleBar({
    stream: output,
    format: known ? '{bar} {percentage}%  {done} of {all}  {rate}/s  {left} left' : '{done}  {rate}/s',
    clearOnComplete: true,
    hideCursor: true,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    barsize: 24,
    gracefulExit: false,
  });
  const figures = (bytes: number) => {
    const elapsedMs = performance.now() - started;
    const perMs = elapsedMs > 0 ? bytes / elapsedMs : 0;
    return {
      done: humanBytes(bytes),
      all: humanBytes(totalBytes ?? 0),
      rate: humanBytes(perMs * 1000),
      left: perMs > 0 ? humanDuration(Math.max(0, (totalBytes ?? 0) - bytes) / perMs) : '?',
    };
  };
  bar.start(known ? totalBytes : 1, 0, figures(0));
  return {
    update: (bytes) => bar.update(known ? Math.min(bytes, totalBytes) : 0, figures(bytes)),
    stop: () => bar.stop(),
  };
}
