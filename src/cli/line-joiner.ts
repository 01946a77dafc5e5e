/**
 * LineJoiner: turns the chunks of a stream, cut anywhere, into pieces that end where a line ends.
 *
 * Only "\n" ends a line and no byte is changed, so the pieces and the rest, put together, are the stream.
 */
const NEWLINE = 0x0a;
const NOTHING = Buffer.alloc(0);

export class LineJoiner {
  readonly #maxLineBytes: number;
  #rest: Buffer[] = [];
  #restBytes = 0;

  constructor(maxLineBytes: number) {
    this.#maxLineBytes = maxLineBytes;
  }

  /** All whole lines that are known by now, their newlines included. Throws an Error when a line grows too long. */
  push(chunk: Buffer): Buffer {
    const end = chunk.lastIndexOf(NEWLINE) + 1;
    const whole = end === 0 ? NOTHING : this.#joined(chunk.subarray(0, end));
    if (end < chunk.length) {
      this.#rest.push(chunk.subarray(end));
      this.#restBytes += chunk.length - end;
    }
    if (this.#restBytes > this.#maxLineBytes) {
      throw new Error(`a line is longer than ${this.#maxLineBytes} bytes: no record can be so large`);
    }
    return whole;
  }

  /** The last line, when the stream did not end with a newline; else empty. */
  end(): Buffer {
    return this.#joined(NOTHING);
  }

  #joined(chunk: Buffer): Buffer {
    if (this.#restBytes === 0) return chunk;
    const joined = Buffer.concat([...this.#rest, chunk]);
    this.#rest = [];
    this.#restBytes = 0;
    return joined;
  }
}

/** Calls back with each line of `bytes`, without its newline. A rest without a newline is a line too. */
export function forEachLine(bytes: Buffer, visit: (line: Buffer) => void): void {
  for (let start = 0; start < bytes.length; ) {
    const newline = bytes.indexOf(NEWLINE, start);
    const end = newline < 0 ? bytes.length : newline;
    visit(bytes.subarray(start, end));
    start = end + 1;
  }
}

/** How many lines `bytes` hold. */
export function countLines(bytes: Buffer): number {
  let lines = 0;
  let at = bytes.indexOf(NEWLINE);
  let end = 0;
  while (at >= 0) {
    lines++;
    end = at + 1;
    at = bytes.indexOf(NEWLINE, end);
  }
  return end < bytes.length ? lines + 1 : lines;
}

/** The end of the last line that ends within `limit` bytes; of the first line when it is longer than that. */
export function lineEndWithin(bytes: Buffer, limit: number): number {
  if (bytes.length <= limit) return bytes.length;
  const last = limit === 0 ? -1 : bytes.lastIndexOf(NEWLINE, limit - 1);
  if (last >= 0) return last + 1;
  const first = bytes.indexOf(NEWLINE);
  return first < 0 ? bytes.length : first + 1;
}
