/**
 * The values in the JSON of an event. Numbers are as they are written, so that no digit of a long one is lost: where
 * JavaScript would write one in another way, a NumberText stands in its place. Elements of an array have the name of the
 * array.
 */

/** A number whose text JavaScript does not keep. */
export class NumberText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** Numbers with a fraction, an exponent, many digits or a zero with a sign, or what may be one. */
const UNUSUAL_NUMBER = /(?:"\s*:|[[,])\s*-?(?:\d+[.eE]|\d{16}|0\s*[,\]}])/;

/** What JSON.parse makes of it, but for numbers. */
export function parseValues(json: string): unknown {
  if (!UNUSUAL_NUMBER.test(json)) return JSON.parse(json);
  const keepText = (_name: string, value: unknown, { source = '' }: { source?: string }) =>
    typeof value === 'number' && String(value) !== source ? new NumberText(source) : value;
  // The third argument is newer than the types of the library.
  return JSON.parse(json, keepText as Parameters<typeof JSON.parse>[1]);
}

/** Whether some string or number passes, at any depth. */
export function someText(value: unknown, passes: (text: string) => boolean): boolean {
  if (typeof value === 'string') return passes(value);
  if (typeof value === 'number') return passes(String(value));
  if (typeof value !== 'object' || value === null) return false;
  if (value instanceof NumberText) return passes(value.text);
  if (Array.isArray(value)) return value.some((each) => someText(each, passes));
  for (const name in value) if (someText((value as Record<string, unknown>)[name], passes)) return true;
  return false;
}

/** Whether some value of a field passes. Its names are joined by ".", which may also be a part of one of them. */
export function someAt(value: unknown, field: string, passes: (value: unknown) => boolean): boolean {
  if (Array.isArray(value)) return value.some((each) => someAt(each, field, passes));
  if (typeof value !== 'object' || value === null || value instanceof NumberText) return false;
  const members = value as Record<string, unknown>;
  if (Object.hasOwn(members, field) && someElement(members[field], passes)) return true;
  for (let dot = field.indexOf('.'); dot >= 0; dot = field.indexOf('.', dot + 1)) {
    const name = field.slice(0, dot);
    if (Object.hasOwn(members, name) && someAt(members[name], field.slice(dot + 1), passes)) return true;
  }
  return false;
}

/** The value passes, or one of its elements. */
function someElement(value: unknown, passes: (value: unknown) => boolean): boolean {
  return passes(value) || (Array.isArray(value) && value.some((each) => someElement(each, passes)));
}

/** The text of a value; undefined for objects and arrays. */
export function scalarText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (value instanceof NumberText) return value.text;
  return typeof value === 'object' && value !== null ? undefined : String(value);
}
