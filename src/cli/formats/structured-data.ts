/** The structured data of RFC 5424, `[id@0 name="value" other="with \" in it"][…]` or `-`, and the message behind it. */

export interface StructuredData {
  /** By id, the values by their names; of a name that occurs more than once, all. */
  fields: [id: string, values: Record<string, string | string[]>][];
  message: string;
}

const ID = /\[([^\s=\]"]+)/y;
const PARAMETER = / +([^\s=\]"]+)="((?:[^"\\\]]|\\.)*)"/y;
const ESCAPED = /\\(["\\\]])/g;
const BYTE_ORDER_MARK = '\ufeff';

/** Text that is no structured data is the message as a whole. */
export function parseStructuredData(text: string): StructuredData {
  if (text === '-' || text.startsWith('- ')) return { fields: [], message: withoutMark(text.slice(2)) };
  const fields: StructuredData['fields'] = [];
  let at = 0;
  while (text[at] === '[') {
    const element = readElement(text, at);
    if (element === undefined) return { fields: [], message: withoutMark(text) };
    fields.push([element.id, element.values]);
    at = element.end;
  }
  return { fields, message: withoutMark(text.slice(text[at] === ' ' ? at + 1 : at)) };
}

function readElement(
  text: string,
  at: number,
): { id: string; values: Record<string, string | string[]>; end: number } | undefined {
  ID.lastIndex = at;
  const id = ID.exec(text)?.[1];
  if (id === undefined) return undefined;
  const values = new Map<string, string[]>();
  let end = ID.lastIndex;
  for (;;) {
    PARAMETER.lastIndex = end;
    const parameter = PARAMETER.exec(text);
    if (parameter === null) break;
    const [, name, value] = parameter;
    values.set(name!, [...(values.get(name!) ?? []), value!.replace(ESCAPED, '$1')]);
    end = PARAMETER.lastIndex;
  }
  if (text[end] !== ']') return undefined;
  const entries = [...values].map(([name, all]) => [name, all.length === 1 ? all[0]! : all] as const);
  return { id, values: Object.fromEntries(entries), end: end + 1 };
}

function withoutMark(message: string): string {
  return message.startsWith(BYTE_ORDER_MARK) ? message.slice(1) : message;
}
