/**
 * Checks JSON (RFC 8259) as bytes and tells where its values end, without making an object of any.
 *
 * What is stored verbatim has to be valid, but nobody looks at it: this costs about half of JSON.parse and
 * leaves no garbage. The bytes must be valid UTF-8 (see node:buffer's isUtf8): strings are not looked into
 * beyond their escapes.
 */

/** Deeper values are refused, so that nobody who parses recursively later is brought down by them. */
export const MAX_JSON_DEPTH = 128;

export class JsonFault extends Error {
  /** Of the byte at which it goes wrong. */
  readonly position: number;
  readonly tooDeep: boolean;

  constructor(position: number, message: string, tooDeep = false) {
    super(message);
    this.name = 'JsonFault';
    this.position = position;
    this.tooDeep = tooDeep;
  }
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET, COMMA, COLON] = [
  0x7b, 0x7d, 0x5b, 0x5d, 0x2c, 0x3a,
];

/** 1 for the bytes that end a run of plain characters in a string. */
const ENDS_RUN = new Uint8Array(256);
ENDS_RUN.fill(1, 0, 0x20);
ENDS_RUN[QUOTE] = 1;
ENDS_RUN[BACKSLASH] = 1;

/** 1 for the bytes that a number is made of. */
const IN_NUMBER = new Uint8Array(256);
for (const byte of Buffer.from('+-.0123456789eE')) IN_NUMBER[byte] = 1;

const HEX = new Uint8Array(256);
for (const byte of Buffer.from('0123456789abcdefABCDEF')) HEX[byte] = 1;

const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

const LITERALS = new Map([
  [0x74, Buffer.from('true')],
  [0x66, Buffer.from('false')],
  [0x6e, Buffer.from('null')],
]);

/** The kind of each open container; scanning never awaits, so one is enough for all scanners. */
const openContainers = new Uint8Array(MAX_JSON_DEPTH);

export class JsonScanner {
  /** Whether the string scanned last has an escape. */
  escaped = false;
  readonly #bytes: Buffer;
  readonly #view: DataView;
  readonly #end: number;
  #depth = 0;

  /** Scans no further than `end`. */
  constructor(bytes: Buffer, end = bytes.length) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    this.#end = end;
  }

  skipWhitespace(at: number, end = this.#end): number {
    const bytes = this.#bytes;
    let position = at;
    while (position < end) {
      const byte = bytes[position]!;
      if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) break;
      position++;
    }
    return position;
  }

  /**
   * The position after the value that begins at `at`, whitespace before it included.
   * @throws JsonFault where it is no JSON, or nested deeper than MAX_JSON_DEPTH.
   */
  value(at: number, end = this.#end): number {
    this.#depth = 0;
    let position = at;
    for (;;) {
      position = this.skipWhitespace(position, end);
      const byte = position < end ? this.#bytes[position]! : -1;
      if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        const opened = this.#openContainer(position, end, byte);
        if (opened < 0) {
          position = -opened;
          continue;
        }
        position = opened;
      } else {
        position = this.#scalar(position, end, byte);
      }
      if (this.#depth > 0) position = this.#closeContainers(position, end);
      if (this.#depth === 0) return position;
    }
  }

  /** The position after the closing quote of the string that opens at `at`. */
  string(at: number, end = this.#end): number {
    const bytes = this.#bytes;
    this.escaped = false;
    let position = at + 1;
    for (;;) {
      position = this.#plainEnd(position, end);
      if (position >= end) throw new JsonFault(end, 'a string does not end');
      const byte = bytes[position]!;
      if (byte === QUOTE) return position + 1;
      if (byte !== BACKSLASH)
        throw new JsonFault(position, 'a control character in a string must be escaped');
      this.escaped = true;
      position = this.#escape(position, end);
    }
  }

  /** The position after the number that begins at `at`. */
  number(at: number, end = this.#end): number {
    const bytes = this.#bytes;
    let position = at;
    while (position < end && IN_NUMBER[bytes[position]!] === 1) position++;
    // Most numbers are plain digits; only others need the grammar.
    let digits = at;
    while (digits < position && bytes[digits]! >= 0x30 && bytes[digits]! <= 0x39) digits++;
    const plain = digits === position && (bytes[at] !== 0x30 || position === at + 1);
    if (!plain && !NUMBER.test(bytes.toString('latin1', at, position)))
      throw new JsonFault(at, 'a number is not valid');
    return position;
  }

  /** Where a run of plain characters ends: eight bytes at a time, then one by one. */
  #plainEnd(at: number, end: number): number {
    let position = at;
    const view = this.#view;
    for (const last = end - 8; position <= last; position += 8) {
      if (hasSpecial(view.getInt32(position, true)) || hasSpecial(view.getInt32(position + 4, true))) break;
    }
    const bytes = this.#bytes;
    while (position < end && ENDS_RUN[bytes[position]!] === 0) position++;
    return position;
  }

  #escape(at: number, end: number): number {
    const bytes = this.#bytes;
    const kind = at + 1 < end ? String.fromCharCode(bytes[at + 1]!) : '';
    if (kind !== '' && '"\\/bfnrt'.includes(kind)) return at + 2;
    if (kind === 'u' && at + 6 <= end) {
      const hex = HEX[bytes[at + 2]!]! + HEX[bytes[at + 3]!]! + HEX[bytes[at + 4]!]! + HEX[bytes[at + 5]!]!;
      if (hex === 4) return at + 6;
    }
    throw new JsonFault(at, 'an escape in a string is not valid');
  }

  /** The position behind an empty container, or minus the position of the first value of one that is now open. */
  #openContainer(at: number, end: number, kind: number): number {
    if (this.#depth === MAX_JSON_DEPTH)
      throw new JsonFault(at, `nested deeper than ${MAX_JSON_DEPTH} levels`, true);
    const inside = this.skipWhitespace(at + 1, end);
    if (inside < end && this.#bytes[inside] === (kind === OPEN_BRACE ? CLOSE_BRACE : CLOSE_BRACKET))
      return inside + 1;
    openContainers[this.#depth++] = kind;
    return -(kind === OPEN_BRACE ? this.#name(inside, end) : inside);
  }

  /** After a value: closes what ends here, up to the start of the next value or the end of the outermost one. */
  #closeContainers(at: number, end: number): number {
    let position = at;
    while (this.#depth > 0) {
      position = this.skipWhitespace(position, end);
      const byte = position < end ? this.#bytes[position] : -1;
      const inObject = openContainers[this.#depth - 1] === OPEN_BRACE;
      if (byte === COMMA)
        return inObject ? this.#name(this.skipWhitespace(position + 1, end), end) : position + 1;
      if (byte !== (inObject ? CLOSE_BRACE : CLOSE_BRACKET)) {
        throw this.unexpected(position, inObject ? '"," or "}"' : '"," or "]"', end);
      }
      position++;
      this.#depth--;
    }
    return position;
  }

  /** The position after `"name" :`. */
  #name(at: number, end: number): number {
    if (at >= end || this.#bytes[at] !== QUOTE) throw this.unexpected(at, 'a name in quotes', end);
    const position = this.skipWhitespace(this.string(at, end), end);
    if (position >= end || this.#bytes[position] !== COLON) throw this.unexpected(position, '":"', end);
    return position + 1;
  }

  #scalar(at: number, end: number, byte: number): number {
    if (byte === QUOTE) return this.string(at, end);
    if (byte === 0x2d || (byte >= 0x30 && byte <= 0x39)) return this.number(at, end);
    const literal = LITERALS.get(byte);
    const last = at + (literal?.length ?? 0);
    if (
      literal === undefined ||
      last > end ||
      this.#bytes.compare(literal, 0, literal.length, at, last) !== 0
    ) {
      throw this.unexpected(at, 'a value', end);
    }
    return last;
  }

  unexpected(at: number, wanted: string, end = this.#end): JsonFault {
    if (at >= end) return new JsonFault(end, `it ends where ${wanted} should be`);
    const byte = this.#bytes[at]!;
    const printable = byte > 0x20 && byte < 0x7f;
    const shown = printable
      ? `"${String.fromCharCode(byte)}"`
      : `byte 0x${byte.toString(16).padStart(2, '0')}`;
    return new JsonFault(at, `${shown} where ${wanted} should be`);
  }
}

/** Whether one of four bytes is below 0x20, a quote or a backslash: each test leaves the top bit of such a byte. */
function hasSpecial(four: number): boolean {
  const quote = four ^ 0x22222222;
  const backslash = four ^ 0x5c5c5c5c;
  const found =
    ((four - 0x20202020) & ~four) | ((quote - 0x01010101) & ~quote) | ((backslash - 0x01010101) & ~backslash);
  return (found & 0x80808080) !== 0;
}
