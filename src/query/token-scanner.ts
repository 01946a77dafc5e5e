/**
 * Finds the tokens (tokens.ts) of events in their bytes, and the values of some fields. What is ordinary the kernel reads; strings
 * with letters beyond ASCII, names with such or with escapes, and what is very long, are read here, by way of text.
 *
 * It may find more tokens than there are, never fewer.
 */
import { parseValues, scalarText } from './event-values.ts';
import { MORE, type TokenKernel, UNREAD } from './token-kernel.ts';
import { fieldToken, hashText, pathToken, textTokens } from './tokens.ts';

/** Takes the values of some fields, by the place of their path among those that are asked for. */
export interface FieldSink {
  /** A scalar of the field: the text of a string, a number as it is written, true or false. */
  value(field: number, text: string): void;
  /** Something else is there: an object, a list, null. */
  mixed(field: number): void;
}

/** What the kernel notes a value as. */
const STRING = 1;
const SCALAR = 2;
const NOTE_HEAD = 5;
const NULL_START = 0x6e;
/** No path is this one: half of a pair is no character. */
const ROOT = '\ud800';

export class TokenScanner {
  readonly #kernel: TokenKernel;
  readonly #fields: readonly string[];
  readonly #sink: FieldSink;

  /** Fields by the names that lead to them, joined by ".". */
  constructor(kernel: TokenKernel, fields: readonly string[], sink: FieldSink) {
    this.#kernel = kernel;
    this.#fields = fields;
    this.#sink = sink;
    kernel.watch(fields.map((path) => hashText(path)));
  }

  /** Of the JSON object in [at, end) of the kernel's input. */
  object(at: number, end: number): void {
    const scan = this.#kernel.scanObject(at, end);
    if (scan === UNREAD) {
      this.#value(parseValues(this.#kernel.bytes.toString('utf8', at, end)));
    } else if (scan === MORE) {
      this.#readLeft();
      this.#readNotes();
    }
  }

  /** Of [at, end) of the kernel's input, which is text all of it. */
  text(at: number, end: number): void {
    if (!this.#kernel.scanText(at, end)) this.#addText(this.#kernel.bytes.toString('utf8', at, end));
  }

  #readLeft(): void {
    const left = this.#kernel.left();
    for (let i = 0; i < left.length; i += 3) {
      const text = this.#string(left[i]!, left[i + 1]!);
      this.#addText(text);
      const token = pathToken(left[i + 2]!, text);
      if (token !== undefined) this.#kernel.add(token);
    }
  }

  /** The text of a string, by what lies between its quotes. */
  #string(start: number, end: number): string {
    return JSON.parse(this.#kernel.bytes.toString('utf8', start - 1, end + 1));
  }

  #addText(text: string): void {
    for (const token of textTokens(text)) this.#kernel.add(token);
  }

  #readNotes(): void {
    const { bytes } = this.#kernel;
    const notes = this.#kernel.notes();
    for (let i = 0; i < notes.length; ) {
      const [field, kind, start, end, names] = notes.subarray(i, i + NOTE_HEAD) as unknown as number[];
      const firstName = i + NOTE_HEAD;
      i = firstName + 2 * names!;
      // Other paths may have the same hash.
      if (this.#path(notes.subarray(firstName, i)) !== this.#fields[field!]) continue;
      if (kind === STRING) this.#sink.value(field!, this.#string(start!, end!));
      else if (kind === SCALAR && bytes[start!] !== NULL_START)
        this.#sink.value(field!, bytes.toString('latin1', start!, end!));
      else this.#sink.mixed(field!);
    }
  }

  /** By where each of its names begins and ends; zeros are lists, which add none. */
  #path(places: Uint32Array): string {
    const names: string[] = [];
    for (let i = 0; i < places.length; i += 2)
      if (places[i] !== 0) names.push(this.#kernel.bytes.toString('latin1', places[i], places[i + 1]));
    return names.join('.');
  }

  /** Of a value that was read as JSON; the event itself has no path. */
  #value(value: unknown, path = ROOT): void {
    const text = scalarText(value);
    if (text === undefined) {
      this.#members(value as object, path);
    } else {
      if (typeof value !== 'boolean' && value !== null) this.#addText(text);
      const token = fieldToken(path, text);
      if (token !== undefined) this.#kernel.add(token);
    }
    const field = this.#fields.indexOf(path);
    if (field < 0) return;
    if (text === undefined || value === null) this.#sink.mixed(field);
    else this.#sink.value(field, text);
  }

  #members(value: object, path: string): void {
    const isList = Array.isArray(value);
    for (const [name, each] of Object.entries(value))
      this.#value(each, isList ? path : path === ROOT ? name : `${path}.${name}`);
  }
}
