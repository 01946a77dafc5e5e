/**
 * Finds the tokens (tokens.ts) of an event in its bytes, several times as fast as by way of text: JSON is gone through once
 * and no object made of it. What has letters beyond ASCII, or is written with `\u`, goes by way of text all the same, string by
 * string.
 *
 * It may find more tokens than there are, where half a string was gone through twice, and never fewer.
 */
import { type FieldSink, FieldWatch } from './field-watch.ts';
import {
  dottedToken,
  FIELD_MARK,
  fieldValueToken,
  finishToken,
  HASH_PRIME,
  HASH_START,
  hashText,
  MAX_FIELD_VALUE_BYTES,
  type Token,
  textTokens,
} from './tokens.ts';
import { fold } from './words.ts';

/** Takes each token that is found, most of them more than once. */
export interface TokenSink {
  add(token: Token): void;
}

const [QUOTE, BACKSLASH, COMMA, DOT, COLON, SPACE] = [0x22, 0x5c, 0x2c, 0x2e, 0x3a, 0x20];
const [OPEN_BRACE, CLOSE_BRACE, OPEN_BRACKET, CLOSE_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];

/** What a byte is to a word: itself in small letters, 0 between words, or this, which needs another look. */
const LEAVE = 1;
const KINDS = new Uint8Array(256).fill(LEAVE, 0x80);
for (const letter of '0123456789_abcdefghijklmnopqrstuvwxyz') {
  KINDS[letter.charCodeAt(0)] = letter.charCodeAt(0);
  KINDS[letter.toUpperCase().charCodeAt(0)] = letter.charCodeAt(0);
}
KINDS[QUOTE] = LEAVE;
KINDS[BACKSLASH] = LEAVE;
/** An escape of one letter stands between words, whichever it is; `\u` may not. */
const UNICODE_ESCAPE = 0x75;
/** A string's bytes, where each character of it is written as six. */
const MAX_ESCAPED_BYTES = 6 * MAX_FIELD_VALUE_BYTES;
/** As deep as an event goes (json-scanner.ts). */
const MAX_DEPTH = 128;

export class TokenScanner {
  readonly #sink: TokenSink;
  /** Of the container at each depth: the hash of its path, whether it has one, and whether its members have names. */
  readonly #paths = new Int32Array(MAX_DEPTH + 1);
  readonly #hasPath = new Uint8Array(MAX_DEPTH + 1);
  readonly #named = new Uint8Array(MAX_DEPTH + 1);
  /** The hash of the path that leads to the name that was read last. */
  #path = 0;
  readonly #watch: FieldWatch | undefined;

  /** Also tells the values of the fields with these paths. */
  constructor(sink: TokenSink, fields: readonly string[] = [], values?: FieldSink) {
    this.#sink = sink;
    if (values !== undefined && fields.length > 0) this.#watch = new FieldWatch(fields, values);
  }

  /** Of the JSON object in [at, end), which is known to be one. */
  object(bytes: Buffer, at: number, end: number): void {
    let depth = -1;
    let isName = false;
    this.#path = HASH_START;
    let hasPath = 0;
    for (let position = at; position < end; ) {
      const byte = bytes[position]!;
      if (byte === QUOTE) {
        const close = endOfString(bytes, position + 1);
        if (isName) {
          hasPath = this.#name(bytes, position, close, depth);
          this.#watch?.name(bytes, position, close, depth);
          isName = false;
        } else {
          this.#string(bytes, position + 1, close);
          this.#watch?.text(this.#path, bytes, position, close, depth);
        }
        position = close + 1;
      } else if (byte <= SPACE || byte === COLON) {
        position++;
      } else if (byte === COMMA) {
        isName = this.#named[depth] === 1;
        position++;
      } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
        this.#watch?.container(this.#path, depth);
        depth++;
        this.#paths[depth] = this.#path;
        this.#hasPath[depth] = hasPath;
        isName = byte === OPEN_BRACE;
        this.#named[depth] = isName ? 1 : 0;
        position++;
      } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
        depth--;
        isName = false;
        // An element of an array may follow, which has no name of its own.
        if (depth >= 0) {
          this.#path = this.#paths[depth]!;
          hasPath = this.#hasPath[depth]!;
        }
        position++;
      } else {
        const behind = this.#scalar(bytes, position, end);
        this.#watch?.scalar(this.#path, bytes, position, behind, depth);
        position = behind;
      }
    }
  }

  /** Of bytes that are text all of it. */
  text(bytes: Buffer, at: number, end: number): void {
    if (isPlain(bytes, at, end)) this.#words(bytes, at, end, false);
    else this.#decoded(bytes.toString('utf8', at, end));
  }

  /** The path to the member of the container at `depth` whose name is in quotes; returns whether it has one. */
  #name(bytes: Buffer, open: number, close: number, depth: number): number {
    const hasPath = this.#hasPath[depth]!;
    let hash = this.#paths[depth]!;
    if (hasPath === 1) hash = Math.imul(hash ^ DOT, HASH_PRIME);
    for (let i = open + 1; i < close; i++) {
      const byte = bytes[i]!;
      if (byte >= 0x80 || byte === BACKSLASH) {
        const name: string = JSON.parse(bytes.toString('utf8', open, close + 1));
        this.#path = hashText(hasPath === 1 ? `.${name}` : name, this.#paths[depth]!);
        return 1;
      }
      hash = Math.imul(hash ^ byte, HASH_PRIME);
    }
    this.#path = hash;
    return hasPath === 1 || close > open + 1 ? 1 : 0;
  }

  /** Of the text of a string in [start, end), as it is between the quotes. */
  #string(bytes: Buffer, start: number, end: number): void {
    if (!this.#words(bytes, start, end, true)) {
      const text: string = JSON.parse(bytes.toString('utf8', start - 1, end + 1));
      this.#decoded(text);
      this.#fieldOfText(text);
    } else if (end - start <= MAX_FIELD_VALUE_BYTES) {
      this.#field(bytes, start, end);
    } else if (end - start <= MAX_ESCAPED_BYTES && bytes.subarray(start, end).includes(BACKSLASH)) {
      this.#fieldOfText(JSON.parse(bytes.toString('utf8', start - 1, end + 1)));
    }
  }

  /** Of a number, true, false or null; returns where it ends. */
  #scalar(bytes: Buffer, start: number, limit: number): number {
    let end = start + 1;
    while (end < limit) {
      const byte = bytes[end]!;
      if (byte <= SPACE || byte === COMMA || byte === CLOSE_BRACE || byte === CLOSE_BRACKET) break;
      end++;
    }
    // Numbers begin with digits or a minus, the others with small letters.
    if (bytes[start]! < 0x60) this.#words(bytes, start, end, true);
    if (end - start <= MAX_FIELD_VALUE_BYTES) this.#field(bytes, start, end);
    return end;
  }

  /** Of plain bytes. False where that does not do: letters beyond ASCII, or escapes of them, where there may be any. */
  #words(bytes: Buffer, start: number, end: number, inJson: boolean): boolean {
    const sink = this.#sink;
    let hash = HASH_START;
    let length = 0;
    let pointsInNumbers = 0;
    for (let i = start; i < end; i++) {
      const kind = KINDS[bytes[i]!]!;
      if (kind > LEAVE) {
        hash = Math.imul(hash ^ kind, HASH_PRIME);
        length++;
        continue;
      }
      if (length > 0) {
        sink.add(finishToken(hash));
        hash = HASH_START;
        length = 0;
        if (bytes[i] === DOT && isDigit(bytes[i - 1]!)) pointsInNumbers++;
      }
      if (kind === LEAVE && inJson) {
        if (bytes[i] !== BACKSLASH || bytes[i + 1] === UNICODE_ESCAPE) return false;
        i++;
      }
    }
    if (length > 0) sink.add(finishToken(hash));
    if (pointsInNumbers >= 3) this.#dottedNumbers(bytes, start, end, inJson);
    return true;
  }

  /** Of four numbers with points between them, in plain bytes. */
  #dottedNumbers(bytes: Buffer, start: number, end: number, inJson: boolean): void {
    let numbers: number[] = [];
    for (let i = start; i < end; ) {
      const first = i;
      let hash = HASH_START;
      let digits = true;
      for (; i < end && KINDS[bytes[i]!]! > LEAVE; i++) {
        digits &&= isDigit(bytes[i]!);
        hash = Math.imul(hash ^ bytes[i]!, HASH_PRIME);
      }
      const isNumber = digits && i > first;
      numbers = isNumber ? [...numbers.slice(-3), hash] : [];
      if (numbers.length === 4)
        this.#sink.add(dottedToken(numbers[0]!, numbers[1]!, numbers[2]!, numbers[3]!));
      if (i < end && !(isNumber && bytes[i] === DOT)) numbers = [];
      i += inJson && bytes[i] === BACKSLASH ? 2 : 1;
    }
  }

  /** Of a value that is short, as it is in the JSON. */
  #field(bytes: Buffer, start: number, end: number): void {
    let hash = Math.imul(this.#path ^ FIELD_MARK, HASH_PRIME);
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!;
      if (byte === BACKSLASH) {
        this.#fieldOfText(JSON.parse(bytes.toString('utf8', start - 1, end + 1)));
        return;
      }
      hash = Math.imul(hash ^ (byte >= 0x41 && byte <= 0x5a ? byte | 0x20 : byte), HASH_PRIME);
    }
    this.#sink.add(finishToken(hash));
  }

  #fieldOfText(text: string): void {
    if (text.length > MAX_FIELD_VALUE_BYTES) return;
    const value = Buffer.from(fold(text));
    if (value.length <= MAX_FIELD_VALUE_BYTES) this.#sink.add(fieldValueToken(this.#path, value));
  }

  #decoded(text: string): void {
    for (const token of textTokens(text)) this.#sink.add(token);
  }
}

function isPlain(bytes: Buffer, at: number, end: number): boolean {
  for (let i = at; i < end; i++) if (bytes[i]! >= 0x80) return false;
  return true;
}

const isDigit = (byte: number): boolean => byte >= 0x30 && byte <= 0x39;

/** Where the string ends that begins at `at`: at its closing quote. */
function endOfString(bytes: Buffer, at: number): number {
  let position = at;
  while (bytes[position] !== QUOTE) position += bytes[position] === BACKSLASH ? 2 : 1;
  return position;
}
