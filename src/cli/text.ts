/** How figures and tables are put into words, for every command alike. */
import type { Output } from './io.ts';
import { harmless } from './paint.ts';

/** "1 record", "2 records". */
export function count(number: number, noun: string, plural = `${noun}s`): string {
  return `${number} ${number === 1 ? noun : plural}`;
}

/** "4521–8835": first and last, from a range whose end is exclusive; an empty one is the place where it stands. */
export function range(first: number, end: number): string {
  return `${first}–${Math.max(first, end - 1)}`;
}

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];

/** "512 B", "1.5 MiB". */
export function humanBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** For people on a terminal "1.5 MiB"; the plain number where a program reads. */
export function bytesFor(output: Output, bytes: number): string {
  return output.isTTY ? humanBytes(bytes) : String(bytes);
}

/** "40 ms", "1.4 s", "12 s", "3 min 20 s", "2 h 5 min", "3 d 4 h". */
export function humanDuration(ms: number): string {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** Columns padded to their widest cell; those whose cells are all numbers stand to the right. Names in them may be anybody's. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, ...rows.map((row) => row.map(harmless))];
  const columns = head.map((_, i) => ({
    width: Math.max(...all.map((row) => row[i]!.length)),
    right: rows.length > 0 && rows.every((row) => /^(-|-?[\d.]+( [KMGTP]?i?B)?)$/.test(row[i]!)),
  }));
  const lines = all.map((row) =>
    row.map((cell, i) =>
      columns[i]!.right ? cell.padStart(columns[i]!.width) : cell.padEnd(columns[i]!.width),
    ),
  );
  return lines.map((cells) => `${cells.join('  ').trimEnd()}\n`).join('');
}

/** One JSON document, indented for people, on one line for programs. */
export function jsonText(output: Output, value: unknown): string {
  return `${JSON.stringify(value, null, output.isTTY ? 2 : undefined)}\n`;
}
