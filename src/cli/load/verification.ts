/**
 * Verification: after a load, reads the topic from where it began and checks that every acknowledged record is there,
 * once, in order; partition after partition, in constant memory.
 */
import type { HttpClient } from '../http-client.ts';
import { PartitionReader } from '../partition-reader.ts';
import { describeTopic } from '../topics-client.ts';
import { type CheckResult, MOST_EXAMPLES, PartitionCheck } from './partition-check.ts';
import { ID_HEADER, parseId, type RecordLedger } from './record-ledger.ts';

export interface Verification extends CheckResult {
  /** Nothing is missing, doubled or out of order. */
  ok: boolean;
  /** Of all records that were sent. */
  acknowledged: number;
  /** It was not done, since the load was interrupted. */
  skipped: boolean;
}

export interface VerificationParts {
  client: HttpClient;
  topic: string;
  ledger: RecordLedger;
  /** By partition: where the log ended when the load began. */
  starts: readonly number[];
  /** Records may have been acknowledged before they were written. */
  mayLag: boolean;
  /** Called as it goes on, with how many records were found. */
  progress(found: number): void;
}

const PAGE_BYTES = 4 * 1024 * 1024;
/** How long a record that was acknowledged before it was synced may take to become readable. */
const PATIENCE_MS = 10_000;

export async function verifyLog(parts: VerificationParts, signal: AbortSignal): Promise<Verification> {
  const total = nothingChecked(parts.ledger);
  const { partitions } = await describeTopic(parts.client, parts.topic, { signal });
  for (const [partition, start] of parts.starts.entries()) {
    const { logStartOffset, logEndOffset } = partitions[partition]!;
    const range = { start: Math.max(start, logStartOffset), end: logEndOffset };
    const result = await checkPartition(parts, partition, range, total.found, signal);
    for (const name of ['found', 'missing', 'duplicated', 'outOfOrder', 'unacknowledged'] as const)
      total[name] += result[name];
    total.examples = [...total.examples, ...result.examples].slice(0, MOST_EXAMPLES);
  }
  return { ...total, skipped: false, ok: total.missing + total.duplicated + total.outOfOrder === 0 };
}

/** Of a log that was not looked at. */
export function nothingChecked(ledger: RecordLedger): Verification {
  return {
    ok: true,
    skipped: true,
    acknowledged: ledger.acknowledged,
    found: 0,
    missing: 0,
    duplicated: 0,
    outOfOrder: 0,
    unacknowledged: 0,
    examples: [],
  };
}

async function checkPartition(
  { client, topic, ledger, mayLag, progress }: VerificationParts,
  partition: number,
  { start, end }: { start: number; end: number },
  foundBefore: number,
  signal: AbortSignal,
): Promise<CheckResult> {
  const check = new PartitionCheck(ledger, partition);
  const reader = new PartitionReader(client, topic, partition, { offset: start }, {});
  let givingUpAt: number | undefined;
  while (reader.nextOffset! < end || (mayLag && check.left > 0)) {
    // Others may append for ever: behind the end only what was acknowledged before it was written is waited for.
    if (reader.nextOffset! >= end) givingUpAt ??= performance.now() + PATIENCE_MS;
    if (givingUpAt !== undefined && performance.now() > givingUpAt) break;
    const records = await reader.fetch({ maxBytes: PAGE_BYTES, waitMs: PATIENCE_MS }, signal);
    if (records.length === 0) break;
    for (const { headers, offset } of records) {
      const value = headers.find(({ key }) => key === ID_HEADER)?.value;
      const id = value == null ? undefined : parseId(Buffer.from(value).toString(), ledger.run);
      if (id !== undefined) check.see(id.lane, id.number, offset);
    }
    progress(foundBefore + check.result.found);
  }
  return check.end();
}
