/** The formats by their names; each is loaded when it is asked for. */
import type { EventFormat, FormatOptions } from './event-format.ts';

export const FORMATS = ['ndjson', 'text', 'combined', 'syslog'] as const;
export type FormatName = (typeof FORMATS)[number];

/** The format of that name; undefined for lines that are events as they stand. */
export async function loadFormat(name: FormatName, options: FormatOptions): Promise<EventFormat | undefined> {
  if (name === 'ndjson') return undefined;
  if (name === 'text') return (await import('./text-format.ts')).textFormat(options);
  if (name === 'combined') return (await import('./combined-format.ts')).combinedFormat(options);
  return (await import('./syslog-format.ts')).syslogFormat(options, Date.now);
}
