/**
 * FieldDictionary: the values that an indexed field has in a segment, which blocks have each of them, and how often and when they
 * occur. A value is the text of a scalar (of `source` and `level`, what event.ts makes of them); null stands for events
 * without one.
 *
 * It is complete or of no use: where a field has too many values, or too long ones, it has none.
 */
import type { BlockSet } from './block-set.ts';

export const MAX_DICTIONARY_VALUES = 4096;
/** Of all values together, in characters. */
export const MAX_DICTIONARY_TEXT = 256 * 1024;

export interface FieldValue {
  readonly text: string | null;
  /** Events. */
  readonly count: number;
  readonly firstTime: number;
  readonly lastTime: number;
  readonly blocks: BlockSet;
}

export class FieldDictionary {
  readonly name: string;
  /** False: nothing is known of the field. */
  readonly complete: boolean;
  readonly values: readonly FieldValue[];
  /** Blocks with an event that has something else there than one scalar: a list, say. They may have any value. */
  readonly mixed: BlockSet;

  constructor(name: string, complete: boolean, values: readonly FieldValue[], mixed: BlockSet) {
    this.name = name;
    this.complete = complete;
    this.values = values;
    this.mixed = mixed;
  }

  blocksWhere(passes: (value: string | null) => boolean): BlockSet {
    let blocks = this.mixed;
    for (const value of this.values) if (passes(value.text)) blocks = blocks.or(value.blocks);
    return blocks;
  }
}
