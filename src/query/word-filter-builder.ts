/**
 * Makes the pages of one slice of a word filter (word-filter.ts) from the tokens of its blocks: it is told them block by block,
 * as often as they occur, and remembers each once for each block.
 */
import { BlockSet } from './block-set.ts';
import type { TokenSink } from './token-scanner.ts';
import type { Token } from './tokens.ts';
import {
  bloomPageBytes,
  bloomPageOf,
  exactEntriesPerPage,
  exactEntryBytes,
  firstRow,
  MAX_SLICE_BLOCKS,
  nextRow,
  PAGE_BYTES,
  rowOf,
  type WordSlice,
} from './word-filter.ts';

/** More in one block are not worth their memory: nothing is remembered of such a block, which may then hold any token. */
const MAX_BLOCK_TOKENS = 1 << 18;
/** Of all blocks of a slice; one with more ends sooner. */
const MAX_SLICE_TOKENS = 1 << 20;
const TOKEN_BITS = 32;

export interface BuiltSlice {
  readonly slice: WordSlice;
  readonly pages: Buffer[];
  /** Of its blocks, those that may hold any token. */
  readonly opaque: BlockSet;
}

export class WordSliceBuilder implements TokenSink {
  readonly #tokens = new SeenTokens();
  /** The tokens of each block one after the other, and where each block's begin. */
  #list = new Uint32Array(1 << 12);
  #length = 0;
  #starts: number[] = [];
  #opaque: number[] = [];
  #isOpaque = false;

  /** Blocks so far. */
  get blocks(): number {
    return this.#starts.length;
  }

  /** Whether another block belongs to the next slice. */
  get isFull(): boolean {
    return this.blocks >= MAX_SLICE_BLOCKS || Math.max(this.#length, this.#tokens.size) >= MAX_SLICE_TOKENS;
  }

  beginBlock(): void {
    this.#starts.push(this.#length);
    this.#tokens.begin(this.blocks);
    this.#isOpaque = false;
  }

  /** In the block that was begun last. */
  add(token: Token): void {
    if (this.#isOpaque || !this.#tokens.add(token)) return;
    if (this.#length === this.#list.length) this.#list = grown(this.#list);
    this.#list[this.#length++] = token;
    if (this.#length - this.#starts.at(-1)! > MAX_BLOCK_TOKENS) this.#giveUpBlock();
  }

  #giveUpBlock(): void {
    this.#isOpaque = true;
    this.#opaque.push(this.blocks - 1);
    this.#length = this.#starts.at(-1)!;
  }

  /** The slice of all blocks so far, of which false answers come at most at this rate on average. Begins the next one. */
  finish(falsePositiveRate: number): BuiltSlice {
    const { blocks } = this;
    const rows = exactRows(this.#blockTokens(), blocks, falsePositiveRate);
    const rare = this.#blockTokens().map((tokens) => tokens.filter((token) => !rows.has(token)));
    const opaque = BlockSet.none(blocks);
    for (const block of this.#opaque) opaque.add(block);
    const exact = exactPages(rows, blocks);
    const bloom = bloomFilter(rare, falsePositiveRate);
    this.#length = 0;
    this.#starts = [];
    this.#opaque = [];
    this.#tokens.clear();
    return {
      slice: { blocks, exactTokens: rows.size, fences: exact.fences, ...bloom.shape },
      pages: [...exact.pages, ...bloom.pages],
      opaque,
    };
  }

  #blockTokens(): Uint32Array[] {
    return this.#starts.map((start, i) => this.#list.subarray(start, this.#starts[i + 1] ?? this.#length));
  }
}

/** The tokens that are in so many blocks that a row of their own costs less: by token, the row. */
function exactRows(
  blockTokens: readonly Uint32Array[],
  blocks: number,
  rate: number,
): Map<Token, Uint8Array> {
  const counts = new Map<Token, number>();
  for (const tokens of blockTokens)
    for (const token of tokens) counts.set(token, (counts.get(token) ?? 0) + 1);
  const worthwhile = ((exactEntryBytes(blocks) * 8) / bitsPerToken(rate)) | 0;
  const rows = new Map<Token, Uint8Array>();
  for (const [token, count] of counts)
    if (count > worthwhile) rows.set(token, new Uint8Array(exactEntryBytes(blocks) - TOKEN_BITS / 8));
  for (const [block, tokens] of blockTokens.entries()) {
    for (const token of tokens) {
      const row = rows.get(token);
      if (row !== undefined) row[block >>> 3]! |= 1 << (block & 7);
    }
  }
  return rows;
}

/** Of a Bloom filter at its best. */
export const bitsPerToken = (rate: number): number => -Math.log2(rate) / Math.LN2;

function exactPages(rows: ReadonlyMap<Token, Uint8Array>, blocks: number) {
  const tokens = Uint32Array.from(rows.keys()).sort();
  const perPage = exactEntriesPerPage(blocks);
  const entryBytes = exactEntryBytes(blocks);
  const pages: Buffer[] = [];
  for (let from = 0; from < tokens.length; from += perPage) {
    const entries = tokens.subarray(from, from + perPage);
    const page = Buffer.alloc(entries.length * entryBytes);
    for (const [i, token] of entries.entries()) {
      page.writeUInt32LE(token, i * entryBytes);
      page.set(rows.get(token)!, i * entryBytes + TOKEN_BITS / 8);
    }
    pages.push(page);
  }
  return { pages, fences: tokens.filter((_, i) => i % perPage === 0) };
}

type BloomShape = Pick<WordSlice, 'blocks' | 'bloomPages' | 'bloomRows' | 'hashes'>;

/** As small as it can be with the rate. */
function bloomFilter(blockTokens: readonly Uint32Array[], rate: number) {
  const blocks = blockTokens.length;
  const hashes = Math.max(1, Math.round(-Math.log2(rate)));
  if (blockTokens.every(({ length }) => length === 0))
    return { shape: { bloomPages: 0, bloomRows: 0, hashes }, pages: [] };
  // Tokens lie in pages more or less evenly: with too little room for that it takes a little more.
  for (let rows = fewestRows(blockTokens, hashes, rate); ; rows = Math.ceil(rows * 1.04)) {
    const shape = bloomShape(blocks, rows, hashes);
    const pages = fillBloom(blockTokens, shape);
    if (falsePositiveRate(pages, shape) <= rate) {
      const { bloomPages, bloomRows } = shape;
      return { shape: { bloomPages, bloomRows, hashes }, pages };
    }
  }
}

/** The fewest rows with which blocks of so many tokens have the rate on average, if they lie evenly. */
function fewestRows(blockTokens: readonly Uint32Array[], hashes: number, rate: number): number {
  const average = (rows: number) => {
    let sum = 0;
    for (const { length } of blockTokens) sum += (1 - Math.exp((-hashes * length) / rows)) ** hashes;
    return sum / blockTokens.length;
  };
  let low = 8;
  let high = low;
  while (average(high) > rate) high *= 2;
  while (high - low > Math.max(1, low / 256)) {
    const middle = (low + high) >>> 1;
    if (average(middle) > rate) low = middle;
    else high = middle;
  }
  return high;
}

function bloomShape(blocks: number, rows: number, hashes: number): BloomShape {
  const bloomPages = Math.ceil((rows * blocks) / (PAGE_BYTES * 8));
  return { blocks, bloomPages, bloomRows: Math.ceil(rows / bloomPages), hashes };
}

function fillBloom(blockTokens: readonly Uint32Array[], shape: BloomShape): Buffer[] {
  const { blocks, bloomPages, bloomRows, hashes } = shape;
  const bytes = bloomPageBytes(shape as WordSlice);
  const pages = Array.from({ length: bloomPages }, () => Buffer.alloc(bytes));
  for (const [block, tokens] of blockTokens.entries()) {
    for (const token of tokens) {
      const page = pages[bloomPageOf(token, shape)]!;
      let state = firstRow(token);
      for (let i = 0; i < hashes; i++, state = nextRow(state)) {
        const bit = rowOf(state, bloomRows) * blocks + block;
        page[bit >>> 3]! |= 1 << (bit & 7);
      }
    }
  }
  return pages;
}

/** How often a token that is in no block is taken for one that is in some block, on average over blocks. */
function falsePositiveRate(pages: readonly Buffer[], { blocks, bloomRows, hashes }: BloomShape): number {
  const set = new Uint32Array(blocks);
  let sum = 0;
  for (const page of pages) {
    set.fill(0);
    for (
      let bit = 0, block = 0;
      bit < bloomRows * blocks;
      bit++, block = block + 1 === blocks ? 0 : block + 1
    )
      set[block]! += (page[bit >>> 3]! >>> (bit & 7)) & 1;
    for (const count of set) sum += (count / bloomRows) ** hashes;
  }
  return sum / (pages.length * blocks);
}

/** Whether a token was seen in the block before: an open hash table of tokens, each with the last block that it was in. */
class SeenTokens {
  /** Token and number of the block, which is 0 where there is no token. */
  #slots = new Uint32Array(2 << 12);
  #mask = (1 << 12) - 1;
  size = 0;
  #block = 0;

  begin(block: number): void {
    this.#block = block;
  }

  clear(): void {
    this.#slots.fill(0);
    this.size = 0;
  }

  /** True the first time in the block. */
  add(token: Token): boolean {
    const slots = this.#slots;
    const mask = this.#mask;
    let at = (token & mask) * 2;
    for (; slots[at + 1] !== 0; at = (at + 2) & (2 * mask + 1)) {
      if (slots[at] !== token) continue;
      if (slots[at + 1] === this.#block) return false;
      slots[at + 1] = this.#block;
      return true;
    }
    slots[at] = token;
    slots[at + 1] = this.#block;
    if (++this.size * 2 > mask) this.#grow();
    return true;
  }

  #grow(): void {
    const old = this.#slots;
    this.#mask = this.#mask * 2 + 1;
    this.#slots = new Uint32Array(2 * (this.#mask + 1));
    for (let i = 0; i < old.length; i += 2) {
      if (old[i + 1] === 0) continue;
      let at = (old[i]! & this.#mask) * 2;
      while (this.#slots[at + 1] !== 0) at = (at + 2) & (2 * this.#mask + 1);
      this.#slots[at] = old[i]!;
      this.#slots[at + 1] = old[i + 1]!;
    }
  }
}

function grown(list: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(list.length * 2);
  larger.set(list);
  return larger;
}
