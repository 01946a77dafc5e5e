/** RejectedLines: the lines of a body that were not stored, and why: counted, and the first of them named. */
import type { ProblemCode } from './error-mapping.ts';

/** The number of the first line is 1; in an array it is that of the element. */
export interface RejectedLine {
  line: number;
  code: ProblemCode;
  detail: string;
}

const MAX_NAMED = 100;

export class RejectedLines {
  count = 0;
  readonly named: RejectedLine[] = [];
  readonly byCode = new Map<ProblemCode, number>();

  add(line: number, code: ProblemCode, detail: string): void {
    this.count++;
    this.byCode.set(code, (this.byCode.get(code) ?? 0) + 1);
    if (this.named.length < MAX_NAMED) this.named.push({ line, code, detail });
  }

  /** As answers tell it. */
  get figures(): { rejected: number; errors: readonly RejectedLine[]; errorsOmitted: number } {
    return { rejected: this.count, errors: this.named, errorsOmitted: this.count - this.named.length };
  }
}
