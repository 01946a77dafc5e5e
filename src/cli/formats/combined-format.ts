/**
 * Access logs of Apache and nginx in the combined format, and in the common one, which ends before the referer:
 *
 *     client ident user [21/Nov/2026:08:00:00 +0000] "GET /path HTTP/1.1" status bytes "referer" "user agent"
 *
 * The message is the request and its status; the level is told by the status: ERROR from 500 on, WARN from 400 on, else INFO.
 */
import { formatTimestamp, parseTimestamp } from '../../query/index.ts';
import { type EventFormat, type FormatOptions, metadataOf, type OutgoingEvent } from './event-format.ts';
import { monthNumber } from './month-names.ts';

const QUOTED = '"((?:[^"\\\\]|\\\\.)*)"';
const LINE = new RegExp(
  `^(\\S+) (\\S+) (.+?) \\[(\\d\\d)/([A-Z][a-z]{2})/(\\d{4}):(\\d\\d:\\d\\d:\\d\\d) ([+-]\\d{4})\\] ${QUOTED} (\\d{3}) (\\d+|-)(?: ${QUOTED} ${QUOTED})?(?: (.*))?$`,
);
const REQUEST = /^([A-Z]+) (.*?)(?: (HTTP\/[\d.]+))?$/;

export function combinedFormat({ source = '' }: FormatOptions): EventFormat {
  return {
    continues: () => false,
    parse(text): OutgoingEvent {
      const match = LINE.exec(text);
      if (match === null) throw new Error('it is no line of an access log in the combined format');
      const [
        ,
        client,
        ident,
        user,
        day,
        month,
        year,
        time,
        zone,
        request,
        status,
        bytes,
        referer,
        agent,
        rest,
      ] = match;
      const ms = parseTimestamp(`${year}-${monthNumber(month!)}-${day}T${time}${zone}`);
      if (ms === undefined || ms < 0)
        throw new Error(`its time is none: ${day}/${month}/${year}:${time} ${zone}`);
      const [, method, path, protocol] = REQUEST.exec(unescaped(request!)) ?? [];
      return {
        timestamp: formatTimestamp(ms),
        level: levelOfStatus(Number(status)),
        source,
        message: `${unescaped(request!)} ${status}`,
        metadata: metadataOf([
          ['client', client],
          ['ident', ident],
          ['user', user],
          ['method', method],
          ['path', path],
          ['protocol', protocol],
          ['status', Number(status)],
          ['bytes', bytes === '-' ? undefined : Number(bytes)],
          ['referer', referer && unescaped(referer)],
          ['userAgent', agent && unescaped(agent)],
          ['more', rest],
        ]),
      };
    },
  };
}

function levelOfStatus(status: number): string {
  if (status >= 500) return 'ERROR';
  return status >= 400 ? 'WARN' : 'INFO';
}

/** Quotes and backslashes are escaped in quotes; other escapes stay as they are. */
function unescaped(text: string): string {
  return text.includes('\\') ? text.replace(/\\(["\\])/g, '$1') : text;
}
