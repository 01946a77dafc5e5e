/** A set of the blocks of one segment: a bit for each. */
export class BlockSet {
  /** Blocks of the segment. */
  readonly blocks: number;
  readonly #bits: Uint32Array;

  private constructor(blocks: number, bits: Uint32Array) {
    this.blocks = blocks;
    this.#bits = bits;
  }

  static none(blocks: number): BlockSet {
    return new BlockSet(blocks, new Uint32Array((blocks + 31) >>> 5));
  }

  static all(blocks: number): BlockSet {
    const set = BlockSet.none(blocks);
    set.#bits.fill(0xffffffff);
    if (blocks % 32 !== 0) set.#bits[set.#bits.length - 1] = 0xffffffff >>> (32 - (blocks % 32));
    return set;
  }

  /** Of those that pass a test. */
  static of(blocks: number, passes: (block: number) => boolean): BlockSet {
    const set = BlockSet.none(blocks);
    for (let block = 0; block < blocks; block++) if (passes(block)) set.add(block);
    return set;
  }

  has(block: number): boolean {
    return ((this.#bits[block >>> 5]! >>> (block & 31)) & 1) === 1;
  }

  add(block: number): void {
    this.#bits[block >>> 5]! |= 1 << (block & 31);
  }

  /** Adds all in [from, end). */
  addRange(from: number, end: number): void {
    for (let block = from; block < end; block++) this.add(block);
  }

  and(other: BlockSet): BlockSet {
    return new BlockSet(
      this.blocks,
      this.#bits.map((bits, i) => bits & other.#bits[i]!),
    );
  }

  or(other: BlockSet): BlockSet {
    return new BlockSet(
      this.blocks,
      this.#bits.map((bits, i) => bits | other.#bits[i]!),
    );
  }

  get size(): number {
    let size = 0;
    for (let bits of this.#bits) for (; bits !== 0; bits &= bits - 1) size++;
    return size;
  }

  get isEmpty(): boolean {
    return this.#bits.every((bits) => bits === 0);
  }

  /** Whether one of [from, end) is in it. */
  hasAnyOf(from: number, end: number): boolean {
    for (let block = from; block < end; block++) if (this.has(block)) return true;
    return false;
  }

  /** In order. */
  *[Symbol.iterator](): Generator<number> {
    for (const [word, bits] of this.#bits.entries())
      for (let left = bits; left !== 0; left &= left - 1) yield word * 32 + 31 - Math.clz32(left & -left);
  }

  /** Neighbours together, in order: `end` is exclusive. */
  *runs(): Generator<{ from: number; end: number }> {
    let from = -1;
    let end = -1;
    for (const block of this) {
      if (block !== end) {
        if (from >= 0) yield { from, end };
        from = block;
      }
      end = block + 1;
    }
    if (from >= 0) yield { from, end };
  }
}
