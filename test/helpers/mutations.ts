/** Seeded changes to bytes and JSON values, of the kinds that parsers trip over. */
import type { Random } from '../crash/sim/random.ts';

const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

type Mutation = (bytes: Buffer, random: Random) => Buffer;

const MUTATIONS: Mutation[] = [
  (bytes, random) => {
    const at = random.below(bytes.length);
    bytes[at]! ^= 1 << random.below(8);
    return bytes;
  },
  (bytes, random) => {
    bytes[random.below(bytes.length)] = random.pick([0, 1, 0x7f, 0x80, 0xc1, 0xdf, 0xff]);
    return bytes;
  },
  (bytes, random) => {
    if (bytes.length >= 4) bytes.writeUInt32LE(random.pick(EXTREMES), random.below(bytes.length - 3));
    return bytes;
  },
  (bytes, random) => {
    if (bytes.length >= 8)
      bytes.writeBigUInt64LE(BigInt(random.pick(EXTREMES)) << 32n, random.below(bytes.length - 7));
    return bytes;
  },
  (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  (bytes, random) => Buffer.concat([bytes, random.bytes(1 + random.below(100))]),
  (bytes, random) => {
    const at = random.below(bytes.length);
    return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.below(20)), bytes.subarray(at)]);
  },
  (bytes, random) => {
    const at = random.below(bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(20))]);
  },
  (bytes, random) => {
    const from = random.below(bytes.length);
    const length = 1 + random.below(Math.min(200, bytes.length));
    bytes.copy(bytes, random.below(bytes.length), from, Math.min(bytes.length, from + length));
    return bytes;
  },
  (bytes, random) => {
    const at = random.below(bytes.length);
    bytes.fill(random.pick([0, 0xff]), at, Math.min(bytes.length, at + 1 + random.below(64)));
    return bytes;
  },
];

/** A changed copy: one to four changes. */
export function mutate(bytes: Buffer, random: Random): Buffer {
  let changed: Buffer = Buffer.from(bytes);
  for (let i = 1 + random.below(4); i > 0 && changed.length > 0; i--)
    changed = random.pick(MUTATIONS)(changed, random);
  return Buffer.from(changed);
}

const ODD_VALUES = [
  null,
  true,
  -1,
  0,
  1,
  1.5,
  2 ** 53,
  1e300,
  '',
  'x',
  '__proto__',
  [],
  [null],
  {},
  { a: {} },
];

/** The value with something in it replaced, removed or added. */
export function mutateJson(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.2)) return random.pick(ODD_VALUES);
  if (Array.isArray(value)) {
    const copy = [...value];
    if (copy.length === 0 || random.chance(0.2)) copy.push(random.pick(ODD_VALUES));
    else copy[random.below(copy.length)] = mutateJson(random.pick(copy), random);
    return copy;
  }
  const copy: Record<string, unknown> = { ...value };
  const key = random.pick([...Object.keys(copy), 'added']);
  if (random.chance(0.2)) delete copy[key];
  else copy[key] = mutateJson(copy[key], random);
  return copy;
}
