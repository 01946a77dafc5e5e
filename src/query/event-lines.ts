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
import { EVENT_FIELDS, FIELD, type FieldRanges } from './event-fields.ts';
import { BLANK, EVENT, eventRows, MAX_KERNEL_BYTES } from './event-kernel.ts';
import { EventLayout } from './event-layout.ts';
import { JsonFault } from './json-scanner.ts';

/** The part of the engine's PendingAppend that takes events. */
export interface EventSink {
  addBytes(key: BytesLike | null, value: BytesLike | null, timestamp?: number): void;
  addSlices(
    bytes: Buffer,
    keyStart: number,
    keyEnd: number,
    keyHash: number,
    valueStart: number,
    valueEnd: number,
    timestamp?: number,
  ): void;
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
  const utf8 = isUtf8(bytes.subarray(at, end));
  // Where some line is no UTF-8, or too long for the kernel, each is looked at closely.
  if (!utf8 || end - at > MAX_KERNEL_BYTES) return readLinesClosely(bytes, at, end, options, utf8);
  const { firstLine, reject } = options;
  let line = firstLine;
  let accepted = 0;
  eventRows.beginLines(bytes, at, end);
  for (; eventRows.nextLine(); line++) {
    const { kind, start, lineEnd } = eventRows;
    if (kind === BLANK) continue;
    const fault = kind === EVENT ? takeRow(bytes, options) : readEvent(bytes, start, lineEnd, options);
    if (fault === undefined) accepted++;
    else reject(line, fault);
  }
  return { lines: line - firstLine, accepted };
}

/** As takeEvent, for the kernel's row, and quicker where the event has all that it needs. */
function takeRow(bytes: Buffer, options: EventLinesOptions): EventFault | undefined {
  const { start, end, time } = eventRows;
  const isPlain = eventRows.has(FIELD.source) && !eventRows.isEscaped(FIELD.source);
  if (!isPlain || (time < 0 && eventRows.has(FIELD.timestamp)))
    return takeEvent(eventRows, bytes, start, end, options);
  const [keyStart, keyEnd] = [eventRows.startOf(FIELD.source), eventRows.endOf(FIELD.source)];
  const timestamp = time < 0 ? undefined : time;
  options.sink.addSlices(bytes, keyStart, keyEnd, eventRows.sourceHash, start, end, timestamp);
  return undefined;
}

function readLinesClosely(
  bytes: Buffer,
  at: number,
  end: number,
  options: EventLinesOptions,
  utf8: boolean,
): LinesRead {
  const { firstLine, reject } = options;
  let line = firstLine;
  let accepted = 0;
  for (let start = at; start < end; line++) {
    const newline = bytes.indexOf(NEWLINE, start);
    const lineEnd = newline < 0 || newline > end ? end : newline;
    const first = skipBlanks(bytes, start, lineEnd);
    if (first < lineEnd) {
      const isText = utf8 || isUtf8(bytes.subarray(first, lineEnd));
      const fault = isText ? readEvent(bytes, first, lineEnd, options) : NOT_UTF8;
      if (fault === undefined) accepted++;
      else reject(line, fault);
    }
    start = lineEnd + 1;
  }
  return { lines: line - firstLine, accepted };
}

/** Gives the event in [at, lineEnd) to the sink; why not, where it is none. */
function readEvent(
  bytes: Buffer,
  at: number,
  lineEnd: number,
  options: EventLinesOptions,
): EventFault | undefined {
  const end = trimmed(bytes, at, lineEnd);
  try {
    if (!layout.check(bytes, at, end)) return NO_OBJECT;
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    const code = error.tooDeep ? 'nesting_too_deep' : 'invalid_json';
    return { code, detail: `byte ${error.position - at + 1}: ${error.message}` };
  }
  return takeEvent(layout, bytes, at, end, options);
}

/** Gives an event to the sink, whose fields are known; why not, where it lacks something. */
function takeEvent(
  event: FieldRanges,
  bytes: Buffer,
  at: number,
  end: number,
  { defaultSource, sink }: EventLinesOptions,
): EventFault | undefined {
  const key = keyOf(event, bytes) ?? defaultSource;
  if (key === undefined) return NO_SOURCE;
  if (typeof key === 'string' && !key.isWellFormed()) return BROKEN_SOURCE;
  const timestamp = timestampOf(event, bytes);
  if (timestamp === undefined) return badTimestamp(bytes, at, end);
  sink.addBytes(key, bytes.subarray(at, end), timestamp ?? undefined);
  return undefined;
}

/** The event's source, as the bytes that it is written in where that is possible. */
function keyOf(event: FieldRanges, bytes: Buffer): BytesLike | undefined {
  if (!event.has(FIELD.source)) return undefined;
  if (event.isEscaped(FIELD.source)) return sourceOf(event, bytes) ?? undefined;
  return bytes.subarray(event.startOf(FIELD.source), event.endOf(FIELD.source));
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

function badTimestamp(bytes: Buffer, at: number, end: number): EventFault {
  layout.find(bytes, at, end);
  const [start, behind] = [layout.startOf(FIELD.timestamp), layout.endOf(FIELD.timestamp)];
  const shown = bytes
    .toString('utf8', start, Math.min(behind, start + SHOWN_LENGTH))
    .replace(/[\p{C}\ufffd]/gu, '?');
  const name = layout.nameOf('timestamp');
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
