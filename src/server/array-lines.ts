/**
 * ArrayLines: turns a JSON array, as it comes piece by piece, into lines with an element each, so that an array of any length is
 * read as lines are. What is no array is a value, or values on lines of their own.
 *
 * It looks for where elements end and for nothing else: whether they are valid is seen where the lines are read. Between
 * elements there has to be what JSON wants there. Line breaks in the whitespace of an element become blanks; one in a string,
 * where JSON has none, becomes another byte that JSON does not have there.
 */
import { HttpProblem } from './error-mapping.ts';

const [QUOTE, BACKSLASH, COMMA, OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [
  0x22, 0x5c, 0x2c, 0x5b, 0x5d, 0x7b, 0x7d,
];
const [NEWLINE, SPACE, CONTROL] = [0x0a, 0x20, 0x01];

const isBlank = (byte: number) => byte === SPACE || byte === NEWLINE || byte === 0x0d || byte === 0x09;

export class ArrayLines {
  #where: 'before' | 'array' | 'value' | 'behind' = 'before';
  /** Open brackets and braces of the element. */
  #depth = 0;
  #inString = false;
  #afterBackslash = false;
  /** The element, or what stands between two commas, has more than blanks. */
  #begun = false;
  /** A comma came: an element has to follow. */
  #wanted = false;
  #position = 0;

  /** The lines in the next piece, as many bytes. @throws HttpProblem invalid_json between elements. */
  push(piece: Buffer): Buffer {
    const lines = Buffer.from(piece);
    for (let i = 0; i < lines.length; i++) {
      const byte = lines[i]!;
      if (this.#inString) lines[i] = this.#string(byte);
      else if (isBlank(byte)) lines[i] = this.#endsLine(byte) ? NEWLINE! : SPACE!;
      else if (this.#where === 'array' || this.#where === 'value') lines[i] = this.#element(byte);
      else lines[i] = this.#around(byte);
      this.#position++;
    }
    return lines;
  }

  /** To be called at the end. @throws HttpProblem invalid_json where the array is not at its end. */
  end(): void {
    if (this.#where === 'array') throw this.#fault('the array does not end');
  }

  #endsLine(byte: number): boolean {
    return byte === NEWLINE && this.#where === 'value' && this.#depth === 0;
  }

  #string(byte: number): number {
    if (this.#afterBackslash) this.#afterBackslash = false;
    else if (byte === BACKSLASH) this.#afterBackslash = true;
    else if (byte === QUOTE) this.#inString = false;
    return byte === NEWLINE ? CONTROL! : byte;
  }

  /** A byte before the array or behind it. */
  #around(byte: number): number {
    if (this.#where === 'behind') throw this.#fault('more follows the array');
    this.#where = byte === OPEN_BRACKET ? 'array' : 'value';
    return byte === OPEN_BRACKET ? SPACE! : this.#element(byte);
  }

  #element(byte: number): number {
    if (this.#depth === 0 && this.#where === 'array') {
      if (byte === COMMA) return this.#nextElement();
      if (byte === CLOSE_BRACKET) return this.#endArray();
    }
    this.#begun = true;
    if (byte === QUOTE) this.#inString = true;
    else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.#depth++;
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && this.#depth > 0) this.#depth--;
    return byte;
  }

  #nextElement(): number {
    if (!this.#begun) throw this.#fault('"," where an element should be');
    this.#begun = false;
    this.#wanted = true;
    return NEWLINE!;
  }

  #endArray(): number {
    if (!this.#begun && this.#wanted) throw this.#fault('"]" where an element should be');
    this.#where = 'behind';
    return SPACE!;
  }

  #fault(message: string): HttpProblem {
    return new HttpProblem('invalid_json', `byte ${this.#position}: ${message}`, {
      position: this.#position,
    });
  }
}
