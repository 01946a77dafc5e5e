/**
 * Which blocks of a segment may hold a token (tokens.ts): of each token a row of bits, one for each block.
 *
 * Blocks are taken together in slices of up to 128, each of which is laid out by itself, so that making one takes
 * bounded memory, and looking a token up in it takes one page or two. A slice has two parts, each of them pages:
 *
 * - *Exact* rows of tokens that are in many of its blocks, sorted by token: u32 token, then a bit for each block, the lowest
 *   first. A page has as many as fit whole; the first token of each page is known beside the pages.
 * - A *Bloom filter* of all other tokens. The token says which page, and which `hashes` rows of it: the block has the token
 *   when its bit is set in all of them, but for the stated rate of false answers. Row r of a page is the bits from r × blocks on.
 *
 * What is in many blocks costs less as a row, and is answered exactly; what is in few costs less in the filter, about ten bits a
 * block that has it.
 */
import { BlockSet } from './block-set.ts';
import type { Token } from './tokens.ts';

export const PAGE_BYTES = 4096;
export const MAX_SLICE_BLOCKS = 128;

/** How a slice is laid out. Its pages follow those of the slice before it, the exact ones first. */
export interface WordSlice {
  readonly blocks: number;
  readonly exactTokens: number;
  /** The first token of each exact page. */
  readonly fences: Uint32Array;
  readonly bloomPages: number;
  /** Of each page of the filter. */
  readonly bloomRows: number;
  readonly hashes: number;
}

export const exactEntryBytes = (blocks: number): number => 4 + ((blocks + 7) >>> 3);
export const exactEntriesPerPage = (blocks: number): number =>
  Math.floor(PAGE_BYTES / exactEntryBytes(blocks));
export const bloomPageBytes = ({ blocks, bloomRows }: WordSlice): number => (blocks * bloomRows + 7) >>> 3;
export const slicePages = ({ fences, bloomPages }: WordSlice): number => fences.length + bloomPages;

/** The bytes that each page of a slice has. */
export function pageLengths(slice: WordSlice): number[] {
  const { blocks, exactTokens, fences, bloomPages } = slice;
  const perPage = exactEntriesPerPage(blocks);
  const exact = Array.from(
    fences,
    (_, i) => Math.min(perPage, exactTokens - i * perPage) * exactEntryBytes(blocks),
  );
  return [...exact, ...new Array<number>(bloomPages).fill(bloomPageBytes(slice))];
}

/** Which page of a slice's filter a token is in. */
export function bloomPageOf(token: Token, { bloomPages }: Pick<WordSlice, 'bloomPages'>): number {
  return Math.floor((token / 0x1_0000_0000) * bloomPages);
}

/** Goes through the rows of a token: a number from which `rowOf` makes the row, and `nextRow` the next number. */
export const firstRow = (token: Token): number => Math.imul(token ^ (token >>> 15), 0x2c1b3c6d) >>> 0;
export const nextRow = (state: number): number => (Math.imul(state, 1664525) + 1013904223) >>> 0;
export const rowOf = (state: number, rows: number): number => Math.floor((state / 0x1_0000_0000) * rows);

/** The bytes of a page, by its number over all slices. */
export type PageReader = (page: number) => Buffer | Promise<Buffer>;

/** Of `within` (the blocks of all slices), those that may hold all of these tokens. */
export async function blocksWithTokens(
  slices: readonly WordSlice[],
  readPage: PageReader,
  tokens: readonly Token[],
  within: BlockSet,
): Promise<BlockSet> {
  const found = BlockSet.none(within.blocks);
  let firstBlock = 0;
  let firstPage = 0;
  for (const slice of slices) {
    const end = firstBlock + slice.blocks;
    if (within.hasAnyOf(firstBlock, end)) {
      const row = sliceRow(slice, within, firstBlock);
      const page = firstPage;
      for (const token of tokens) {
        await intersect(slice, (number) => readPage(page + number), token, row);
        if (row.every((bits) => bits === 0)) break;
      }
      for (let block = 0; block < slice.blocks; block++)
        if (((row[block >>> 5]! >>> (block & 31)) & 1) === 1) found.add(firstBlock + block);
    }
    firstBlock = end;
    firstPage += slicePages(slice);
  }
  return found;
}

/** The part of a set that a slice is of. */
function sliceRow({ blocks }: WordSlice, within: BlockSet, firstBlock: number): Uint32Array {
  const row = new Uint32Array((blocks + 31) >>> 5);
  for (let block = 0; block < blocks; block++)
    if (within.has(firstBlock + block)) row[block >>> 5]! |= 1 << (block & 31);
  return row;
}

/** Takes from `row` what does not hold the token. */
async function intersect(
  slice: WordSlice,
  readPage: PageReader,
  token: Token,
  row: Uint32Array,
): Promise<void> {
  const { blocks, fences, bloomPages, bloomRows, hashes } = slice;
  const exactPage = lastAtMost(fences, token);
  if (exactPage >= 0) {
    const page = await readPage(exactPage);
    const at = findExact(page, token, exactEntryBytes(blocks));
    if (at >= 0) {
      andBits(row, page, (at + 4) * 8, blocks);
      return;
    }
  }
  if (bloomPages === 0) {
    row.fill(0);
    return;
  }
  const page = await readPage(fences.length + bloomPageOf(token, slice));
  let state = firstRow(token);
  for (let i = 0; i < hashes; i++, state = nextRow(state))
    andBits(row, page, rowOf(state, bloomRows) * blocks, blocks);
}

/** Position of the last one that is not larger; -1 where all are. */
function lastAtMost(sorted: Uint32Array, token: Token): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! <= token) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** Where the entry of a token is in a page of exact rows; -1 where there is none. */
function findExact(page: Buffer, token: Token, entryBytes: number): number {
  let low = 0;
  let high = Math.floor(page.length / entryBytes) - 1;
  while (low <= high) {
    const middle = (low + high) >>> 1;
    const found = page.readUInt32LE(middle * entryBytes);
    if (found === token) return middle * entryBytes;
    if (found < token) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** `row` ∧ the `count` bits of `bytes` from `bit` on. */
function andBits(row: Uint32Array, bytes: Buffer, bit: number, count: number): void {
  for (let i = 0; i * 32 < count; i++) {
    const from = bit + i * 32;
    const at = from >>> 3;
    const shift = from & 7;
    // Behind the end there is nothing, which counts as zeros.
    let bits =
      (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> shift;
    if (shift > 0) bits |= bytes[at + 4]! << (32 - shift);
    row[i]! &= bits;
  }
}
