/** The task that fills a key map: notes the newest offset of each key of a range of segments. Its memory is the map and the walk's. */
import { batchAttributes, batchNextOffset, CONTROL } from '../format/record-batch.ts';
import { RecordCursor } from '../format/record-cursor.ts';
import { KEYS_AT_ONCE, KeyMap } from './key-map.ts';
import type { MapRequest, MapResult } from './rewrite-request.ts';
import { walkBatches } from './segment-walk.ts';
import type { TaskContext } from './task-context.ts';

/** All keys of records from `fromOffset` up to the result's end are in the map then. CORRUPT_MESSAGE for damage. */
export async function mapKeys(context: TaskContext, request: MapRequest): Promise<MapResult> {
  const map = new KeyMap(request.map);
  if (map.size > 0) map.clear();
  const result: MapResult = { endOffset: request.segments.at(-1)?.endOffset ?? 0, keys: 0, bytesRead: 0 };
  await walkBatches(context, request, (buffer, at, size) => {
    result.bytesRead += size;
    const full =
      batchNextOffset(buffer, at) > request.fromOffset ? mapBatch(map, buffer, at, request.fromOffset) : -1;
    if (full >= 0) result.endOffset = full;
    return full < 0;
  });
  result.keys = map.size;
  return result;
}

/** Offsets of the keys that are noted together. */
const offsets = new Float64Array(KEYS_AT_ONCE);

/** The offset of the first record whose key found no room, -1 when there is none. */
function mapBatch(map: KeyMap, buffer: Buffer, at: number, fromOffset: number): number {
  if ((batchAttributes(buffer, at) & CONTROL) !== 0) return -1;
  const record = new RecordCursor(buffer, at);
  for (;;) {
    let count = 0;
    while (count < KEYS_AT_ONCE && record.next()) {
      const offset = record.baseOffset + record.offsetDelta;
      if (record.keyStart < 0 || offset < fromOffset) continue;
      map.hash(count, record.buffer, record.keyStart, record.keyEnd);
      offsets[count++] = offset;
    }
    if (count === 0) return -1;
    map.load(count);
    for (let i = 0; i < count; i++) if (!map.put(i, offsets[i]!)) return offsets[i]!;
  }
}
