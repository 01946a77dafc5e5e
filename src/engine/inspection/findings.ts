/** Collects what a verification finds: in order, and no more of it than memory should hold. */
import { relative } from 'node:path';
import type { FindingSeverity, VerifyFinding } from './verify-report.ts';

const MAX_FINDINGS = 10_000;

/** What a finding is about, beyond its file; what is left out is null. */
export interface FindingPlace {
  topic?: string;
  partition?: number;
  segment?: number;
  bytes?: { startPosition: number; endPosition: number };
  offsets?: { firstOffset: number; endOffset: number };
}

export class Findings {
  readonly list: VerifyFinding[] = [];
  omitted = 0;
  damage = 0;
  readonly #data: string;

  constructor(data: string) {
    this.#data = data;
  }

  add(severity: FindingSeverity, path: string, message: string, place: FindingPlace = {}): void {
    this.take({
      severity,
      topic: place.topic ?? null,
      partition: place.partition ?? null,
      segment: place.segment ?? null,
      file: relative(this.#data, path),
      startPosition: place.bytes?.startPosition ?? null,
      endPosition: place.bytes?.endPosition ?? null,
      firstOffset: place.offsets?.firstOffset ?? null,
      endOffset: place.offsets?.endOffset ?? null,
      message,
    });
  }

  take(finding: VerifyFinding): void {
    if (finding.severity === 'damage') this.damage++;
    if (this.list.length < MAX_FINDINGS) this.list.push(finding);
    else this.omitted++;
  }
}
