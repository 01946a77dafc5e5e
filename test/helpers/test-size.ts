/**
 * How much the tests that can go on for ever do: 1 in `npm test`, more in `npm run test:long`. Their randomness has a
 * seed that SEGLOG_TEST_SEED sets, to run again what failed.
 */
export const testSize = positive('SEGLOG_TEST_SIZE') ?? 1;

export const testSeed = positive('SEGLOG_TEST_SEED') ?? Math.floor(Math.random() * 2 ** 31);

function positive(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!(value > 0)) throw new Error(`${name} takes a number above 0, not "${text}"`);
  return value;
}
