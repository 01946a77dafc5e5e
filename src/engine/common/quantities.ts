/** Sizes and times as people write them: "64k", "1GiB", "500ms", "7d". */

/** What a number counts. */
export type Unit = 'bytes' | 'ms';

interface Form {
  /** Digits, and what they are multiplied by. */
  readonly pattern: RegExp;
  readonly factors: Readonly<Record<string, number>>;
  /** For sentences. */
  readonly name: string;
  readonly examples: string;
}

const KIB = 1024;

export const QUANTITY_FORMS: Readonly<Record<Unit, Form>> = {
  bytes: {
    pattern: /^(-?\d+)\s*(?:b|([kmgt])i?b?)?$/i,
    factors: { k: KIB, m: KIB ** 2, g: KIB ** 3, t: KIB ** 4 },
    name: 'bytes',
    examples: '64k, 64KiB, 1m or 2GiB',
  },
  ms: {
    pattern: /^(-?\d+)\s*(ms|[smhd])?$/i,
    factors: { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 },
    name: 'milliseconds',
    examples: '500ms, 30s, 15m, 1h or 7d',
  },
};

/** The number that a text stands for, in bytes or milliseconds, safe or not; undefined when it is none. */
export function parseQuantity(text: string, unit: Unit): number | undefined {
  const { pattern, factors } = QUANTITY_FORMS[unit];
  const match = pattern.exec(text.trim());
  if (match === null) return undefined;
  const [, digits, name] = match;
  return Number(digits) * (name === undefined ? 1 : factors[name.toLowerCase()]!);
}
