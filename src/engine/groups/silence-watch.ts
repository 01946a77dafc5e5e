/**
 * Time, as a group knows it: which members have been silent for too long, and how long there have been none. One timer for a
 * group, whatever its size: it rings when the first of its members may have been silent for too long, and looks again.
 *
 * Durations are measured by the monotonic clock: a wall clock that is set expires nothing. What the process itself slept
 * through is no member's silence: all have a full session before them then, as after a start.
 */
import type { CommittedOffsets } from './committed-offsets.ts';
import type { GroupContext } from './group-context.ts';
import type { GroupContent } from './group-state.ts';
import type { MemberSession } from './member-session.ts';

/** The group that is watched. */
export interface Watched {
  readonly content: GroupContent;
  readonly offsets: CommittedOffsets;
  readonly sessions: ReadonlyMap<string, MemberSession>;
  /** The member has been silent for too long. */
  expire(memberId: string): void;
  /** Nobody has been there for as long as offsets are kept. */
  expireGroup(): void;
  /** Something failed a while ago. */
  retry(): void;
}

/** More than a timer takes is waited for in pieces. */
const MAX_TIMER_MS = 3_600_000;
/** What failed is tried again after so long. */
const RETRY_MS = 1_000;
/** A timer that rings this late has been held up by the process. */
const HELD_UP_MS = 1_000;

export class SilenceWatch {
  readonly #context: GroupContext;
  readonly #watched: Watched;
  #cancelTimer: (() => void) | undefined;
  /** When the timer rings; all times are monotonic. */
  #due = Number.POSITIVE_INFINITY;
  /** Since when there have been no members, and nobody has set offsets. */
  #idleSince: number;
  #retryAt = Number.POSITIVE_INFINITY;
  #started = false;

  constructor(context: GroupContext, watched: Watched) {
    this.#context = context;
    this.#watched = watched;
    this.#idleSince = context.clock.monotonic();
  }

  /** Members that were replayed have a full session before them; a group without any has been so since it was written. */
  start(): void {
    const { clock } = this.#context;
    const now = clock.monotonic();
    const { content, offsets, sessions } = this.#watched;
    for (const session of sessions.values()) session.heardAt = now;
    const since = Math.max(content.emptySince ?? 0, offsets.newestCommit());
    const idleMs = Math.min(Math.max(0, clock.now() - since), this.#retentionMs);
    this.#idleSince = now - idleMs;
    this.#started = true;
    this.arm();
    if (content.members.size === 0 && this.retentionLeftMs <= 0) this.#watched.expireGroup();
  }

  stop(): void {
    this.#started = false;
    this.#cancelTimer?.();
  }

  /** The group has changed. */
  changed(): void {
    this.#idleSince = this.#context.clock.monotonic();
    this.arm();
  }

  failed(): void {
    this.#retryAt = this.#context.clock.monotonic() + RETRY_MS;
    this.arm();
  }

  isSilent(memberId: string): boolean {
    const session = this.#watched.sessions.get(memberId);
    return session !== undefined && this.#deadline(session) <= this.#context.clock.monotonic();
  }

  /** Milliseconds until a group without members expires. */
  get retentionLeftMs(): number {
    return this.#idleSince + this.#retentionMs - this.#context.clock.monotonic();
  }

  /** Sets the timer to what is next; what is due already is on its way. A timer that rings too early does no harm. */
  arm(): void {
    const { clock } = this.#context;
    const now = clock.monotonic();
    const due = this.#next(now);
    if (!this.#started || due >= this.#due || due === Number.POSITIVE_INFINITY) return;
    this.#cancelTimer?.();
    this.#due = Math.min(due, now + MAX_TIMER_MS);
    this.#cancelTimer = clock.after(this.#due - now, () => this.#ring());
  }

  #next(now: number): number {
    const { content, sessions } = this.#watched;
    let due = this.#retryAt;
    for (const session of sessions.values()) {
      const deadline = this.#deadline(session);
      if (deadline > now) due = Math.min(due, deadline);
    }
    if (content.members.size > 0 || this.retentionLeftMs <= 0) return due;
    return Math.min(due, this.#idleSince + this.#retentionMs);
  }

  #ring(): void {
    const now = this.#context.clock.monotonic();
    const isHeldUp = now - this.#due > HELD_UP_MS;
    this.#due = Number.POSITIVE_INFINITY;
    const { content, sessions } = this.#watched;
    if (isHeldUp) for (const session of sessions.values()) session.heardAt = now;
    const silent = [...sessions.values()].filter((session) => this.#deadline(session) <= now);
    for (const { id } of silent) this.#watched.expire(id);
    if (content.members.size === 0 && this.retentionLeftMs <= 0) this.#watched.expireGroup();
    if (this.#retryAt <= now) {
      this.#retryAt = Number.POSITIVE_INFINITY;
      this.#watched.retry();
    }
    this.arm();
  }

  #deadline(session: MemberSession): number {
    const heardAt = session.polling > 0 ? this.#context.clock.monotonic() : session.heardAt;
    return heardAt + session.timeoutMs;
  }

  get #retentionMs(): number {
    return this.#context.engine.settings['offsets.retention.ms'];
  }
}
