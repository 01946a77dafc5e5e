/**
 * Lines of text, each a message. A line that begins with white space, "at " or "Caused by:" goes on with the message before, as those
 * of a stack trace do.
 *
 * A date and time at the begin of a line (2026-11-21 08:00:00,123, also with slashes, in brackets, with a zone) is the event's;
 * any other line has the time of its arrival.
 */
import { formatTimestamp, levelOfMessage, parseTimestamp } from '../../query/index.ts';
import type { EventFormat, FormatOptions, OutgoingEvent } from './event-format.ts';

const CONTINUES = /^(?:\s|at |Caused by:)/;
const TIME =
  /^[[(]?(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?) ?(Z|UTC|GMT|[+-]\d\d:?\d\d)?(?!\w|[.:,]\d)/;

export function textFormat({ source = '', level, zone = '' }: FormatOptions): EventFormat {
  return {
    continues: (line) => CONTINUES.test(line),
    parse(text): OutgoingEvent {
      const given = level !== undefined && levelOfMessage(text) === null ? level : undefined;
      return { timestamp: timeAtStart(text, zone), level: given, source, message: text };
    },
  };
}

function timeAtStart(text: string, zone: string): string | undefined {
  const match = TIME.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, time, ownZone] = match;
  const utc = ownZone === 'UTC' || ownZone === 'GMT' ? 'Z' : ownZone;
  const ms = parseTimestamp(`${year}-${month}-${day}T${time}${utc ?? zone}`);
  return ms === undefined || ms < 0 ? undefined : formatTimestamp(ms);
}
