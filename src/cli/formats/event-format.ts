/** The forms of lines that become log events, and what they become. */

/** An event as it is sent; fields without a value are left out. */
export interface OutgoingEvent {
  /** ISO 8601. */
  timestamp?: string;
  level?: string;
  source: string;
  message: string;
  metadata?: Readonly<Record<string, unknown>>;
}

export interface EventFormat {
  /** The line belongs to the event that the line before belongs to. */
  continues(line: string): boolean;
  /** The event of a line, or of several with newlines between. Throws an Error that says why there is none. */
  parse(text: string): OutgoingEvent;
}

export interface FormatOptions {
  /** Of events that name none. */
  source: string | undefined;
  /** Of events that do not say theirs. */
  level?: string;
  /** The offset of times that name none, such as "+02:00"; UTC when undefined. */
  zone?: string;
}

/** Of metadata, the fields that have a value; undefined when none has. */
export function metadataOf(
  fields: readonly (readonly [name: string, value: unknown])[],
): Readonly<Record<string, unknown>> | undefined {
  const given = fields.filter(([, value]) => value !== undefined && value !== '' && value !== '-');
  return given.length === 0 ? undefined : Object.fromEntries(given);
}
