/** The loops that drive both sides of a benchmark alike. */
import { randomBytes } from 'node:crypto';

export const KIB = 1024;
export const MIB = 1024 * KIB;

/** Distinct values of `bytes` random bytes: they do not compress, and do not all sit in the processor's cache. */
export function values(count: number, bytes: number): Buffer[] {
  const pool = randomBytes(count * bytes);
  return Array.from({ length: count }, (_, i) => pool.subarray(i * bytes, (i + 1) * bytes));
}

/** Calls `work` `count` times with `outstanding` calls under way; resolves with the seconds it took. */
export async function times(
  count: number,
  outstanding: number,
  work: (i: number) => Promise<unknown>,
): Promise<number> {
  let next = 0;
  const start = performance.now();
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(Array.from({ length: Math.min(outstanding, count) }, worker));
  return (performance.now() - start) / 1000;
}

/** Lets `workers` call `work` one call after the other until the time is up; resolves with calls per second. */
export async function during(
  seconds: number,
  workers: number,
  work: (worker: number) => Promise<unknown>,
): Promise<number> {
  let calls = 0;
  const start = performance.now();
  const end = start + seconds * 1000;
  const worker = async (_: unknown, i: number) => {
    while (performance.now() < end) {
      await work(i);
      calls++;
    }
  };
  await Promise.all(Array.from({ length: workers }, worker));
  return calls / ((performance.now() - start) / 1000);
}

/** Log events of `bytes` bytes as JSON objects, numbered from `first` on. */
export function events(count: number, bytes: number, first: number): string[] {
  return Array.from({ length: count }, (_, i) => {
    const head = `{"level":"INFO","service":"payments","message":"request ${first + i} done","trace":"`;
    const trace = '0123456789abcdef'.repeat(bytes / 16);
    return `${head}${trace.slice(0, bytes - head.length - 2)}"}`;
  });
}
