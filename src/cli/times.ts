/** Times as they are typed: what the daemon takes, "now", and durations back from now ("15m", "2h", "3d"). */
import { UsageError } from './errors.ts';
import { DURATION_FACTORS } from './options.ts';

/** Milliseconds since 1970. Throws UsageError. */
export async function parseTime(text: string, now: number): Promise<number> {
  if (text === 'now') return now;
  const duration = /^(\d{1,9})([smhd])$/.exec(text);
  if (duration !== null) return now - Number(duration[1]) * DURATION_FACTORS[duration[2]!]!;
  const { parseTimestamp } = await import('../query/index.ts');
  const time = parseTimestamp(text);
  if (time !== undefined) return time;
  throw new UsageError(
    `"${text}" is no time: give ISO 8601 (2026-11-21T08:00:00Z), seconds or milliseconds since 1970, now, or a duration back from now (15m, 2h)`,
  );
}
