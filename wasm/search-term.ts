/**
 * A term: a text that is looked for, as the caller put it: its bytes, in small letters; for each what the bytes of the other
 * case differ in (0x20 for a letter); its length; whether a word may go on at its begin and its end; and two of its bytes
 * that are rare in logs, which are looked for first.
 *
 *     0    64 bytes  text
 *     64   64 bytes  bits that do not count
 *     128  u32       length, 1 to 64
 *     132  u8        1 where a word may go on before it
 *     133  u8        1 where one may go on behind it
 *     134  u8, u8    places of the two bytes
 */
export const TERM_BYTES: i32 = 144;
const TERMS: i32 = 24;

/** Where the caller puts terms. */
export const terms: usize = memory.data(TERMS * TERM_BYTES, 16);

const MASKS: usize = 64;

export function termLength(term: usize): usize {
  return <usize>load<u32>(term, 128);
}

export function termOpenStart(term: usize): bool {
  return load<u8>(term, 132) !== 0;
}

export function termOpenEnd(term: usize): bool {
  return load<u8>(term, 133) !== 0;
}

/** Where the text begins first in [from, end), all of it before `end`; zero when nowhere. */
export function findTerm(term: usize, from: usize, end: usize): usize {
  const length = termLength(term);
  if (from + length > end) return 0;
  const first = <usize>load<u8>(term, 134);
  const second = <usize>load<u8>(term, 135);
  const firstBytes = i8x16.splat(load<i8>(term + first));
  const firstMasks = i8x16.splat(load<i8>(term + MASKS + first));
  const secondBytes = i8x16.splat(load<i8>(term + second));
  const secondMasks = i8x16.splat(load<i8>(term + MASKS + second));
  const last = end - length;
  for (let place = from; place <= last; place += 32) {
    const low = v128.and(
      i8x16.eq(v128.or(v128.load(place + first), firstMasks), firstBytes),
      i8x16.eq(v128.or(v128.load(place + second), secondMasks), secondBytes),
    );
    const high = v128.and(
      i8x16.eq(v128.or(v128.load(place + first, 16), firstMasks), firstBytes),
      i8x16.eq(v128.or(v128.load(place + second, 16), secondMasks), secondBytes),
    );
    if (!v128.any_true(v128.or(low, high))) continue;
    let lanes: u32 = i8x16.bitmask(low) | (i8x16.bitmask(high) << 16);
    for (; lanes !== 0; lanes &= lanes - 1) {
      const hit = place + ctz(lanes);
      if (hit > last) return 0;
      if (isAt(term, length, hit)) return hit;
    }
  }
  return 0;
}

function isAt(term: usize, length: usize, place: usize): bool {
  for (let i: usize = 0; i < length; i += 16) {
    const same = i8x16.eq(v128.or(v128.load(place + i), v128.load(term + MASKS + i)), v128.load(term + i));
    const lanes: u32 = length - i < 16 ? (1 << (<u32>(length - i))) - 1 : 0xffff;
    if ((i8x16.bitmask(same) & lanes) !== lanes) return false;
  }
  return true;
}
