/**
 * FieldWatch: picks the values of some fields out of an event while TokenScanner goes through it. It is told of every name and
 * value; most of them the hash of their path shows to be of no interest, and what it does not, the names themselves do.
 */
import { hashText } from './tokens.ts';

/** Takes the values of some fields, by the place of their path among those that are watched. */
export interface FieldSink {
  /** A scalar of the field: the text of a string, a number as it is written, true or false. */
  value(field: number, text: string): void;
  /** Something else is there. */
  mixed(field: number): void;
}

const NULL_START = 0x6e;

interface WatchedField {
  readonly path: string;
  readonly hash: number;
}

export class FieldWatch {
  readonly #fields: readonly WatchedField[];
  readonly #sink: FieldSink;
  /** Of the container at each depth, the name that was read last: where it lies, quotes included. */
  readonly #names: { start: number; end: number }[] = [];
  #bytes: Buffer = Buffer.alloc(0);

  constructor(paths: readonly string[], sink: FieldSink) {
    this.#fields = paths.map((path) => ({ path, hash: hashText(path) }));
    this.#sink = sink;
  }

  /** A name, by its quotes. */
  name(bytes: Buffer, open: number, close: number, depth: number): void {
    this.#bytes = bytes;
    this.#names.length = depth;
    this.#names[depth] = { start: open, end: close + 1 };
  }

  text(pathHash: number, bytes: Buffer, open: number, close: number, depth: number): void {
    const field = this.#fieldOf(pathHash, depth);
    if (field >= 0) this.#sink.value(field, JSON.parse(bytes.toString('utf8', open, close + 1)));
  }

  scalar(pathHash: number, bytes: Buffer, start: number, end: number, depth: number): void {
    const field = this.#fieldOf(pathHash, depth);
    if (field < 0) return;
    if (bytes[start] === NULL_START) this.#sink.mixed(field);
    else this.#sink.value(field, bytes.toString('latin1', start, end));
  }

  container(pathHash: number, depth: number): void {
    const field = this.#fieldOf(pathHash, depth);
    if (field >= 0) this.#sink.mixed(field);
  }

  #fieldOf(pathHash: number, depth: number): number {
    return this.#fields.findIndex(({ hash, path }) => hash === pathHash && path === this.#pathAt(depth));
  }

  /** Containers without names, which are arrays, add nothing to it. */
  #pathAt(depth: number): string {
    let path = '';
    for (let i = 0; i <= depth; i++) {
      const name = this.#names[i];
      if (name === undefined) continue;
      const text: string = JSON.parse(this.#bytes.toString('utf8', name.start, name.end));
      path = path === '' ? text : `${path}.${text}`;
    }
    return path;
  }
}
