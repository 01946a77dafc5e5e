/** What bytes are to words (src/query/words.ts), and how tokens are hashed (src/query/tokens.ts). */

/** Of a byte that needs another look: a quote, a backslash, a part of a letter beyond ASCII. Larger is a byte of a word. */
export const LOOK: u8 = 1;

/** For each byte: itself in small letters where it is one of a word, else 0 or LOOK. */
const kinds: usize = memory.data(256, 16);

function fill(): void {
  for (let byte: i32 = 0x80; byte < 0x100; byte++) store<u8>(kinds + byte, LOOK);
  for (let digit: i32 = 0x30; digit <= 0x39; digit++) store<u8>(kinds + digit, <u8>digit);
  for (let letter: i32 = 0x61; letter <= 0x7a; letter++) {
    store<u8>(kinds + letter, <u8>letter);
    store<u8>(kinds + (letter ^ 0x20), <u8>letter);
  }
  store<u8>(kinds + 0x5f, 0x5f);
  store<u8>(kinds + 0x22, LOOK);
  store<u8>(kinds + 0x5c, LOOK);
}
fill();

export function kindOf(byte: u8): u8 {
  return load<u8>(kinds + <usize>byte);
}

export function isDigit(byte: u8): bool {
  return byte - 0x30 < 10;
}

export const HASH_START: u32 = 0x811c9dc5;
const HASH_PRIME: u32 = 0x01000193;
const DOTTED_PRIME: u32 = 0x9e3779b1;

export function hashByte(hash: u32, byte: u8): u32 {
  return (hash ^ byte) * HASH_PRIME;
}

export function finishToken(hash: u32): u32 {
  let mixed = (hash ^ (hash >>> 16)) * 0x85ebca6b;
  mixed = (mixed ^ (mixed >>> 13)) * 0xc2b2ae35;
  return mixed ^ (mixed >>> 16);
}

export function dottedToken(a: u32, b: u32, c: u32, d: u32): u32 {
  const first = (a * DOTTED_PRIME) ^ b;
  const second = (first * DOTTED_PRIME) ^ c;
  return finishToken((second * DOTTED_PRIME) ^ d);
}
