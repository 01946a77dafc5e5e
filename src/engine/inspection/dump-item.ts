/** What `dumpFile` takes and yields. */
import type { FileSystem } from '../files/file-system.ts';

export interface DumpOptions {
  /** Of segments and journals: every record too, with key and value as text, or as base64 where they are no UTF-8. */
  records?: boolean;
  fileSystem?: FileSystem;
}

/** One thing in a file. */
export interface DumpItem {
  kind: 'file' | 'header' | 'batch' | 'record' | 'entry' | 'frame' | 'body' | 'fault' | 'end';
  /** For people: one line of text, without its end. */
  line: string;
  /** The same for programs: plain JSON, with `kind` as its first field. */
  data: Record<string, unknown>;
  /** This fails its checks; what follows is dumped all the same. */
  damaged: boolean;
}

/** An item whose line says what `text` says, and whose data begins with its kind. */
export function dumpItem(
  kind: DumpItem['kind'],
  text: string,
  data: Record<string, unknown>,
  damaged = false,
): DumpItem {
  return { kind, line: text, data: { kind, ...data, ...(damaged ? { damaged } : {}) }, damaged };
}

/** Milliseconds as ISO 8601; the number where there is no such date. */
export function showTime(ms: number): string {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : String(ms);
}
