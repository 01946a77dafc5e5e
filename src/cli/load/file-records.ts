/**
 * FileRecords: the lines of a file as the values of records, one after the other and then from the beginning again. They are
 * held in memory, so that reading does not disturb the load; of a large file the first part has to do.
 */
import { isUtf8 } from 'node:buffer';
import { createReadStream } from 'node:fs';
import type { KeyPicker, MadeRecord, RecordSource } from '../../server/index.ts';
import { forEachLine, LineJoiner } from '../line-joiner.ts';

/** How values, keys and headers are written in a request. */
export type TextEncoding = 'text' | 'base64';

export interface FileLines {
  values: string[];
  /** base64 where a line is no UTF-8: no byte of it is changed. */
  encoding: TextEncoding;
  /** The file has more lines. */
  cut: boolean;
}

export const MOST_FILE_BYTES = 64 * 1024 * 1024;

/** Throws an Error for a file that cannot be read, or has no lines. */
export async function readLines(path: string, mostBytes = MOST_FILE_BYTES): Promise<FileLines> {
  const joiner = new LineJoiner(mostBytes);
  const pieces: Buffer[] = [];
  let bytes = 0;
  let cut = false;
  for await (const chunk of createReadStream(path) as AsyncIterable<Buffer>) {
    const whole = joiner.push(chunk);
    cut = bytes + whole.length > mostBytes;
    if (cut) break;
    bytes += whole.length;
    pieces.push(whole);
  }
  if (!cut) pieces.push(joiner.end());
  const encoding = pieces.every((piece) => isUtf8(piece)) ? 'text' : 'base64';
  const values: string[] = [];
  for (const piece of pieces)
    forEachLine(piece, (line) => values.push(line.toString(encoding === 'text' ? 'utf8' : 'base64')));
  if (values.length === 0) throw new Error(`${path} has no lines to make records of`);
  return { values, encoding, cut };
}

export class FileRecords implements RecordSource {
  readonly #values: readonly string[];
  readonly #keys: KeyPicker | undefined;
  readonly #keyName: (number: number) => string;
  #next = 0;

  /** Keys are drawn; without `keys` there are none. */
  constructor(values: readonly string[], keys: KeyPicker | undefined, keyName: (number: number) => string) {
    this.#values = values;
    this.#keys = keys;
    this.#keyName = keyName;
  }

  next(): MadeRecord {
    const value = this.#values[this.#next]!;
    this.#next = (this.#next + 1) % this.#values.length;
    return { key: this.#keys === undefined ? null : this.#keyName(this.#keys.draw()), value };
  }
}
