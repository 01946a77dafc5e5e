/**
 * What a value says of itself as a log event. The same functions are asked when events are taken in, indexed and searched
 * for, so that the three agree.
 *
 * A value that is a JSON object is an event by the fields at its top level (event-fields.ts). Any other value is an event
 * without fields: all of it is the message, whether it is text, an array or bytes.
 */
import { ByteMemo } from './byte-memo.ts';
import { FIELD, type FieldRanges } from './event-fields.ts';
import { eventRows } from './event-kernel.ts';
import { EventLayout } from './event-layout.ts';
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
  if (eventRows.readValue(bytes, at, end)) return factsOf(eventRows, bytes, recordTimestamp);
  if (layout.find(bytes, at, end)) return factsOf(layout, bytes, recordTimestamp);
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

function factsOf(event: FieldRanges, bytes: Buffer, recordTimestamp: number): EventFacts {
  const hasMessage = event.has(FIELD.message);
  return {
    timestamp: timestampOf(event, bytes) ?? recordTimestamp,
    source: sourceOf(event, bytes),
    level: levelOf(event, bytes),
    messageStart: hasMessage ? event.startOf(FIELD.message) : -1,
    messageEnd: hasMessage ? event.endOf(FIELD.message) : -1,
    messageEscaped: hasMessage && event.isEscaped(FIELD.message),
    isObject: true,
  };
}

/** Whether the value is an event with fields: a JSON object. */
export function isEventObject(bytes: Buffer, at: number, end: number): boolean {
  return eventRows.readValue(bytes, at, end) || layout.find(bytes, at, end);
}

/** The value as an object, where it is one that `eventFacts` takes for an event with fields; else null. */
export function parseEvent(bytes: Buffer, at: number, end: number): Record<string, unknown> | null {
  return isEventObject(bytes, at, end) ? JSON.parse(bytes.toString('utf8', at, end)) : null;
}

/** The time that an event says; null where it says none, undefined where what it says is no time. */
export function timestampOf(event: FieldRanges, bytes: Buffer): number | null | undefined {
  if (event.time >= 0) return event.time;
  if (!event.has(FIELD.timestamp)) return null;
  const [start, end] = [event.startOf(FIELD.timestamp), event.endOf(FIELD.timestamp)];
  return event.isEscaped(FIELD.timestamp)
    ? timestampFromText(unescaped(bytes, start, end))
    : timestampFromBytes(bytes, start, end);
}

/** The name of the event's source; null where it has none. */
export function sourceOf(event: FieldRanges, bytes: Buffer): string | null {
  if (!event.has(FIELD.source)) return null;
  const [start, end] = [event.startOf(FIELD.source), event.endOf(FIELD.source)];
  return event.isEscaped(FIELD.source) ? unescaped(bytes, start, end) : sources.get(bytes, start, end);
}

/** The level, from its field or from the begin of the message; null where neither says one. */
function levelOf(event: FieldRanges, bytes: Buffer): string | null {
  if (event.has(FIELD.level)) {
    const [start, end] = [event.startOf(FIELD.level), event.endOf(FIELD.level)];
    const level = event.isEscaped(FIELD.level)
      ? levelOfField(unescaped(bytes, start, end))
      : levels.get(bytes, start, end);
    if (level !== null) return level;
  }
  if (!event.has(FIELD.message)) return null;
  return levelInMessage(
    bytes,
    event.startOf(FIELD.message),
    event.endOf(FIELD.message),
    event.isEscaped(FIELD.message),
  );
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
