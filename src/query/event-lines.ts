/**
 * Reads log events that are to be stored, one JSON object a line. Each line is judged by itself: those that are events go to
 * the sink, those that are not are named, with the reason. Blank lines are passed over.
 *
 * What is stored is the line as it is. It has to have a source, which becomes the record's key and so decides the partition; its
 * time becomes the record's.
 */
import { isUtf8 } from 'node:buffer';
import type { BytesLike } from '../engine/index.ts';
import { sourceOf, timestampOf } from './event.ts';
import { EVENT_FIELDS, EventLayout, FIRST_PLACE } from './event-layout.ts';
import { JsonFault } from './json-scanner.ts';

/** The part of the engine's PendingAppend that takes events. */
export interface EventSink {
  addBytes(key: BytesLike | null, value: BytesLike | null, timestamp?: number): void;
}

/** Why a line is no event that can be stored. */
export interface EventFault {
  readonly code: 'invalid_json' | 'nesting_too_deep' | 'invalid_event' | 'invalid_timestamp';
  readonly detail: string;
}

export interface EventLinesOptions {
  /** The number of the first line. */
  firstLine: number;
  /** Of events that name none; without it they are no events that can be stored. */
  defaultSource: Buffer | undefined;
  sink: EventSink;
  reject(line: number, fault: EventFault): void;
}

/** What became of lines. */
export interface LinesRead {
  /** Those of which a newline or the end of the bytes is the end. */
  lines: number;
  accepted: number;
}

const NEWLINE = 0x0a;
const SHOWN_LENGTH = 50;

/** Nothing here awaits, so one layout serves all. */
const layout = new EventLayout();

/** Reads the lines of [at, end). Throws what the sink throws. */
export function readEventLines(
  bytes: Buffer,
  at: number,
  end: number,
  options: EventLinesOptions,
): LinesRead {
  const { firstLine, sink, reject } = options;
  const utf8 = isUtf8(bytes.subarray(at, end));
  let line = firstLine;
  let accepted = 0;
  for (let start = at; start < end; line++) {
    const newline = bytes.indexOf(NEWLINE, start);
    const lineEnd = newline < 0 || newline > end ? end : newline;
    const first = skipBlanks(bytes, start, lineEnd);
    if (first < lineEnd) {
      const fault = utf8 || isUtf8(bytes.subarray(first, lineEnd)) ? undefined : NOT_UTF8;
      const found = fault ?? readEvent(bytes, first, trimmed(bytes, first, lineEnd), options, sink);
      if (found === undefined) accepted++;
      else reject(line, found);
    }
    start = lineEnd + 1;
  }
  return { lines: line - firstLine, accepted };
}

/** Gives the event in [at, end) to the sink; why not, where it is none. */
function readEvent(
  bytes: Buffer,
  at: number,
  end: number,
  { defaultSource }: EventLinesOptions,
  sink: EventSink,
): EventFault | undefined {
  try {
    if (!layout.check(bytes, at, end)) return NO_OBJECT;
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    const code = error.tooDeep ? 'nesting_too_deep' : 'invalid_json';
    return { code, detail: `byte ${error.position - at + 1}: ${error.message}` };
  }
  const key = keyOf(bytes) ?? defaultSource;
  if (key === undefined) return NO_SOURCE;
  if (typeof key === 'string' && !key.isWellFormed()) return BROKEN_SOURCE;
  const timestamp = timestampOf(layout, bytes);
  if (timestamp === undefined) return badTimestamp(bytes);
  sink.addBytes(key, bytes.subarray(at, end), timestamp ?? undefined);
  return undefined;
}

/** The event's source, as the bytes that it is written in where that is possible. */
function keyOf(bytes: Buffer): BytesLike | undefined {
  const place = layout.place(FIRST_PLACE.source);
  if (place < 0) return undefined;
  if (layout.isEscaped(place)) return sourceOf(layout, bytes) ?? undefined;
  return bytes.subarray(layout.start(place), layout.end(place));
}

const NOT_UTF8: EventFault = { code: 'invalid_json', detail: 'it is not valid UTF-8' };
const NO_OBJECT: EventFault = { code: 'invalid_event', detail: 'an event is a JSON object' };
const NO_SOURCE: EventFault = {
  code: 'invalid_event',
  detail: `it has no source: a text that is not empty as ${listOf(EVENT_FIELDS.source)}; source=… gives one to those without`,
};
const BROKEN_SOURCE: EventFault = {
  code: 'invalid_event',
  detail: 'its source has half of a surrogate pair, which no text can hold',
};

function badTimestamp(bytes: Buffer): EventFault {
  const place = layout.place(FIRST_PLACE.timestamp);
  const name = EVENT_FIELDS.timestamp[place - FIRST_PLACE.timestamp]!;
  const [start, end] = [layout.start(place), layout.end(place)];
  const shown = bytes
    .toString('utf8', start, Math.min(end, start + SHOWN_LENGTH))
    .replace(/[\p{C}\ufffd]/gu, '?');
  const detail = `"${name}" is no time: ISO 8601 or an epoch number, from 1970 on, not ${shown}`;
  return { code: 'invalid_timestamp', detail };
}

function listOf(names: readonly string[]): string {
  const quoted = names.map((name) => `"${name}"`);
  return `${quoted.slice(0, -1).join(', ')} or ${quoted.at(-1)}`;
}

function isBlank(byte: number): boolean {
  return byte === 0x20 || byte === 0x09 || byte === 0x0d;
}

function skipBlanks(bytes: Buffer, at: number, end: number): number {
  let position = at;
  while (position < end && isBlank(bytes[position]!)) position++;
  return position;
}

function trimmed(bytes: Buffer, at: number, end: number): number {
  let position = end;
  while (position > at && isBlank(bytes[position - 1]!)) position--;
  return position;
}
