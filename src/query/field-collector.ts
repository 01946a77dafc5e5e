/** Collects the values of one indexed field while a segment is gone through, for its dictionary. */
import { BlockSet } from './block-set.ts';
import { FieldDictionary, MAX_DICTIONARY_TEXT, MAX_DICTIONARY_VALUES } from './field-dictionary.ts';

interface CollectedValue {
  readonly text: string | null;
  readonly number: number;
  count: number;
  firstTime: number;
  lastTime: number;
  /** In order, each once. */
  readonly blocks: number[];
}

export class FieldCollector {
  readonly name: string;
  readonly #values = new Map<string | null, CollectedValue>();
  readonly #mixed = new Set<number>();
  #textLength = 0;
  #complete = true;

  constructor(name: string) {
    this.name = name;
  }

  /** Values so far are all there are. */
  get complete(): boolean {
    return this.#complete;
  }

  /** An event with this value in a block; returns the number of the value, -1 where it has none any more. */
  add(text: string | null, time: number, block: number): number {
    if (!this.#complete) return -1;
    const value = this.#values.get(text) ?? this.#newValue(text, time, block);
    if (value === undefined) return -1;
    value.count++;
    if (time < value.firstTime) value.firstTime = time;
    if (time > value.lastTime) value.lastTime = time;
    if (value.blocks.at(-1) !== block) value.blocks.push(block);
    return value.number;
  }

  /** An event has more than one scalar there. */
  addMixed(block: number): void {
    this.#mixed.add(block);
  }

  dictionary(blocks: number): FieldDictionary {
    const setOf = (members: Iterable<number>) => {
      const set = BlockSet.none(blocks);
      for (const block of members) set.add(block);
      return set;
    };
    const values = [...this.#values.values()].map(
      ({ text, count, firstTime, lastTime, blocks: members }) => ({
        text,
        count,
        firstTime,
        lastTime,
        blocks: setOf(members),
      }),
    );
    return new FieldDictionary(this.name, this.#complete, values, setOf(this.#mixed));
  }

  #newValue(given: string | null, time: number, block: number): CollectedValue | undefined {
    const text = given?.toWellFormed() ?? null;
    if (text !== given) {
      // What has no UTF-8 cannot be stored as it is, so whoever looks for it gets no answer from the dictionary.
      this.addMixed(block);
      const known = this.#values.get(text);
      if (known !== undefined) return known;
    }
    this.#textLength += text?.length ?? 0;
    if (this.#values.size >= MAX_DICTIONARY_VALUES || this.#textLength > MAX_DICTIONARY_TEXT) {
      this.#complete = false;
      this.#values.clear();
      return undefined;
    }
    const number = this.#values.size;
    const value = { text, number, count: 0, firstTime: time, lastTime: time, blocks: [] };
    this.#values.set(text, value);
    return value;
  }
}
