/**
 * Log events as answers carry them: the JSON as it was ingested, with `timestamp`, `partition` and `offset` filled in where the
 * event has no such fields of its own. A value that is no JSON object comes as the message of an event; what is no text
 * comes as base64, whatever it looks like.
 */
import { isUtf8 } from 'node:buffer';
import { eventFacts, type FoundEvent, formatTimestamp, isEventObject, parseValues } from '../query/index.ts';
import { NUMBER_BYTES, type OutputBuffer } from './output-buffer.ts';

const CLOSE_BRACE = 0x7d;
const NEWLINE = 0x0a;
const RETURN = 0x0d;
const SPACE = 0x20;
const FILLED_IN = ['"timestamp"', '"partition"', '"offset"'] as const;
/** How the usual event begins: with its time, which is a text. */
const USUAL_START = Buffer.from('{"timestamp":"');
const USUALLY_MISSING = [false, true, true];
/** Of what begins like that: what has it is looked at closely. */
const UNUSUAL = /"partition"|"offset"|[\n\r\x80-\xff]/;
const PARTITION = Buffer.from(',"partition":');
const OFFSET = Buffer.from(',"offset":');
/** Both names, and the numbers. */
const PLACE_BYTES = PARTITION.length + OFFSET.length + 2 * NUMBER_BYTES;

/** Writes it on one line, without the newline. */
export function writeLogEvent(out: OutputBuffer, event: FoundEvent): void {
  const { value, timestamp, partition, offset } = event;
  if (isUsual(value)) {
    out.reserve(value.length + PLACE_BYTES);
    out.copy(value, 0, value.length - 1);
    out.copy(PARTITION, 0, PARTITION.length);
    out.integer(partition);
    out.copy(OFFSET, 0, OFFSET.length);
    out.integer(offset);
    out.byte(CLOSE_BRACE);
    return;
  }
  const { isObject, level } = eventFacts(value, 0, value.length, timestamp);
  const isText = isUtf8(value);
  if (!isObject || !isText) {
    const text = isText ? { message: value.toString() } : encoded(value);
    out.text(
      JSON.stringify({
        timestamp: formatTimestamp(timestamp),
        level: level ?? undefined,
        ...text,
        partition,
        offset,
      }),
    );
    return;
  }
  const end = value.lastIndexOf(CLOSE_BRACE);
  const [time, place, number] = missingFields(value);
  let more = time ? `,"timestamp":"${formatTimestamp(timestamp)}"` : '';
  if (place) more += `,"partition":${partition}`;
  if (number) more += `,"offset":${offset}`;
  // Of an empty object there is nothing to be told apart from.
  if (isEmpty(value, end)) more = more.slice(1);
  out.reserve(end);
  writeOnOneLine(out, value, end);
  out.text(`${more}}`);
}

/** Whether the event is all ASCII on one line, has its time, and lacks its place: as nearly all of them. */
function isUsual(value: Buffer): boolean {
  return (
    beginsAsUsual(value) &&
    value[value.length - 1] === CLOSE_BRACE &&
    !UNUSUAL.test(value.toString('latin1')) &&
    isEventObject(value, 0, value.length)
  );
}

const encoded = (value: Buffer) => ({ message: value.toString('base64'), messageEncoding: 'base64' });

/** Of each field that is filled in, whether the event lacks it. */
function missingFields(bytes: Buffer): readonly boolean[] {
  if (!bytes.includes(FILLED_IN[1]) && !bytes.includes(FILLED_IN[2])) {
    if (beginsAsUsual(bytes)) return USUALLY_MISSING;
    if (!bytes.includes(FILLED_IN[0]) && !bytes.includes('\\u')) return [true, true, true];
  }
  const event = parseValues(bytes.toString()) as Record<string, unknown>;
  // A time that is null was not said; the same name again is what counts then.
  return [(event.timestamp ?? null) === null, !('partition' in event), !('offset' in event)];
}

function beginsAsUsual(bytes: Buffer): boolean {
  const { length } = USUAL_START;
  return bytes.length > length && bytes.compare(USUAL_START, 0, length, 0, length) === 0;
}

function isEmpty(bytes: Buffer, end: number): boolean {
  for (let at = bytes.indexOf(0x7b) + 1; at < end; at++) if (bytes[at]! > SPACE) return false;
  return true;
}

/** In JSON a line break is nothing but space. */
function writeOnOneLine(out: OutputBuffer, bytes: Buffer, end: number): void {
  const start = out.length;
  out.copy(bytes, 0, end);
  if (!bytes.includes(NEWLINE) && !bytes.includes(RETURN)) return;
  for (let at = start; at < out.length; at++)
    if (out.bytes[at] === NEWLINE || out.bytes[at] === RETURN) out.bytes[at] = SPACE;
}
