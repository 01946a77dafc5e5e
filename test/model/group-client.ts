/**
 * A client of a group in the model: what it was told, what it was given, and what it has processed. It is well behaved: it
 * processes in order, commits what it has processed, and stops touching what it is told to give up. All that it is told is held
 * against what must hold.
 */
import assert from 'node:assert/strict';
import { decodeRecords } from '../../src/engine/format/record-batch-reader.ts';
import type { CommitRequest, MemberView, PollAnswer } from '../../src/engine/groups/types.ts';
import { type GroupsLedger, type Ledger, placeName } from './groups-ledger.ts';

export class GroupClient {
  /** It says by which generation it goes: then an answer to it may be lost. */
  readonly isExact: boolean;
  view: MemberView;
  cursor: string | undefined;
  polling = false;
  committing = false;
  /** Given and not processed yet, in order. */
  #given: { ledger: Ledger; offset: number }[] = [];
  /** Processed and not committed. */
  readonly #positions = new Map<Ledger, number>();
  readonly #ledger: GroupsLedger;
  /** Gets commits that it gives up: they may still be on their way. */
  readonly #dropped: (commit: CommitRequest) => void;

  constructor(
    view: MemberView,
    isExact: boolean,
    ledger: GroupsLedger,
    dropped: (commit: CommitRequest) => void,
  ) {
    this.view = view;
    this.isExact = isExact;
    this.#ledger = ledger;
    this.#dropped = dropped;
    this.told(view);
  }

  get memberId(): string {
    return this.view.memberId;
  }

  /** How many records it has at hand. */
  get given(): number {
    return this.#given.length;
  }

  /** A member was told something: no partition is two members' in one generation, and generations do not go back. */
  told(view: MemberView): void {
    assert.equal(view.memberId, this.memberId);
    assert.ok(view.generation >= this.view.generation, 'a member is not told an older generation');
    for (const { topic, partitions } of view.assignment)
      for (const partition of partitions) this.#noteOwner(this.#ledger.of(topic, partition), view);
    this.view = view;
    this.#dropUnless((ledger) => isAssigned(view, ledger) || isRevoking(view, ledger));
  }

  #noteOwner(ledger: Ledger | undefined, { generation }: MemberView): void {
    if (ledger === undefined) return;
    const owner = ledger.owners.get(generation);
    const isOwn = owner === undefined || owner === this.memberId;
    assert.ok(isOwn, `${placeName(ledger)} is two members' in generation ${generation}`);
    ledger.owners.set(generation, this.memberId);
  }

  /** The answer of a poll; how many records there were. */
  take(answer: PollAnswer): number {
    this.told(answer);
    this.cursor = answer.cursor ?? undefined;
    const before = this.#given.length;
    for (const { topic, partition, offset, endOffset, chunks } of answer.partitions) {
      const ledger = this.#ledger.of(topic, partition);
      assert.ok(ledger !== undefined, `${topic}-${partition} exists`);
      assert.ok(isAssigned(answer, ledger), 'records are of partitions that are assigned');
      const records = decodeRecords(chunks, offset).filter((record) => record.offset < endOffset);
      assert.deepEqual(
        records.map((record) => [record.offset, `${record.value}`]),
        records.map((_, i) => [offset + i, `${offset + i}`]),
      );
      for (const record of records) this.#given.push({ ledger, offset: record.offset });
    }
    return this.#given.length - before;
  }

  /** It reads again from what is committed: what it had been given counts no more. */
  readAgain(): void {
    this.#given = [];
    this.#positions.clear();
  }

  /** In order: nothing is processed for the first time before all that comes before it. */
  process(count: number): void {
    for (const { ledger, offset } of this.#given.splice(0, count)) {
      const { processed } = ledger;
      assert.ok(offset <= processed, `${placeName(ledger)}: ${offset} came before ${processed}`);
      ledger.processed = Math.max(processed, offset + 1);
      this.#positions.set(ledger, offset + 1);
    }
  }

  /** What it has to commit. */
  positions(): [ledger: Ledger, offset: number][] {
    return [...this.#positions];
  }

  committed(ledger: Ledger, offset: number): void {
    if (this.#positions.get(ledger) === offset) this.#positions.delete(ledger);
  }

  /** It stops with what it is to give up, and commits no more of it. */
  dropRevoked(): void {
    this.#dropUnless((ledger) => isAssigned(this.view, ledger));
  }

  /** It is gone, or knows its member no more. */
  dropAll(): void {
    this.#dropUnless(() => false);
  }

  #dropUnless(keep: (ledger: Ledger) => boolean): void {
    this.#given = this.#given.filter(({ ledger }) => keep(ledger));
    const { memberId, view } = this;
    for (const [ledger, offset] of this.#positions) {
      if (keep(ledger)) continue;
      this.#positions.delete(ledger);
      const { topic, partition } = ledger;
      this.#dropped({
        memberId,
        generation: view.generation - 1,
        offsets: [{ topic, partition, offset }],
      });
    }
  }
}

function isAssigned({ assignment }: MemberView, { topic, partition }: Ledger): boolean {
  return assignment.some((each) => each.topic === topic && each.partitions.includes(partition));
}

function isRevoking({ revoking }: MemberView, { topic, partition }: Ledger): boolean {
  return revoking.some((each) => each.topic === topic && each.partitions.includes(partition));
}
