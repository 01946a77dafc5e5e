/** What queries over log events came to, for the metrics of a server. */
import type { RunFigures } from '../query/index.ts';
import { Histogram } from './histogram.ts';

/** From 1 ms to a minute. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

export class QueryFigures {
  readonly seconds = new Histogram(SECONDS);
  complete = 0;
  incomplete = 0;
  bytesRead = 0;
  bytesSkipped = 0;
  records = 0;
  /** Event streams that are open. */
  tails = 0;

  answered({ complete, figures }: { complete: boolean; figures: RunFigures }, durationMs: number): void {
    this.seconds.observe(durationMs / 1000);
    if (complete) this.complete++;
    else this.incomplete++;
    this.bytesRead += figures.bytesRead;
    this.bytesSkipped += figures.bytesSkipped;
    this.records += figures.records;
  }
}
