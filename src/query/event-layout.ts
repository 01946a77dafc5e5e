/**
 * EventLayout: where the fields of a log event lie in its bytes. It goes over the JSON once, checks it, and makes no object
 * of it. A layout is of use until it is asked for the next value.
 */
import {
  EVENT_FIELDS,
  FIELD,
  type Field,
  type FieldName,
  type FieldRanges,
  PLACES_PER_FIELD,
} from './event-fields.ts';
import { JsonFault, JsonScanner } from './json-scanner.ts';

const PLACES = 4 * PLACES_PER_FIELD;
const [SOURCE_PLACE, LEVEL_PLACE, MESSAGE_PLACE] = [FIELD.source, FIELD.level, FIELD.message].map(
  (field) => field * PLACES_PER_FIELD,
) as [number, number, number];
const NO_PLACE = -1;

/** The names by their length, each with its place. */
const NAMES: { readonly bytes: Buffer; readonly place: number }[][] = [];
for (const field of Object.keys(EVENT_FIELDS) as FieldName[]) {
  for (const [i, name] of EVENT_FIELDS[field].entries()) {
    NAMES[name.length] ??= [];
    NAMES[name.length]!.push({ bytes: Buffer.from(name), place: FIELD[field] * PLACES_PER_FIELD + i });
  }
}

/** The lowest bit that is set, of four. */
const LOWEST_BIT = Uint8Array.from({ length: 16 }, (_, bits) => (bits === 0 ? 0 : Math.log2(bits & -bits)));

const [QUOTE, OPEN_BRACE, CLOSE_BRACE, COLON, COMMA, MINUS] = [0x22, 0x7b, 0x7d, 0x3a, 0x2c, 0x2d];
const [ZERO, NINE, NULL_START] = [0x30, 0x39, 0x6e];

export class EventLayout implements FieldRanges {
  /** Reading times is left to others. */
  readonly time = -1;
  #bytes: Buffer = Buffer.alloc(0);
  #scanner = new JsonScanner(this.#bytes);
  readonly #starts = new Int32Array(PLACES);
  readonly #ends = new Int32Array(PLACES);
  /** A bit for each place: the names that count, and those whose text has escapes. */
  #seen = 0;
  #escaped = 0;

  /** Whether the value in [at, end) is a JSON object, with nothing but whitespace around it. */
  find(bytes: Buffer, at: number, end: number): boolean {
    try {
      return this.check(bytes, at, end);
    } catch (error) {
      if (error instanceof JsonFault) return false;
      throw error;
    }
  }

  /** As `find`; false stands for other JSON. @throws JsonFault where it is no JSON, or nested too deeply. */
  check(bytes: Buffer, at: number, end: number): boolean {
    const scanner = this.#scannerOf(bytes);
    this.#seen = 0;
    this.#escaped = 0;
    const start = scanner.skipWhitespace(at, end);
    const isObject = start < end && bytes[start] === OPEN_BRACE;
    const behind = isObject ? this.#object(scanner, start, end) : scanner.value(start, end);
    const rest = scanner.skipWhitespace(behind, end);
    if (rest < end) throw new JsonFault(rest, 'more follows the value');
    return isObject;
  }

  has(field: Field): boolean {
    return this.#counting(field) !== 0;
  }

  startOf(field: Field): number {
    return this.#starts[this.#placeFor(field)]!;
  }

  endOf(field: Field): number {
    return this.#ends[this.#placeFor(field)]!;
  }

  isEscaped(field: Field): boolean {
    return (this.#escaped & (1 << this.#placeFor(field))) !== 0;
  }

  /** Which of its names a field that is there has. */
  nameOf(field: FieldName): string {
    return EVENT_FIELDS[field][LOWEST_BIT[this.#counting(FIELD[field])]!]!;
  }

  /** The names of a field that count, a bit for each. */
  #counting(field: Field): number {
    return (this.#seen >>> (field * PLACES_PER_FIELD)) & 0xf;
  }

  #placeFor(field: Field): number {
    return field * PLACES_PER_FIELD + LOWEST_BIT[this.#counting(field)]!;
  }

  #scannerOf(bytes: Buffer): JsonScanner {
    if (bytes !== this.#bytes) {
      this.#bytes = bytes;
      this.#scanner = new JsonScanner(bytes);
    }
    return this.#scanner;
  }

  /** The position after the object that opens at `at`. */
  #object(scanner: JsonScanner, at: number, end: number): number {
    const bytes = this.#bytes;
    let position = scanner.skipWhitespace(at + 1, end);
    if (position < end && bytes[position] === CLOSE_BRACE) return position + 1;
    for (;;) {
      position = scanner.skipWhitespace(this.#member(scanner, position, end), end);
      const byte = position < end ? bytes[position] : -1;
      if (byte === CLOSE_BRACE) return position + 1;
      if (byte !== COMMA) throw scanner.unexpected(position, '"," or "}"', end);
      position = scanner.skipWhitespace(position + 1, end);
    }
  }

  /** The position after the name and value that begin at `at`. */
  #member(scanner: JsonScanner, at: number, end: number): number {
    const bytes = this.#bytes;
    if (at >= end || bytes[at] !== QUOTE) throw scanner.unexpected(at, 'a name in quotes', end);
    const behindName = scanner.string(at, end);
    const place = scanner.escaped
      ? this.#placeOfEscaped(at, behindName)
      : this.#placeOf(at + 1, behindName - 1);
    const colon = scanner.skipWhitespace(behindName, end);
    if (colon >= end || bytes[colon] !== COLON) throw scanner.unexpected(colon, '":"', end);
    const start = scanner.skipWhitespace(colon + 1, end);
    const kind = start < end ? bytes[start]! : -1;
    if (kind === QUOTE) {
      const behind = scanner.string(start, end);
      if (place !== NO_PLACE) this.#noteText(place, start + 1, behind - 1, scanner.escaped);
      return behind;
    }
    const behind = isNumber(kind) ? scanner.number(start, end) : scanner.value(start, end);
    if (place !== NO_PLACE) this.#noteOther(place, start, behind, kind);
    return behind;
  }

  #placeOf(at: number, end: number): number {
    const names = NAMES[end - at];
    if (names === undefined) return NO_PLACE;
    for (const { bytes, place } of names) if (this.#isAt(at, bytes)) return place;
    return NO_PLACE;
  }

  #isAt(at: number, name: Buffer): boolean {
    const bytes = this.#bytes;
    for (let i = 0; i < name.length; i++) if (bytes[at + i] !== name[i]) return false;
    return true;
  }

  /** A name may be written with escapes; nobody does that, but JSON.parse would see it. */
  #placeOfEscaped(at: number, end: number): number {
    const name: string = JSON.parse(this.#bytes.toString('utf8', at, end));
    for (const field of Object.keys(EVENT_FIELDS) as FieldName[]) {
      const i = (EVENT_FIELDS[field] as readonly string[]).indexOf(name);
      if (i >= 0) return FIELD[field] * PLACES_PER_FIELD + i;
    }
    return NO_PLACE;
  }

  #noteText(place: number, start: number, end: number, escaped: boolean): void {
    const bit = 1 << place;
    // A source or level that is empty is none.
    const counts = start < end || place < SOURCE_PLACE || place >= MESSAGE_PLACE;
    this.#seen = counts ? this.#seen | bit : this.#seen & ~bit;
    this.#escaped = escaped ? this.#escaped | bit : this.#escaped & ~bit;
    this.#starts[place] = start;
    this.#ends[place] = end;
  }

  #noteOther(place: number, start: number, end: number, kind: number): void {
    const bit = 1 << place;
    const counts =
      place < SOURCE_PLACE
        ? kind !== NULL_START
        : isNumber(kind) && place >= LEVEL_PLACE && place < MESSAGE_PLACE;
    this.#seen = counts ? this.#seen | bit : this.#seen & ~bit;
    this.#escaped &= ~bit;
    this.#starts[place] = start;
    this.#ends[place] = end;
  }
}

/** Whether a value that begins with this byte is a number. */
function isNumber(byte: number): boolean {
  return byte === MINUS || (byte >= ZERO! && byte <= NINE!);
}
