/** Why the log could not be opened: what whoever started the daemon can put right, in a sentence. */
import { errnoOf, isSeglogError } from '../engine/index.ts';

/** Why a directory could not be made. */
const REASONS: Readonly<Record<string, string>> = {
  EACCES: 'no permission',
  EPERM: 'no permission',
  EEXIST: 'a file of that name is in the way',
  ENOTDIR: 'a part of that path is a file',
  ENOENT: 'nothing can be made there',
  EROFS: 'the file system is read-only',
  ENOSPC: 'no space is left there',
};

/** A sentence for what is expected to happen; undefined for anything else, whose stack is worth seeing. */
export function explainOpenError(error: unknown, directory: string): string | undefined {
  if (isSeglogError(error)) return error.message;
  const code = errnoOf(error);
  // Node's own codes (ERR_…) are mistakes of the program, not of its surroundings.
  if (code === undefined || !/^E[A-Z0-9]+$/.test(code)) return undefined;
  const { syscall, message } = error as NodeJS.ErrnoException;
  // Where a file is in the way, reading what may be there already fails first.
  const isMade = syscall === 'mkdir' || code === 'ENOTDIR';
  const what = isMade ? `make the data directory ${directory}` : `open the log in ${directory}`;
  const reason = (isMade ? REASONS[code] : undefined) ?? message;
  return `cannot ${what}: ${reason}; put that right, or give another directory with --data`;
}
