/**
 * Walks the frames of a journal file's present life, in order and in bounded memory: what the largest frame takes.
 *
 * A frame with another one behind it was durable: what is wrong with it is damage. So was one below the end that the next
 * file tells of. Any other one at the end of which not all batches are intact was never finished, so it was never
 * acknowledged.
 */
import type { FileHandle } from '../files/file-system.ts';
import { FileWindow } from '../files/file-window.ts';
import {
  alignUp,
  checkedFrameBytes,
  endBefore,
  FRAME_ALIGNMENT,
  FRAME_HEADER_BYTES,
  frameHeadBytes,
  isBoundBatch,
  JOURNAL_HEADER_BYTES,
  type JournalEnd,
  visitEntries,
} from '../format/journal-format.ts';

interface Place {
  position: number;
  /** Where the next frame begins. */
  end: number;
}

export interface ScannedFrame extends Place {
  kind: 'frame' | 'unfinished';
  /** What holds the frame, and where in it: valid until the next call. */
  bytes: Buffer;
  at: number;
  entries: number;
  /** Of how many entries the batch is not intact. */
  lost: number;
}

/** Bytes in which a frame was, of which not even the table can be read. */
export interface LostFrame extends Place {
  kind: 'lost';
}

export class JournalScanner {
  readonly #sequence: number;
  readonly #knownEnd: number;
  readonly #window: FileWindow;
  #position = JOURNAL_HEADER_BYTES;
  #intact = new Uint8Array(256);

  /** `knownEnd`: where the frames of this file ended, if that is known; 0 if not. */
  constructor(file: FileHandle, sequence: number, size: number, knownEnd = 0) {
    this.#sequence = sequence;
    this.#knownEnd = knownEnd;
    this.#window = new FileWindow(file, size);
  }

  /** What the first frame says of the file before this one. */
  async endBefore(): Promise<JournalEnd | undefined> {
    if ((await this.#checkedBytes(JOURNAL_HEADER_BYTES)) === 0) return undefined;
    const at = this.#window.find(JOURNAL_HEADER_BYTES, FRAME_HEADER_BYTES);
    return endBefore(this.#window.bytes, at, this.#sequence);
  }

  /** Undefined at the end. */
  async next(): Promise<ScannedFrame | LostFrame | undefined> {
    const position = this.#position;
    const frame = await this.#frameAt(position);
    if (frame === undefined) {
      const next = await this.#findFrame(position + FRAME_ALIGNMENT);
      const end = next < 0 ? this.#knownEnd : next;
      if (end <= position) return undefined;
      this.#position = end;
      return { kind: 'lost', position, end };
    }
    this.#position = frame.end;
    if (frame.lost === 0) return frame;
    const isLast = frame.end > this.#knownEnd && (await this.#findFrame(frame.end)) < 0;
    // Looking ahead may have moved the window.
    return { ...(await this.#frameAt(position))!, kind: isLast ? 'unfinished' : 'frame' };
  }

  /** Whether the batch of an entry of the frame that `next` returned last is intact. */
  isIntact(entry: number): boolean {
    return this.#intact[entry] === 1;
  }

  async #findFrame(from: number): Promise<number> {
    const window = this.#window;
    for (let position = from; position + FRAME_HEADER_BYTES <= window.end; position += FRAME_ALIGNMENT) {
      let at = window.find(position, FRAME_HEADER_BYTES);
      if (at < 0) at = await window.load(position, FRAME_HEADER_BYTES);
      if (at + FRAME_HEADER_BYTES > window.bytes.length) return -1;
      if (frameHeadBytes(window.bytes, at, this.#sequence, position) === 0) continue;
      if ((await this.#checkedBytes(position)) > 0) return position;
    }
    return -1;
  }

  async #frameAt(position: number): Promise<ScannedFrame | undefined> {
    const size = await this.#checkedBytes(position);
    if (size === 0) return undefined;
    const at = await this.#window.load(position, size);
    const { bytes } = this.#window;
    if (at + size > bytes.length) return undefined;
    let entries = 0;
    let lost = 0;
    visitEntries(bytes, at, (entryAt, _partition, batchAt, batchBytes) => {
      const intact = isBoundBatch(bytes, entryAt, batchAt, batchBytes);
      if (!intact) lost++;
      this.#note(entries++, intact);
    });
    return { kind: 'frame', position, end: alignUp(position + size), bytes, at, entries, lost };
  }

  /** The size of the frame there, without padding, once its head was found to be right; 0 where there is none. */
  async #checkedBytes(position: number): Promise<number> {
    const window = this.#window;
    if (position + FRAME_HEADER_BYTES > window.end) return 0;
    let at = window.find(position, FRAME_HEADER_BYTES);
    if (at < 0) at = await window.load(position, FRAME_HEADER_BYTES);
    if (at + FRAME_HEADER_BYTES > window.bytes.length) return 0;
    const headBytes = frameHeadBytes(window.bytes, at, this.#sequence, position);
    // Only what the rest of the file can hold is believed, so a damaged length costs no memory.
    if (headBytes === 0 || position + headBytes > window.end) return 0;
    at = await window.load(position, headBytes);
    if (at + headBytes > window.bytes.length) return 0;
    const size = checkedFrameBytes(window.bytes, at, headBytes);
    return position + size > window.end ? 0 : size;
  }

  #note(entry: number, intact: boolean): void {
    if (entry === this.#intact.length) {
      const larger = new Uint8Array(2 * entry);
      larger.set(this.#intact);
      this.#intact = larger;
    }
    this.#intact[entry] = intact ? 1 : 0;
  }
}
