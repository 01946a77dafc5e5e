/**
 * FollowedFile: a growing file, whole lines of which go to a sink as they come, also where it is renamed and begun anew (as
 * logrotate does) or cut off and begun anew (its copytruncate). It goes on where its state says; what files hold that were
 * rotated since comes first.
 */
import { type FileHandle, open, stat } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { codingOf, decoded, openReadable } from '../ingest-inputs.ts';
import type { InputPlace } from '../ingest-packer.ts';
import { LineJoiner } from '../line-joiner.ts';
import { HEAD_BYTES, identityOf, isSameFile } from './file-identity.ts';
import type { FollowState } from './follow-state.ts';
import { rotatedSince } from './rotated-files.ts';

/** Where the lines go. */
export interface FollowSink {
  /** Lines from this place of a file come now; all that came before is stored. */
  begin(place: InputPlace): Promise<void>;
  /** Whole lines; resolves when there is room for more. */
  push(wholeLines: Buffer): Promise<void>;
  /** No line came for a while: what has gathered is complete. */
  idle(): void;
  /** No more lines come from here; resolves when all of them are stored. */
  end(): Promise<void>;
  /** The lines of the batch that was on its way, from this place on. Resolves when they are stored, once. */
  resend(lines: Buffer, place: InputPlace): Promise<void>;
}

export interface FollowOptions {
  pollMs: number;
  /** How long a rotated file may stay as it is before it counts as complete: programs notice a rotation late. */
  graceMs: number;
  maxLineBytes: number;
  say(text: string): void;
}

const PIECE_BYTES = 1024 * 1024;
const START: InputPlace = { position: 0, line: 1 };

export class FollowedFile {
  readonly #path: string;
  readonly #state: FollowState;
  readonly #sink: FollowSink;
  readonly #options: FollowOptions;
  readonly #signal: AbortSignal;
  #joiner: LineJoiner;

  /** Follows until `signal` aborts. */
  constructor(
    path: string,
    state: FollowState,
    sink: FollowSink,
    options: FollowOptions,
    signal: AbortSignal,
  ) {
    this.#path = path;
    this.#state = state;
    this.#sink = sink;
    this.#options = options;
    this.#signal = signal;
    this.#joiner = new LineJoiner(options.maxLineBytes);
  }

  /** Resolves once it is stopped; whole lines that were read by then are with the sink. */
  async run(): Promise<void> {
    for (let handle = await this.#openFirst(); handle !== undefined; handle = await this.#openNext()) {
      try {
        if (!(await this.#followToEnd(handle))) return;
      } finally {
        await handle.close();
      }
    }
  }

  /** The file to begin with, with the sink at its place. */
  async #openFirst(): Promise<FileHandle | undefined> {
    const { place } = this.#state;
    if (place === undefined) return this.#beginFile((await openReadable(this.#path)).handle);
    const current = await this.#openCurrent();
    const isKnown = current !== undefined && (await this.#isKnown(current));
    const isAnother = isKnown && (await current.stat()).ino !== place.identity.inode;
    const [old] = isKnown && !isAnother ? [] : await rotatedSince(this.#path, place.identity);
    if (isKnown && old === undefined) {
      const pieces = readPieces(current, this.#path, place.position);
      await this.#resume(pieces);
      await pieces.return(undefined);
      return current;
    }
    await current?.close();
    if (old !== undefined) await this.#readWhole(old, true);
    else if (current !== undefined) this.#sayLost(place.position);
    return this.#openNext();
  }

  /** The file that has the name now, at its begin; first what was rotated since the last one was read. Undefined when it is stopped. */
  async #openNext(): Promise<FileHandle | undefined> {
    while (!this.#signal.aborted) {
      // Opened before anything else is looked for: what is rotated from now on is this one, or newer.
      const current = await this.#openCurrent();
      const [, ...newer] = await rotatedSince(this.#path, this.#state.place!.identity);
      if (newer.length === 0 && current !== undefined) return this.#beginFile(current);
      await current?.close();
      for (const path of newer) await this.#readWhole(path, false);
      if (newer.length === 0) await this.#pause();
    }
    return undefined;
  }

  #openCurrent(): Promise<FileHandle | undefined> {
    return open(this.#path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return undefined;
      throw error;
    });
  }

  /** Whether it is the file that the state is about, with all that was read of it. */
  async #isKnown(handle: FileHandle): Promise<boolean> {
    const { identity, position, sending } = this.#state.place!;
    const { size } = await handle.stat();
    return size >= Math.max(position, sending ?? 0) && (await isSameFile(handle, identity));
  }

  #sayLost(position: number): void {
    this.#options.say(
      `what ${this.#path} was is gone: lines behind its byte ${position} are lost, if there were any; going on with what it is now`,
    );
  }

  async #beginFile(handle: FileHandle): Promise<FileHandle> {
    await this.#state.begin(await identityOf(handle));
    await this.#beginAt(START);
    return handle;
  }

  async #beginAt(place: InputPlace): Promise<void> {
    this.#joiner = new LineJoiner(this.#options.maxLineBytes);
    await this.#sink.begin(place);
  }

  /** Sends the batch again that was on its way, out of the pieces from the state's place on, and leaves the sink behind it. */
  async #resume(pieces: AsyncGenerator<Buffer>): Promise<Buffer> {
    const { position, line, sending } = this.#state.place!;
    let rest: Buffer = Buffer.alloc(0);
    if (sending !== null) {
      const taken: Buffer[] = [];
      let missing = sending - position;
      while (missing > 0) {
        const { value, done } = await pieces.next();
        if (done) break;
        taken.push(value.subarray(0, missing));
        rest = value.subarray(missing);
        missing -= Math.min(missing, value.length);
      }
      await this.#sink.resend(Buffer.concat(taken), { position, line });
    }
    await this.#beginAt(this.#state.place!);
    return rest;
  }

  /** Reads a file that does not grow any more: from the state's place where it is what the state `isAbout`, else all of it. */
  async #readWhole(path: string, isAbout: boolean): Promise<void> {
    const { handle } = await openReadable(path);
    try {
      if (!isAbout) await this.#beginFile(handle);
      const pieces = readPieces(handle, path, this.#state.place!.position);
      await this.#take(await this.#resume(pieces));
      for await (const piece of pieces) {
        if (this.#signal.aborted) return;
        await this.#take(piece);
      }
      await this.#endFile();
    } finally {
      await handle.close();
    }
  }

  async #take(piece: Buffer): Promise<void> {
    await this.#sink.push(this.#joiner.push(piece));
  }

  /** What has no newline at the end of a file that is complete is a line, too. */
  async #endFile(): Promise<void> {
    await this.#sink.push(this.#joiner.end());
    await this.#sink.end();
  }

  /** Follows a file until it is rotated and complete; false when it is stopped. */
  async #followToEnd(handle: FileHandle): Promise<boolean> {
    let at = this.#state.place!.position;
    let checkedSize = -1;
    let stillSince = performance.now();
    while (!this.#signal.aborted) {
      const { size } = await handle.stat();
      if (size < at || (size !== checkedSize && !(await this.#isStillSame(handle)))) {
        this.#options.say(`${this.#path} was cut off and begun anew; going on at its begin`);
        await this.#endFile();
        await this.#beginFile(handle);
        at = 0;
      }
      checkedSize = size;
      if (size > at) {
        const piece = Buffer.allocUnsafe(Math.min(PIECE_BYTES, size - at));
        const { bytesRead } = await handle.read(piece, 0, piece.length, at);
        at += bytesRead;
        stillSince = performance.now();
        await this.#take(piece.subarray(0, bytesRead));
        continue;
      }
      this.#sink.idle();
      if (performance.now() - stillSince >= this.#options.graceMs && (await this.#isRotated(handle))) {
        await this.#endFile();
        return true;
      }
      await this.#pause();
    }
    return false;
  }

  /** Whether the file begins as it did; takes note of more of its begin where little was known. */
  async #isStillSame(handle: FileHandle): Promise<boolean> {
    const { identity } = this.#state.place!;
    if (!(await isSameFile(handle, identity))) return false;
    if (identity.headBytes < HEAD_BYTES) {
      const now = await identityOf(handle);
      if (now.headBytes > identity.headBytes) await this.#state.update({ identity: now });
    }
    return true;
  }

  /** Another file has the name now. */
  async #isRotated(handle: FileHandle): Promise<boolean> {
    const named = await stat(this.#path).catch(() => undefined);
    const { dev, ino } = await handle.stat();
    return named !== undefined && (named.dev !== dev || named.ino !== ino);
  }

  async #pause(): Promise<void> {
    await delay(this.#options.pollMs, undefined, { signal: this.#signal }).catch(() => {});
  }
}

/** What is in a file from a position on, up to its end as it is now. */
async function* readPieces(handle: FileHandle, path: string, position: number): AsyncGenerator<Buffer> {
  const coding = await codingOf(handle);
  const start = coding === undefined ? position : 0;
  const stream = handle.createReadStream({ start, highWaterMark: PIECE_BYTES, autoClose: false });
  if (coding === undefined) {
    yield* stream;
    return;
  }
  let skip = position;
  for await (const piece of decoded(path, coding, stream)) {
    if (piece.length > skip) yield piece.subarray(skip);
    skip = Math.max(0, skip - piece.length);
  }
}
