/**
 * Verification: after a load, reads the topic from where it began and checks that every acknowledged record is there,
 * once, in order; partition after partition, in constant memory.
 */
import type { HttpClient } from '../http-client.ts';
import { PartitionReader } from '../partition-reader.ts';
import { count } from '../text.ts';
import { describeTopic, type TopicInfo } from '../topics-client.ts';
import { type CheckResult, MOST_EXAMPLES, PartitionCheck } from './partition-check.ts';
import { ID_HEADER, parseId, type RecordLedger } from './record-ledger.ts';

export interface Verification extends CheckResult {
  /** All was looked at, and nothing is missing, doubled or out of order. */
  ok: boolean;
  /** Of all records that were sent. */
  acknowledged: number;
  /** It was not carried out to its end. */
  skipped: boolean;
  /** Why it was not; null where it was. */
  reason: string | null;
}

export interface VerificationParts {
  client: HttpClient;
  /** As it was when the load began. */
  topic: TopicInfo;
  ledger: RecordLedger;
  /** Records may have been acknowledged before they were written. */
  mayLag: boolean;
  /** Of each request. */
  timeout: { timeoutMs: number; timeoutOption: string };
  /** Called as it goes on, with how many records were found. */
  progress(found: number): void;
}

const PAGE_BYTES = 4 * 1024 * 1024;
/** How long a record that was acknowledged before it was synced may take to become readable. */
const PATIENCE_MS = 10_000;

export async function verifyLog(parts: VerificationParts, signal: AbortSignal): Promise<Verification> {
  const { client, topic, ledger } = parts;
  const total = unchecked(ledger, '');
  const now = await describeTopic(client, topic.name, { signal, ...parts.timeout });
  const changed = changeOf(topic, now);
  if (changed !== undefined) return unchecked(ledger, `cannot be checked: ${changed}`);
  for (const [partition, { logStartOffset, logEndOffset }] of now.partitions.entries()) {
    const start = topic.partitions[partition]!.logEndOffset;
    const range = { start: Math.max(start, logStartOffset), end: logEndOffset };
    const result = await checkPartition(parts, partition, range, total.found, signal);
    for (const name of ['found', 'missing', 'duplicated', 'outOfOrder', 'unacknowledged'] as const)
      total[name] += result[name];
    total.examples = [...total.examples, ...result.examples].slice(0, MOST_EXAMPLES);
  }
  const ok = total.missing + total.duplicated + total.outOfOrder === 0;
  return { ...total, skipped: false, reason: null, ok };
}

/** Why records are not where they were sent to: keys go to other partitions when there are more, and offsets begin anew. */
function changeOf(before: TopicInfo, now: TopicInfo): string | undefined {
  const [had, has] = [before.partitions.length, now.partitions.length];
  if (had !== has) return `the topic was changed meanwhile (${count(had, 'partition')}, now ${has})`;
  return before.id === now.id ? undefined : 'the topic was deleted and made anew meanwhile';
}

/** Of a log that was not looked at, or not to the end. */
export function unchecked(ledger: RecordLedger, reason: string): Verification {
  return {
    ok: false,
    skipped: true,
    reason,
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
  { client, topic, ledger, mayLag, timeout, progress }: VerificationParts,
  partition: number,
  { start, end }: { start: number; end: number },
  foundBefore: number,
  signal: AbortSignal,
): Promise<CheckResult> {
  const check = new PartitionCheck(ledger, partition);
  const reader = new PartitionReader(client, topic.name, partition, { offset: start }, {});
  // An answer that waits for records comes before the patience for it ends.
  const waitMs = Math.min(PATIENCE_MS, Math.floor(timeout.timeoutMs / 2));
  let givingUpAt: number | undefined;
  while (reader.nextOffset! < end || (mayLag && check.left > 0)) {
    // Others may append for ever: behind the end only what was acknowledged before it was written is waited for.
    if (reader.nextOffset! >= end) givingUpAt ??= performance.now() + PATIENCE_MS;
    if (givingUpAt !== undefined && performance.now() > givingUpAt) break;
    const records = await reader.fetch({ maxBytes: PAGE_BYTES, waitMs, timeout }, signal);
    if (records.length === 0) givingUpAt ??= performance.now() + PATIENCE_MS - waitMs;
    else if (reader.nextOffset! < end) givingUpAt = undefined;
    for (const { headers, offset } of records) {
      const value = headers.find(({ key }) => key === ID_HEADER)?.value;
      const id = value == null ? undefined : parseId(Buffer.from(value).toString(), ledger.run);
      if (id !== undefined) check.see(id.lane, id.number, offset);
    }
    progress(foundBefore + check.result.found);
  }
  return check.end();
}
