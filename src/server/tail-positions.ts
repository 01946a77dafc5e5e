/** How far all partitions of a topic came, as the id of a server-sent event: opaque to clients, and of that topic alone. */

/** Enough of a topic's id to notice that the topic was deleted and made again. */
const ID_DIGITS = 12;
const MAX_BYTES = 16_384;

export function encodePositions(topicId: string, positions: readonly number[]): string {
  const bytes: number[] = [];
  for (const position of positions) {
    let rest = position;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
    bytes.push(rest);
  }
  return `${topicId.slice(0, ID_DIGITS)}-${Buffer.from(bytes).toString('base64url')}`;
}

/** Undefined where this is no such id, or one of another topic. */
export function decodePositions(id: string, topicId: string): number[] | undefined {
  const match = /^([0-9a-f]+)-([\w-]+)$/.exec(id);
  if (match?.[1] !== topicId.slice(0, ID_DIGITS)) return undefined;
  const bytes = Buffer.from(match[2]!, 'base64url');
  if (bytes.length > MAX_BYTES) return undefined;
  const positions: number[] = [];
  let position = 0;
  let unit = 1;
  for (const byte of bytes) {
    position += (byte & 0x7f) * unit;
    unit *= 0x80;
    if (!Number.isSafeInteger(position)) return undefined;
    if (byte >= 0x80) continue;
    positions.push(position);
    position = 0;
    unit = 1;
  }
  return unit === 1 ? positions : undefined;
}
