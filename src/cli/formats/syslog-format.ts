/**
 * Lines of syslog, as they are sent and as they stand in files:
 *
 *     <34>1 2026-11-21T08:00:00.003Z host app 1234 ID47 [id@0 name="value"] message     RFC 5424
 *     <34>Nov 21 08:00:00 host app[1234]: message                                       RFC 3164
 *     2026-11-21T08:00:00.003456+01:00 host app[1234]: message                          files of today's systems
 *
 * The priority in angle brackets may be missing. The source is the program; the level is told by the priority. RFC 3164 has no
 * year: it is the one that makes the time the latest that does not lie more than a day ahead.
 */
import { formatTimestamp, parseTimestamp } from '../../query/index.ts';
import { type EventFormat, type FormatOptions, metadataOf, type OutgoingEvent } from './event-format.ts';
import { monthNumber } from './month-names.ts';
import { parseStructuredData } from './structured-data.ts';

const MODERN = /^<(\d{1,3})>1 (\S+) (\S+) (\S+) (\S+) (\S+) ?(.*)$/s;
const OLD =
  /^(?:<(\d{1,3})>)?([A-Z][a-z]{2}) {1,2}(\d{1,2}) (?:(\d{4}) )?(\d\d:\d\d:\d\d(?:\.\d{1,9})?) (?:(\S+) )?(.*)$/s;
const FILE = /^(?:<(\d{1,3})>)?(\d{4}-\d\d-\d\dT\S+) (\S+) (.*)$/s;
/** A program, perhaps with the id of its process. */
const TAG = /^([^\s:[\]]+)(?:\[([^\]]*)\])?: ?/;

const LEVELS = ['FATAL', 'FATAL', 'FATAL', 'ERROR', 'WARN', 'INFO', 'INFO', 'DEBUG'];
const SEVERITIES = ['emerg', 'alert', 'crit', 'err', 'warning', 'notice', 'info', 'debug'];
const FACILITIES = [
  ...['kern', 'user', 'mail', 'daemon', 'auth', 'syslog', 'lpr', 'news', 'uucp', 'cron', 'authpriv', 'ftp'],
  ...['ntp', 'security', 'console', 'solaris-cron'],
  ...['local0', 'local1', 'local2', 'local3', 'local4', 'local5', 'local6', 'local7'],
];
const DAY_MS = 86_400_000;

/** What a line says, in text; what is missing may be "-", too. */
interface Said {
  priority: string | undefined;
  /** Ms since 1970. */
  time: number | undefined;
  host: string | undefined;
  program: string | undefined;
  pid: string | undefined;
  message: string;
  more?: readonly (readonly [name: string, value: unknown])[];
}

/** `now` tells the time, ms since 1970. */
export function syslogFormat(options: FormatOptions, now: () => number): EventFormat {
  return {
    continues: () => false,
    parse(text) {
      const said = readModern(text) ?? readFile(text) ?? readOld(text, options.zone ?? '', now());
      if (said === undefined) throw new Error('it is no line of syslog, neither by RFC 5424 nor by RFC 3164');
      return eventOf(said, options);
    },
  };
}

function readModern(text: string): Said | undefined {
  const match = MODERN.exec(text);
  if (match === null) return undefined;
  const [, priority, timestamp, host, program, pid, messageId, rest] = match;
  const time = timestamp === '-' ? undefined : parseTimestamp(timestamp!);
  if (timestamp !== '-' && time === undefined) return undefined;
  const { fields, message } = parseStructuredData(rest!);
  return { priority, time, host, program, pid, message, more: [['messageId', messageId], ...fields] };
}

function readFile(text: string): Said | undefined {
  const match = FILE.exec(text);
  if (match === null) return undefined;
  const [, priority, timestamp, host, rest] = match;
  const time = parseTimestamp(timestamp!);
  return time === undefined ? undefined : { priority, time, host, ...readTag(rest!) };
}

function readOld(text: string, zone: string, now: number): Said | undefined {
  const match = OLD.exec(text);
  if (match === null) return undefined;
  const [, priority, month, day, year, clock, host, rest] = match;
  const withinYear = `${monthNumber(month!)}-${day!.padStart(2, '0')}T${clock}${zone}`;
  const time = year === undefined ? latestTime(withinYear, now) : parseTimestamp(`${year}-${withinYear}`);
  if (time === undefined) return undefined;
  // Some write no host: then what stands in its place is the program.
  if (host?.endsWith(':')) return { priority, time, host: undefined, ...readTag(`${host} ${rest}`) };
  return { priority, time, host, ...readTag(rest!) };
}

function latestTime(withinYear: string, now: number): number | undefined {
  const thisYear = new Date(now).getUTCFullYear();
  // The 29th of February may lie some years back.
  for (let year = thisYear + 1; year > thisYear - 8; year--) {
    const time = parseTimestamp(`${year}-${withinYear}`);
    if (time !== undefined && time <= now + DAY_MS) return time;
  }
  return undefined;
}

function readTag(text: string): Pick<Said, 'program' | 'pid' | 'message'> {
  const match = TAG.exec(text);
  if (match === null) return { program: undefined, pid: undefined, message: text };
  return { program: match[1], pid: match[2], message: text.slice(match[0].length) };
}

function eventOf(said: Said, { source, level }: FormatOptions): OutgoingEvent {
  const { time, host, program, pid, message, more = [] } = said;
  const named = [program, source, host].find((name) => name !== undefined && name !== '' && name !== '-');
  if (named === undefined)
    throw new Error('it names neither a program nor a host; --source gives such lines one');
  const priority = said.priority === undefined ? undefined : Number(said.priority);
  if (priority !== undefined && priority >= 8 * FACILITIES.length)
    throw new Error(`its priority is none: <${priority}>`);
  return {
    timestamp: time !== undefined && time >= 0 ? formatTimestamp(time) : undefined,
    level: priority === undefined ? level : LEVELS[priority % 8],
    source: named,
    message,
    metadata: metadataOf([
      ['host', host],
      ['pid', pid],
      ['facility', priority === undefined ? undefined : FACILITIES[Math.floor(priority / 8)]],
      ['severity', priority === undefined ? undefined : SEVERITIES[priority % 8]],
      ...more,
    ]),
  };
}
