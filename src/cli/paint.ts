/** Colours for people on a terminal; none where a program reads, or where NO_COLOR says so. */
import { styleText } from 'node:util';
import type { Io } from './io.ts';

export type Style = Parameters<typeof styleText>[0];
export type Paint = (style: Style, text: string) => string;

export function paintFor({ stdout, env }: Io): Paint {
  const colours = stdout.isTTY === true && !env.NO_COLOR;
  return (style, text) =>
    colours && text.trim() !== '' ? styleText(style, text, { validateStream: false }) : text;
}

export const LEVEL_STYLES: Readonly<Record<string, Style>> = {
  TRACE: 'gray',
  DEBUG: 'blue',
  INFO: 'green',
  WARN: 'yellow',
  ERROR: 'red',
  FATAL: ['bold', 'red'],
};

/** What a terminal would take for a command, or for the direction of what follows, is shown as a question mark; line breaks and tabs are not. */
export function harmless(text: string): string {
  return text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '?');
}
