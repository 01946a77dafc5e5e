/**
 * One member of a consumer group: it joins, reads, commits, and hands its partitions back.
 *
 * The daemon remembers what is committed and nothing of what it has sent: to read on before a commit, the cursor of the
 * last answer is given. A member that the group has taken out, because it was silent for too long or because the daemon
 * forgot it, joins again by itself and reads from what is committed.
 */
import { decode } from '@msgpack/msgpack';
import type { MemberView } from '../engine/index.ts';
import { ServerError } from './errors.ts';
import { type GroupPage, groupPath } from './groups-client.ts';
import type { HttpClient } from './http-client.ts';
import type { Io } from './io.ts';
import { answerMayCome, patiently } from './patience.ts';

/** What a member says of itself when it joins. */
export interface MemberSpec {
  topics: readonly string[];
  clientId: string;
  sessionTimeoutMs: number | undefined;
  assignor: string | undefined;
  autoOffsetReset: string;
}

export interface MemberParts {
  client: HttpClient;
  group: string;
  spec: MemberSpec;
  /** How long a daemon may be away. */
  patienceMs: number;
  interruption: AbortSignal;
  io: Io;
}

export interface PollLimits {
  maxBytes: number;
  maxRecords: number | undefined;
  /** How long the daemon may wait for a first record. */
  waitMs: number;
}

/** For what is answered at once: on the way out nobody waits long for a daemon that is away. */
const ANSWER_TIMEOUT_MS = 5_000;

export class GroupMember {
  readonly #client: HttpClient;
  readonly #path: string;
  readonly #spec: MemberSpec;
  readonly #io: Io;
  readonly #patienceMs: number;
  /** Aborts when nobody wants to be a member any more. */
  readonly #interruption: AbortSignal;
  /** The id of the member, once it has one; of several that ask for one, each gets the same. */
  #joined: Promise<string> | undefined;
  /** The newest generation that a heartbeat was told of. */
  #told = 0;
  #leaving: Promise<void> | undefined;

  constructor({ client, group, spec, patienceMs, interruption, io }: MemberParts) {
    this.#client = client;
    this.#path = groupPath(group);
    this.#spec = spec;
    this.#patienceMs = patienceMs;
    this.#interruption = interruption;
    this.#io = io;
  }

  /**
   * The records behind a page that is not committed yet, or else those behind what is committed; none when the wait was in
   * vain. The member goes by the generation of that page: what a later one takes away it does not let go of before it knows.
   */
  async poll(limits: PollLimits, after: GroupPage | undefined, signal: AbortSignal): Promise<GroupPage> {
    for (let page = after; ; page = undefined) {
      this.#joined ??= this.#join();
      const joined = this.#joined;
      try {
        return await this.#poll(await joined, limits, page, signal);
      } catch (error) {
        if (!isForgotten(error)) throw error;
        if (this.#joined === joined) this.#joined = undefined;
        this.#io.stderr.write('seglog: the group has gone on without this member; joining again\n');
      }
    }
  }

  /** Resolves true once the page is committed; false where the group has given its partitions to others meanwhile. */
  async commit({ memberId, generation, positions }: GroupPage, signal: AbortSignal): Promise<boolean> {
    const body = { memberId, generation, offsets: positions };
    try {
      await this.#patiently(signal, () =>
        // What is written is to be committed, also after Ctrl-C: only the patience ends with it.
        this.#client.json('PUT', `${this.#path}/offsets`, { body, timeoutMs: ANSWER_TIMEOUT_MS }),
      );
      return true;
    } catch (error) {
      if (isForgotten(error) || (error instanceof ServerError && error.code === 'fenced')) return false;
      throw error;
    }
  }

  /** Says that the member of a page is alive, and goes by a generation: what a later one takes away it still has. */
  async heartbeat({ memberId }: GroupPage, generation: number): Promise<void> {
    const options = { body: { generation }, timeoutMs: ANSWER_TIMEOUT_MS };
    try {
      const told = await this.#client.json<MemberView>('PUT', this.#memberPath(memberId), options);
      this.#told = Math.max(this.#told, told.generation);
    } catch {
      // The next request tells what is wrong.
    }
  }

  /** Hands the partitions back. Where nobody hears it, the group takes them after the session timeout. */
  leave(): Promise<void> {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  async #leave(): Promise<void> {
    const id = await this.#joined?.catch(() => undefined);
    if (id === undefined) return;
    try {
      await this.#client.request('DELETE', this.#memberPath(id), {
        timeoutMs: ANSWER_TIMEOUT_MS,
      });
    } catch (error) {
      if (isForgotten(error)) return;
      this.#io.stderr.write(
        `seglog: the group keeps this member for a session timeout, as it could not be told: ${(error as Error).message}\n`,
      );
    }
  }

  async #join(): Promise<string> {
    try {
      // A request that is under way is not ended: a member that nobody knows of would hold partitions.
      const { memberId } = await this.#patiently(this.#interruption, () =>
        this.#client.json<MemberView>('POST', `${this.#path}/members`, { body: this.#spec }),
      );
      return memberId;
    } catch (error) {
      this.#joined = undefined;
      throw error;
    }
  }

  async #poll(
    id: string,
    { maxBytes, maxRecords, waitMs }: PollLimits,
    after: GroupPage | undefined,
    signal: AbortSignal,
  ): Promise<GroupPage> {
    // The first answer tells what the member has, one that goes by an old generation what it is to give up: neither waits.
    const isNews = after === undefined || after.generation < this.#told;
    const query = {
      cursor: after?.cursor ?? undefined,
      generation: after?.generation,
      max_bytes: maxBytes,
      max_records: maxRecords,
      wait_ms: isNews ? 0 : waitMs,
    };
    const headers = { accept: 'application/msgpack' };
    const path = `${this.#memberPath(id)}/records`;
    const response = await this.#patiently(signal, () =>
      this.#client.request('GET', path, { query, headers, signal }),
    );
    return decode(response.body) as GroupPage;
  }

  #memberPath(id: string): string {
    return `${this.#path}/members/${encodeURIComponent(id)}`;
  }

  #patiently<T>(signal: AbortSignal, call: () => Promise<T>): Promise<T> {
    return patiently({ io: this.#io, forMs: this.#patienceMs, worthATry: answerMayCome, signal }, call);
  }
}

/** The group knows nothing of this member any more. */
function isForgotten(error: unknown): boolean {
  return error instanceof ServerError && ['unknown_member', 'unknown_group'].includes(error.code);
}
