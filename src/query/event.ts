/**
 * What a value says of itself as a log event. The same functions are asked when events are taken in, indexed and searched
 * for, so that the three agree.
 *
 * A value that is a JSON object is an event by the fields at its top level (event-layout.ts). Any other value is an event
 * without fields: all of it is the message, whether it is text, an array or bytes.
 */
import { ByteMemo } from './byte-memo.ts';
import { EventLayout, FIRST_PLACE } from './event-layout.ts';
import { LEVEL_SEARCH_BYTES, levelOfField, levelOfMessage } from './event-levels.ts';
import { timestampFromBytes, timestampFromText } from './event-times.ts';

export interface EventFacts {
  /** Milliseconds since 1970: what the event says, else the record's. */
  timestamp: number;
  source: string | null;
  /** One of LEVELS, or another in capitals; from the message where no field says it; null when nothing does. */
  level: string | null;
  /** Where the text of the message lies, without its quotes; -1 when there is none. */
  messageStart: number;
  /** Exclusive. */
  messageEnd: number;
  /** The message is written with JSON's escapes. */
  messageEscaped: boolean;
  /** False where the whole value is the message. */
  isObject: boolean;
}

/** Nothing here awaits, so one layout serves all. */
const layout = new EventLayout();
const sources = new ByteMemo((bytes, at, end) => bytes.toString('utf8', at, end));
const levels = new ByteMemo((bytes, at, end) => levelOfField(bytes.toString('utf8', at, end)));

/** The facts of the value in [at, end) of `bytes`, whose record has the time `recordTimestamp`. Never throws. */
export function eventFacts(bytes: Buffer, at: number, end: number, recordTimestamp: number): EventFacts {
  if (!layout.find(bytes, at, end)) {
    return {
      timestamp: recordTimestamp,
      source: null,
      level: levelInMessage(bytes, at, end, false),
      messageStart: at,
      messageEnd: end,
      messageEscaped: false,
      isObject: false,
    };
  }
  const message = layout.place(FIRST_PLACE.message);
  return {
    timestamp: timestampOf(layout, bytes) ?? recordTimestamp,
    source: sourceOf(layout, bytes),
    level: levelOf(layout, bytes),
    messageStart: message < 0 ? -1 : layout.start(message),
    messageEnd: message < 0 ? -1 : layout.end(message),
    messageEscaped: message >= 0 && layout.isEscaped(message),
    isObject: true,
  };
}

/** The value as an object, where it is one that `eventFacts` takes for an event with fields; else null. */
export function parseEvent(bytes: Buffer, at: number, end: number): Record<string, unknown> | null {
  return layout.find(bytes, at, end) ? JSON.parse(bytes.toString('utf8', at, end)) : null;
}

/** The time that an event says; null where it says none, undefined where what it says is no time. */
export function timestampOf(event: EventLayout, bytes: Buffer): number | null | undefined {
  const place = event.place(FIRST_PLACE.timestamp);
  if (place < 0) return null;
  if (event.isEscaped(place))
    return timestampFromText(unescaped(bytes, event.start(place), event.end(place)));
  return timestampFromBytes(bytes, event.start(place), event.end(place));
}

/** The name of the event's source; null where it has none. */
export function sourceOf(event: EventLayout, bytes: Buffer): string | null {
  const place = event.place(FIRST_PLACE.source);
  if (place < 0) return null;
  if (event.isEscaped(place)) return unescaped(bytes, event.start(place), event.end(place));
  return sources.get(bytes, event.start(place), event.end(place));
}

/** The level, from its field or from the begin of the message; null where neither says one. */
function levelOf(event: EventLayout, bytes: Buffer): string | null {
  const place = event.place(FIRST_PLACE.level);
  if (place >= 0) {
    const level = event.isEscaped(place)
      ? levelOfField(unescaped(bytes, event.start(place), event.end(place)))
      : levels.get(bytes, event.start(place), event.end(place));
    if (level !== null) return level;
  }
  const message = event.place(FIRST_PLACE.message);
  if (message < 0) return null;
  return levelInMessage(bytes, event.start(message), event.end(message), event.isEscaped(message));
}

function levelInMessage(bytes: Buffer, at: number, end: number, escaped: boolean): string | null {
  // Levels are plain letters, whatever the other bytes stand for.
  const text = bytes.toString('latin1', at, Math.min(end, at + LEVEL_SEARCH_BYTES));
  return levelOfMessage(escaped ? text.replace(ESCAPE, plainly) : text);
}

const ESCAPE = /\\(?:u([\dA-Fa-f]{4})|(.))/g;
const BLANKS = 'bfnrt';

function plainly(_escape: string, hex: string | undefined, letter: string | undefined): string {
  if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16));
  return BLANKS.includes(letter!) ? ' ' : letter!;
}

/** The text that lies in [at, end), between its quotes. */
function unescaped(bytes: Buffer, at: number, end: number): string {
  return JSON.parse(bytes.toString('utf8', at - 1, end + 1));
}
