/** Takes the events of a body in, as they come. */
import type { IncomingMessage } from 'node:http';
import { ArrayLines } from './array-lines.ts';
import type { BodyLimits } from './body-reader.ts';
import { streamBody, streamBoundedBody } from './body-stream.ts';
import { piecesWithoutMark } from './byte-order-mark.ts';
import type { LineIntake } from './event-intake.ts';
import { type LineChunk, LineChunks } from './line-chunks.ts';

export interface TakeBodyOptions {
  /** The body has an event on each line; else it is JSON, an array of events most likely. */
  isLines: boolean;
  /** The body will be held whole. */
  isBounded: boolean;
  limits: BodyLimits;
  intake: LineIntake;
}

/** Resolves when all of the body is with the intake. @throws HttpProblem, as reading bodies does, and what the intake throws. */
export async function takeBody(
  request: IncomingMessage,
  { isLines, isBounded, limits, intake }: TakeBodyOptions,
): Promise<void> {
  const chunks = new LineChunks(limits.maxBytes, limits.budget);
  const array = isLines ? undefined : new ArrayLines();
  const take = async (chunk: LineChunk) => {
    if (chunk === 'too long') intake.pushTooLong(limits.maxBytes);
    else await intake.push(chunk);
  };
  try {
    const pieces = isBounded ? streamBoundedBody(request, limits) : streamBody(request, limits);
    for await (const piece of piecesWithoutMark(pieces)) {
      const lines = array?.push(piece) ?? piece;
      for (let at = 0; at < lines.length; ) {
        at = chunks.fill(lines, at);
        for (let chunk = chunks.next(); chunk !== undefined; chunk = chunks.next()) await take(chunk);
      }
    }
    array?.end();
    const rest = chunks.rest();
    if (rest !== undefined) await take(rest);
  } finally {
    chunks.close();
  }
}
