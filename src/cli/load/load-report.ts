/** LoadReport: what a load came to: what `--json` prints, and what the text and the page are made of. */
import type { LoadFigures } from '../../server/index.ts';
import type { LoadMode } from './load-options.ts';
import type { JudgedLimit } from './service-level.ts';
import type { Verification } from './verification.ts';

export interface LoadStep extends LoadFigures {
  /** In `unit`s a second: of the whole load, or of this step of a ramp; of a burst's bursts. */
  rate: number;
  level: JudgedLimit[];
  /** Every limit of the service level held. */
  held: boolean;
}

export interface LoadReport {
  mode: LoadMode;
  /** The command in words: "10000 records/s for 60 s, batches of 100". */
  title: string;
  server: string;
  topic: string;
  partitions: number;
  acks: string;
  batchSize: number;
  connections: number;
  warmUpSeconds: number;
  startedAt: string;
  /** What rates count. */
  unit: 'records' | 'requests';
  interrupted: boolean;
  /** One; of a ramp, those that were gone. */
  steps: LoadStep[];
  /** Of a ramp: the highest rate that held; null if not even the first did. */
  highestRate: number | null;
  /** By kind of error: what the server said of the first one, where it said more. */
  errorDetails: Record<string, string>;
  verification: Verification | null;
}

/** What made it fail, in words; empty when all is well. */
export function failuresOf({ mode, steps, highestRate, verification }: LoadReport): string[] {
  const failures: string[] = [];
  if (steps.every(({ requests }) => requests.answered === 0))
    failures.push('not one request was answered well');
  // A ramp is meant to break it.
  else if (mode === 'ramp' ? highestRate === null : steps.some(({ held }) => !held))
    failures.push(
      mode === 'ramp' ? 'not even the lowest rate held the service level' : 'the service level broke',
    );
  if (verification?.skipped) failures.push(`verify failed: ${verification.reason}`);
  else if (verification?.ok === false) failures.push('the log does not hold what was acknowledged');
  return failures;
}
