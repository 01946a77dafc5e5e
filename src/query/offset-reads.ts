/**
 * Reading a range of offsets by way of the engine, piece by piece: for records that are in no file yet, and for those that were
 * not found where they had been. The engine knows where they are by now, what has been deleted, and what is damaged.
 */
import { type Engine, isSeglogError } from '../engine/index.ts';
import type { OffsetRange } from './survey.ts';

const PIECE_BYTES = 1024 * 1024;

export interface ReadPiece {
  /** Copies, in memory of their own. */
  readonly chunks: Uint8Array[];
  readonly bytes: number;
  /** Where the next piece begins. */
  readonly nextOffset: number;
}

/** Offsets that cannot be read. */
export interface UnreadableRange {
  readonly partition: number;
  readonly firstOffset: number;
  readonly endOffset: number;
}

/** The records of a range; `unreadable` is told of damage, which is passed over. */
export async function* readOffsets(
  engine: Engine,
  topic: string,
  range: OffsetRange,
  unreadable: (range: UnreadableRange) => void,
): AsyncGenerator<ReadPiece> {
  const { partition, endOffset } = range;
  let offset = range.firstOffset;
  while (offset < endOffset) {
    try {
      const read = await engine.read(topic, partition, { offset, maxBytes: PIECE_BYTES });
      if (read.nextOffset <= offset) return;
      offset = read.nextOffset;
      const chunks = read.chunks.map((chunk) => Uint8Array.from(chunk));
      yield { chunks, bytes: read.bytes, nextOffset: offset };
    } catch (error) {
      if (isSeglogError(error, 'OFFSET_OUT_OF_RANGE')) {
        // Deleted meanwhile; where the topic was made anew there is nothing of what was meant.
        if (Number(error.details.logStartOffset) <= offset) return;
        offset = Number(error.details.logStartOffset);
      } else if (isSeglogError(error, 'CORRUPT_MESSAGE')) {
        const end = Math.min(endOffset, Math.max(offset + 1, Number(error.details.endOffset)));
        unreadable({ partition, firstOffset: offset, endOffset: end });
        offset = end;
      } else {
        throw error;
      }
    }
  }
}
