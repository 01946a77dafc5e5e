/**
 * Events in the order of a query, page by page: the first ones of all partitions, merged by a heap, then those behind them. A
 * page is bounded in events and bytes, so an answer of any size takes the memory of one page, and nothing is looked for
 * before the page before it was taken.
 */
import { BoundedHeap } from './bounded-heap.ts';
import { boundIn, comparePlaces, type EventPlace, type Order } from './event-order.ts';
import type { QueryFilter, QueryRun } from './query-run.ts';
import type { FoundEvents } from './scan-request.ts';
import { TopicSearch } from './topic-search.ts';
import { UnitMemory } from './unit-memory.ts';

/** An event with its value as it is stored. */
export interface FoundEvent extends EventPlace {
  readonly value: Buffer;
}

export interface EventsRequest {
  readonly order: Order;
  readonly limit: number;
  /** Only what comes behind it. */
  readonly after: EventPlace | null;
  readonly planAll?: boolean;
}

export interface EventPage {
  readonly events: readonly FoundEvent[];
  /** Where the next page goes on; null where there is nothing more. */
  readonly next: EventPlace | null;
}

const PAGE_EVENTS = 5000;
const PAGE_BYTES = 4 * 1024 * 1024;

/** Pages up to the limit. The last one tells where to go on, where there is more, or where the run ended. */
export async function* eventPages(
  run: QueryRun,
  filter: QueryFilter,
  request: EventsRequest,
): AsyncGenerator<EventPage> {
  let { after } = request;
  let left = request.limit;
  // What is one page is gone through once.
  const memory = request.limit > PAGE_EVENTS ? new UnitMemory(request.order) : undefined;
  while (left > 0) {
    const asked = { ...request, after, limit: Math.min(left, PAGE_EVENTS) };
    const page = await new PageSearch(run, filter, asked, memory).page();
    yield page;
    if (page.next !== null) memory?.turnPage(page.next.timestamp);
    left -= page.events.length;
    after = page.next;
    if (after === null || run.ended) return;
  }
}

class PageSearch {
  readonly #run: QueryRun;
  readonly #filter: QueryFilter;
  readonly #request: EventsRequest;
  readonly #memory: UnitMemory | undefined;
  readonly #found: BoundedHeap<FoundEvent>;
  #bytes = 0;
  /** What lies behind it was not kept. */
  #end: EventPlace | undefined;

  constructor(run: QueryRun, filter: QueryFilter, request: EventsRequest, memory: UnitMemory | undefined) {
    this.#run = run;
    this.#memory = memory;
    this.#filter = filter;
    this.#request = request;
    // One more tells whether there is more.
    this.#found = new BoundedHeap(request.limit + 1, (a, b) => comparePlaces(request.order, a, b));
  }

  async page(): Promise<EventPage> {
    const { order, limit, after, planAll } = this.#request;
    const search = new TopicSearch(this.#run, this.#leftOfFilter(), {
      order,
      planAll,
      memory: this.#memory,
      events: (partition) => ({
        order,
        after: after === null ? null : boundIn(partition, order, after),
        limit: limit + 1,
        maxBytes: PAGE_BYTES,
      }),
      take: (partition, { events }) => this.#take(partition, events!),
      bound: () => this.#bound(),
    });
    const undone = await search.all();
    const end = this.#end;
    const certain = this.#found
      .sorted()
      .filter((event) => end === undefined || comparePlaces(order, event, end) <= 0)
      .filter(({ timestamp }) => undone === undefined || isBefore(order, timestamp, undone));
    const events = certain.slice(0, limit);
    const isMore = certain.length > limit || end !== undefined || undone !== undefined;
    return { events, next: isMore ? (events.at(-1) ?? this.#placeBefore(undone)) : null };
  }

  /** All that comes behind a place has its time or a later one, in the order of the query. */
  #leftOfFilter(): QueryFilter {
    const { order, after } = this.#request;
    if (after === null) return this.#filter;
    const { from, until } = this.#filter;
    return order === 'asc'
      ? { ...this.#filter, from: Math.max(from, after.timestamp) }
      : { ...this.#filter, until: Math.min(until, after.timestamp + 1) };
  }

  #take(partition: number, found: FoundEvents): void {
    const { order } = this.#request;
    let start = 0;
    for (const [i, end] of found.ends.entries()) {
      const place = { timestamp: found.timestamps[i]!, partition, offset: found.offsets[i]! };
      if (this.#end !== undefined && comparePlaces(order, place, this.#end) > 0) break;
      // Copied: the others of its scan may not be kept.
      const value = Buffer.from(found.bytes.subarray(start, end));
      start = end;
      this.#bytes += value.length;
      const dropped = this.#found.push({ ...place, value });
      if (dropped !== undefined) {
        this.#bytes -= dropped.value.length;
        // Those behind it are behind all that is kept, too.
        if (dropped.value === value) break;
      }
      if (found.more && i === found.ends.length - 1) this.#endAt(place);
    }
    while (this.#bytes > PAGE_BYTES && this.#found.size > 1) {
      const dropped = this.#found.pop()!;
      this.#bytes -= dropped.value.length;
      this.#endAt(dropped);
    }
  }

  #endAt(place: EventPlace): void {
    if (this.#end === undefined || comparePlaces(this.#request.order, place, this.#end) < 0)
      this.#end = place;
  }

  /** What comes behind this time is of no page but a later one. */
  #bound(): number | undefined {
    return (this.#end ?? (this.#found.isFull ? this.#found.last : undefined))?.timestamp;
  }

  /** Where to go on when nothing is certain but that all before this time was looked at. */
  #placeBefore(undone: number | undefined): EventPlace | null {
    const { order, after } = this.#request;
    if (undone === undefined || !Number.isFinite(undone)) return after;
    const side = order === 'asc' ? -1 : 1;
    const offset = order === 'asc' ? Number.MAX_SAFE_INTEGER : 0;
    const place = { timestamp: undone + side, partition: order === 'asc' ? 2 ** 31 : 0, offset };
    // What is undone may reach back to what was given.
    return after !== null && comparePlaces(order, place, after) < 0 ? after : place;
  }
}

function isBefore(order: Order, time: number, other: number): boolean {
  return order === 'asc' ? time < other : time > other;
}
