/**
 * The byte order mark that some programs put before JSON in UTF-8 (EF BB BF): it says nothing there, and is passed over, as
 * RFC 8259 allows. Values that are taken as bytes keep it.
 */
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

export function withoutMark(body: Buffer): Buffer {
  return MARK.equals(body.subarray(0, MARK.length)) ? body.subarray(MARK.length) : body;
}

/** Of a body that comes in pieces. */
export async function* piecesWithoutMark(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let first: Buffer | undefined = Buffer.alloc(0);
  for await (const piece of pieces) {
    if (first === undefined) {
      yield piece;
      continue;
    }
    first = first.length === 0 ? piece : Buffer.concat([first, piece]);
    if (first.length < MARK.length && MARK.indexOf(first) === 0) continue;
    const rest = withoutMark(first);
    first = undefined;
    if (rest.length > 0) yield rest;
  }
  if (first !== undefined && first.length > 0) yield first;
}
