/** A log event as people read it: time, level, source, message, and all its other fields behind. */
import { harmless, LEVEL_STYLES, type Paint } from './paint.ts';

type Fields = Record<string, unknown>;

/** Names by which the fields that stand in front are known. */
const NAMES = {
  timestamp: ['timestamp', '@timestamp', 'time', 'ts'],
  source: ['source', 'serviceName', 'service'],
  level: ['level', 'logLevel', 'severity'],
  message: ['message', 'msg', 'log'],
} as const;
/** Where the event is stored; who wants to know asks for JSON. */
const PLACE = ['partition', 'offset'];
const LEVEL_WIDTH = 5;

export function eventText(event: Fields, paint: Paint): string {
  const shown = new Set<string>(PLACE);
  const take = (names: readonly string[]): string => {
    const name = names.find((each) => (event[each] ?? null) !== null);
    if (name === undefined) return '';
    shown.add(name);
    return scalar(event[name]);
  };
  const time = take(NAMES.timestamp);
  const level = take(NAMES.level);
  const source = take(NAMES.source);
  const [first = '', ...more] = harmless(take(NAMES.message)).split(/\r?\n/);
  const others = Object.entries(event).filter(([name]) => !shown.has(name));
  const parts = [
    paint('dim', harmless(time)),
    paint(LEVEL_STYLES[level.toUpperCase()] ?? 'bold', harmless(level).padEnd(LEVEL_WIDTH)),
    paint('cyan', harmless(source)),
    first,
    paint('dim', others.flatMap(([name, value]) => fieldTexts(name, value)).join(' ')),
  ];
  const line = parts
    .filter((part) => part.trim() !== '')
    .join(' ')
    .trimEnd();
  return `${[line, ...more.map((each) => `    ${each}`)].join('\n')}\n`;
}

/** `metadata.userId=42`, one for each value. */
function fieldTexts(name: string, value: unknown): string[] {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return Object.entries(value).flatMap(([inner, each]) => fieldTexts(`${name}.${inner}`, each));
  const text = harmless(scalar(value)).replace(/\n/g, ' ');
  return [`${harmless(name)}=${/[\s"=]/.test(text) ? JSON.stringify(text) : text}`];
}

function scalar(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
