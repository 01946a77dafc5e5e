/** MurmurHash2 with 32 bits, as src/engine/commit/partitioner.ts has it. */
const SEED: u32 = 0x9747b28c;
const MULTIPLIER: u32 = 0x5bd1e995;

export function murmur2(at: usize, length: usize): u32 {
  let state: u32 = SEED ^ <u32>length;
  let position = at;
  const words = at + (length & ~3);
  for (; position < words; position += 4) {
    let word = load<u32>(position) * MULTIPLIER;
    word ^= word >>> 24;
    state = (state * MULTIPLIER) ^ (word * MULTIPLIER);
  }
  const left = length & 3;
  if (left >= 3) state ^= (<u32>load<u8>(position, 2)) << 16;
  if (left >= 2) state ^= (<u32>load<u8>(position, 1)) << 8;
  if (left >= 1) state = (state ^ <u32>load<u8>(position)) * MULTIPLIER;
  state = (state ^ (state >>> 13)) * MULTIPLIER;
  return state ^ (state >>> 15);
}
