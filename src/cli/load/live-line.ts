/** LiveLine: how a load is getting on, in one line of a terminal that is written anew; silent anywhere else. */
import type { SingleBar } from 'cli-progress';
import type { LoadInterval } from '../../server/index.ts';
import type { Output } from '../io.ts';
import { humanDuration } from '../text.ts';
import { msText, rateText } from './load-text.ts';

export interface LiveLine {
  /** Shows what a recorder takes down, from now until `stop`. */
  follow(recorder: Followed, durationMs: number): void;
  show(text: string): void;
  stop(): void;
}

/** What it looks at of a LoadRecorder. */
export interface Followed {
  readonly intervals: readonly LoadInterval[];
  sum(name: 'failed'): number;
}

const SILENT: LiveLine = { follow() {}, show() {}, stop() {} };
const REFRESH_MS = 500;

export async function createLiveLine(output: Output): Promise<LiveLine> {
  if (!output.isTTY) return SILENT;
  const { default: progress } = await import('cli-progress');
  let bar: SingleBar | undefined;
  let following: NodeJS.Timeout | undefined;
  const show = (text: string) => {
    if (bar === undefined) {
      bar = new progress.SingleBar({
        stream: output,
        format: '{text}',
        clearOnComplete: true,
        hideCursor: true,
        gracefulExit: false,
      });
      bar.start(1, 0, { text });
    }
    bar.update(0, { text });
  };
  return {
    show,
    follow(recorder, durationMs) {
      following = setInterval(() => show(lineOf(recorder, durationMs)), REFRESH_MS);
    },
    stop() {
      clearInterval(following);
      bar?.stop();
      bar = undefined;
    },
  };
}

/** The last half second or so of a load, in words. */
export function lineOf(recorder: Followed, durationMs: number): string {
  const last = recorder.intervals.at(-1);
  if (last === undefined) return 'warming up';
  const recent = recorder.intervals.filter(({ endMs }) => endMs > last.endMs - REFRESH_MS);
  const sum = (name: 'due' | 'answered') => recent.reduce((total, each) => total + each[name], 0);
  const seconds = (last.endMs - recent[0]!.startMs) / 1000;
  const failed = recorder.sum('failed');
  return [
    `${humanDuration(last.endMs)} of ${humanDuration(durationMs)}`,
    `${rateText(sum('answered') / seconds)} of ${rateText(sum('due') / seconds)} requests/s`,
    `p50 ${msText(last.latency.p50)}`,
    `p99 ${msText(last.latency.p99)}`,
    ...(last.waiting === 0 ? [] : [`${last.waiting} waiting`]),
    ...(failed === 0 ? [] : [`${failed} failed`]),
  ].join('  ');
}
