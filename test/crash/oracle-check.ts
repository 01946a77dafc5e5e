/** Compares what a log gives back with what the oracle says it owes. */
import { KeyedContent } from './keyed-content.ts';
import { type LogOracle, type OracleBatch, type OracleRecord, type TopicState, Violation } from './oracle.ts';

export interface ObservedRecord extends OracleRecord {
  readonly offset: number;
}

export interface ObservedPartition {
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly records: readonly ObservedRecord[];
  /** Offsets that were gone when reading began: they must not be there. */
  readonly removed: ReadonlySet<number>;
  /** Of a compacted log at rest: below, each key is said to occur once. */
  readonly firstDirtyOffset?: number | undefined;
}

export interface ObservedTopic {
  readonly partitions: readonly ObservedPartition[];
  /** The value of each setting, set or default. */
  readonly config: Readonly<Record<string, string | number>>;
}

/** Throws Violation unless all that is owed is there, and nothing that cannot be. From then on what was seen is owed. */
export function checkObserved(oracle: LogOracle, observed: ReadonlyMap<string, ObservedTopic>): void {
  for (const name of new Set([...oracle.state.topics.keys(), ...observed.keys()])) {
    const topic = observed.get(name);
    const state = checkTopic(oracle, name, topic);
    for (const [number, partition] of topic?.partitions.entries() ?? []) {
      const synchronous = isSynchronous(state!);
      checkPartition(oracle, logName(name, state!, number), partition, { synchronous, running: false });
    }
  }
}

export const logName = (topic: string, state: TopicState, partition: number) =>
  `${topic}/${state.incarnation}/${partition}`;

export const isSynchronous = (state: TopicState): boolean => (state.config.flush ?? 'sync') === 'sync';

function checkTopic(
  oracle: LogOracle,
  name: string,
  observed: ObservedTopic | undefined,
): TopicState | undefined {
  const { settled, pending } = oracle.topic(name);
  const allowed = pending ? [settled, pending.state] : [settled];
  const found = allowed.find((state) =>
    observed === undefined ? state === undefined : fits(observed, state),
  );
  if (observed !== undefined && found === undefined) {
    throw new Violation(`topic ${name} is ${describe(observed)}, but ${JSON.stringify(allowed)} is owed`);
  }
  if (observed === undefined && !allowed.includes(undefined)) {
    throw new Violation(`topic ${name} is gone, but ${JSON.stringify(allowed)} is owed`);
  }
  if (pending || found !== settled) oracle.topicSettled(name, found);
  return found;
}

function fits(observed: ObservedTopic, state: TopicState | undefined): boolean {
  if (state === undefined || state.partitions !== observed.partitions.length) return false;
  return Object.entries(state.config).every(([name, value]) => observed.config[name] === value);
}

const describe = (topic: ObservedTopic) =>
  `${topic.partitions.length} partitions ${JSON.stringify(topic.config)}`;

/** The same for one partition. What was acknowledged before its sync (acks=1) may still be above the high watermark
 *  of a running log, but not after it was opened. */
export function checkPartition(
  oracle: LogOracle,
  log: string,
  found: ObservedPartition,
  { synchronous, running }: { synchronous: boolean; running: boolean },
): void {
  const keyed = KeyedContent.of(oracle, log, found);
  const present = readBatches(oracle, log, found, keyed);
  let previous: OracleBatch | undefined;
  for (const { batch, baseOffset } of present) {
    checkBatch(log, batch, baseOffset);
    // Batches nobody was told about may be there or not, but in the order in which they were appended.
    const isOrdered =
      previous && [previous, batch].every(({ state, doubtful }) => state === 'open' && !doubtful);
    if (isOrdered && previous!.order > batch.order) {
      throw new Violation(`${log}: batch ${previous!.number} comes before batch ${batch.number}`);
    }
    previous = batch;
  }
  const numbers = new Set(present.map(({ batch }) => batch.number));
  for (const batch of oracle.state.batches.values()) {
    if (batch.log !== log || batch.state !== 'stored' || numbers.has(batch.number)) continue;
    const offsets = batch.records.map((_, index) => batch.baseOffset! + index);
    const mayBeGone = (offset: number) =>
      offset < found.logStartOffset || oracle.mayBeRemoved(log, offset) || keyed?.mayBeGone(offset) === true;
    if (offsets.every(mayBeGone)) continue;
    if (batch.durable || !running) throw lost(log, batch, found);
  }
  checkBounds(oracle, log, found);
  if (!running) settleRemovals(oracle, log, found);
  for (const { batch, baseOffset } of present) {
    if (batch.state === 'open' || (synchronous && !batch.durable)) oracle.seen(batch.number, baseOffset);
  }
  keyed?.settle(running);
  oracle.highWatermarkSeen(log, found.highWatermark, synchronous);
  oracle.deleted(log, found.logStartOffset);
}

/** A reader that goes along got these records, which end at the high watermark: they must not change any more. */
export function noteRead(oracle: LogOracle, log: string, found: ObservedPartition): void {
  for (const { batch, baseOffset } of readBatches(oracle, log, found, KeyedContent.of(oracle, log, found))) {
    checkBatch(log, batch, baseOffset);
    if (batch.state === 'open' || !batch.durable) oracle.seen(batch.number, baseOffset);
  }
}

interface Present {
  readonly batch: OracleBatch;
  readonly baseOffset: number;
}

/** Takes the records apart into batches; each must be whole, as it was appended, and there once. */
function readBatches(
  oracle: LogOracle,
  log: string,
  found: ObservedPartition,
  keyed: KeyedContent | undefined,
): Present[] {
  const present: Present[] = [];
  const { records, logStartOffset, removed } = found;
  for (let at = 0; at < records.length; ) {
    const { offset, value } = records[at]!;
    const [number, place] = value.split('/').map(Number);
    const batch = oracle.state.batches.get(number!);
    if (batch === undefined || batch.log !== log) {
      throw new Violation(
        `${log}: offset ${offset} holds "${value.slice(0, 40)}", which was never appended here`,
      );
    }
    const baseOffset = offset - place!;
    for (const [index, expected] of batch.records.entries()) {
      const record = records[at];
      const due = baseOffset + index;
      if (record?.offset === due && isSame(record, expected) && !removed.has(due)) {
        at++;
        continue;
      }
      // It was taken out, or deleted with what lies before it.
      const isThere = record?.offset === due;
      const mayBeGone =
        due < logStartOffset || oracle.mayBeRemoved(log, due) || keyed?.mayBeGone(due, expected);
      if (!isThere && mayBeGone) continue;
      const got = record ? `offset ${record.offset} "${record.value.slice(0, 40)}"` : 'nothing';
      const owed = removed.has(due) ? ', but was removed' : '';
      throw new Violation(
        `${log}: record ${index} of batch ${batch.number} at offset ${due} is ${got}${owed}`,
      );
    }
    if (present.some((other) => other.batch === batch)) {
      throw new Violation(`${log}: batch ${batch.number} is there twice, again at offset ${offset}`);
    }
    present.push({ batch, baseOffset });
  }
  let end = (records.at(-1)?.offset ?? found.highWatermark - 1) + 1;
  while (end < found.highWatermark && (oracle.mayBeRemoved(log, end) || keyed?.mayBeGone(end))) end++;
  if (end !== found.highWatermark)
    throw new Violation(`${log}: read to ${end}, high watermark ${found.highWatermark}`);
  return present;
}

/** Of a swap that nobody was told about all is done or nothing, and so it stays. */
function settleRemovals(
  oracle: LogOracle,
  log: string,
  { records, logStartOffset }: ObservedPartition,
): void {
  const there = new Set(records.map(({ offset }) => offset));
  const { removals } = oracle.state;
  for (const [number, removal] of removals.entries()) {
    if (removal.log !== log || removal.state !== 'asked') continue;
    const others = removals.filter((other) => other !== removal && other.state !== 'withdrawn');
    const own = [...removal.offsets].filter(
      (offset) =>
        offset >= logStartOffset && !others.some((other) => other.log === log && other.offsets.has(offset)),
    );
    const left = own.filter((offset) => there.has(offset));
    if (left.length > 0 && left.length < own.length)
      throw new Violation(`${log}: of a swap that takes out ${own.length} records ${left.length} are left`);
    if (own.length > 0) oracle.removalSettled(number, left.length === 0 ? 'done' : 'withdrawn');
  }
}

export function isSame(record: OracleRecord, expected: OracleRecord): boolean {
  return (
    record.value === expected.value &&
    record.tombstone === expected.tombstone &&
    record.key === expected.key &&
    record.timestamp === expected.timestamp
  );
}

function checkBatch(log: string, batch: OracleBatch, baseOffset: number): void {
  if (batch.state === 'refused') {
    throw new Violation(`${log}: batch ${batch.number} was refused, and is there at offset ${baseOffset}`);
  }
  if (batch.state === 'stored' && batch.baseOffset !== baseOffset) {
    throw new Violation(
      `${log}: batch ${batch.number} was at offset ${batch.baseOffset}, and is at ${baseOffset}`,
    );
  }
}

function lost(
  log: string,
  batch: OracleBatch,
  { logStartOffset, highWatermark }: ObservedPartition,
): Violation {
  const kind = batch.durable ? 'durable' : 'written';
  return new Violation(
    `${log}: batch ${batch.number} (${kind}) at offset ${batch.baseOffset} is lost; ` +
      `the log has offsets ${logStartOffset} to ${highWatermark}`,
  );
}

function checkBounds(
  oracle: LogOracle,
  log: string,
  { logStartOffset, highWatermark }: ObservedPartition,
): void {
  const owed = oracle.state.highWatermarks.get(log)?.offset ?? 0;
  if (highWatermark < owed) {
    throw new Violation(`${log}: the high watermark went back from ${owed} to ${highWatermark}`);
  }
  const { gone, asked } = oracle.startOf(log);
  if (logStartOffset < gone || logStartOffset > asked)
    throw new Violation(`${log}: the log starts at ${logStartOffset}, but should from ${gone} to ${asked}`);
}
