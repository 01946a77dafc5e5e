/** Makes the pages of one slice of a word filter (word-filter.ts) from the tokens of its blocks, which a kernel has listed. */
import { BlockSet } from './block-set.ts';
import type { TokenKernel } from './token-kernel.ts';
import { TokenTable } from './token-table.ts';
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

export interface BuiltSlice {
  readonly slice: WordSlice;
  readonly pages: Buffer[];
  /** Of its blocks, those that may hold any token. */
  readonly opaque: BlockSet;
}

const TOKEN_BYTES = 4;

export class WordSliceBuilder {
  readonly #kernel: TokenKernel;
  /** Where the tokens of each block begin. */
  #starts: number[] = [];
  /** Of the blocks before the last one. */
  #opaque: number[] = [];

  /** Tokens are put into the kernel, which is at the beginning of a slice. */
  constructor(kernel: TokenKernel) {
    this.#kernel = kernel;
  }

  /** Blocks so far. */
  get blocks(): number {
    return this.#starts.length;
  }

  /** Whether another block belongs to the next slice. */
  get isFull(): boolean {
    return this.blocks >= MAX_SLICE_BLOCKS || this.#kernel.isFull;
  }

  /** From now on tokens that are put into the kernel are of another block. */
  beginBlock(): void {
    this.#endBlock();
    this.#starts.push(this.#kernel.listed);
    this.#kernel.beginBlock();
  }

  /** The last block may hold any token, whatever else is said of it. */
  giveUpBlock(): void {
    this.#opaque.push(this.blocks - 1);
  }

  /** The slice of all blocks so far, of which false answers come at most at this rate on average. Begins the next one. */
  finish(falsePositiveRate: number): BuiltSlice {
    this.#endBlock();
    const { blocks } = this;
    const tokens = this.#kernel.tokens();
    const blockTokens = this.#starts.map((start, i) => tokens.subarray(start, this.#starts[i + 1]));
    const opaque = BlockSet.none(blocks);
    for (const block of this.#opaque) opaque.add(block);
    const frequent = frequentTokens(tokens, blocks, falsePositiveRate);
    const exact = exactPages(frequent, blockTokens);
    const rare = blockTokens.map((each) => each.filter((token) => frequent.indexOf(token) < 0));
    const bloom = bloomFilter(rare, falsePositiveRate);
    this.#starts = [];
    this.#opaque = [];
    this.#kernel.beginSlice();
    return {
      slice: { blocks, exactTokens: frequent.size, fences: exact.fences, ...bloom.shape },
      pages: [...exact.pages, ...bloom.pages],
      opaque,
    };
  }

  #endBlock(): void {
    if (this.blocks > 0 && this.#kernel.isOpaque) this.giveUpBlock();
  }
}

/** The tokens that are in so many blocks that a row of their own costs less, with a place for each. */
function frequentTokens(tokens: Uint32Array, blocks: number, rate: number): TokenTable {
  const worthwhile = Math.floor((exactEntryBytes(blocks) * 8) / bitsPerToken(rate));
  const counted = new TokenTable(tokens.length);
  const counts = new Uint8Array(tokens.length);
  for (const token of tokens) counts[counted.place(token)]!++;
  const frequent = counted
    .tokens()
    .filter((_, place) => counts[place]! > worthwhile)
    .sort();
  const table = new TokenTable(frequent.length);
  for (const token of frequent) table.place(token);
  return table;
}

/** Of a Bloom filter at its best. */
export const bitsPerToken = (rate: number): number => -Math.log2(rate) / Math.LN2;

/** Rows of tokens whose places are in the order of the tokens. */
function exactPages(frequent: TokenTable, blockTokens: readonly Uint32Array[]) {
  const blocks = blockTokens.length;
  const tokens = frequent.tokens();
  const perPage = exactEntriesPerPage(blocks);
  const entryBytes = exactEntryBytes(blocks);
  const entries = Buffer.alloc(tokens.length * entryBytes);
  for (const [place, token] of tokens.entries()) entries.writeUInt32LE(token, place * entryBytes);
  for (const [block, ofBlock] of blockTokens.entries()) {
    for (const token of ofBlock) {
      const place = frequent.indexOf(token);
      if (place >= 0) entries[place * entryBytes + TOKEN_BYTES + (block >>> 3)]! |= 1 << (block & 7);
    }
  }
  const pages: Buffer[] = [];
  const pageBytes = perPage * entryBytes;
  for (let at = 0; at < entries.length; at += pageBytes) pages.push(entries.subarray(at, at + pageBytes));
  return { pages, fences: tokens.filter((_, place) => place % perPage === 0) };
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
