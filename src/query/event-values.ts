/**
 * The values in the JSON of an event, at any depth, each with the names that lead to it. Numbers are given as they are
 * written, so that no digit of a long one is lost. Elements of an array have the name of the array.
 */

export interface EventValue {
  /** Names joined by ".". */
  readonly path: string;
  /** `object` stands for arrays too, and has no text. */
  readonly kind: 'string' | 'number' | 'boolean' | 'null' | 'object';
  readonly text: string;
}

const SPACE = /[ \t\n\r]*/y;
const PLAIN_STRING = /"([^"\\]*)"/y;
const STRING = /"(?:[^"\\]|\\.)*"/y;
const SCALAR = /[^,\]}\s]+/y;

/** The values of a text that is known to be a JSON object, in the order of the text; those of objects before what is in them. */
export function eventValues(json: string): EventValue[] {
  const walk = new ValueWalk(json);
  walk.value('');
  // The event itself.
  return walk.values.slice(1);
}

class ValueWalk {
  readonly values: EventValue[] = [];
  readonly #json: string;
  #at = 0;

  constructor(json: string) {
    this.#json = json;
  }

  value(path: string): void {
    this.#take(SPACE);
    switch (this.#json.charCodeAt(this.#at)) {
      case 0x7b:
        this.#members(path, 0x7d, true);
        break;
      case 0x5b:
        this.#members(path, 0x5d, false);
        break;
      case 0x22:
        this.values.push({ path, kind: 'string', text: this.#string() });
        break;
      default:
        this.values.push(scalar(path, this.#take(SCALAR)));
    }
    this.#take(SPACE);
  }

  /** Of an object (named) or an array, up to its closing bracket. */
  #members(path: string, close: number, named: boolean): void {
    this.values.push({ path, kind: 'object', text: '' });
    this.#at++;
    this.#take(SPACE);
    while (this.#json.charCodeAt(this.#at) !== close) {
      let name = path;
      if (named) {
        const own = this.#string();
        name = path === '' ? own : `${path}.${own}`;
        this.#take(SPACE);
        // The colon.
        this.#at++;
      }
      this.value(name);
      if (this.#json.charCodeAt(this.#at) === 0x2c) this.#at++;
      this.#take(SPACE);
    }
    this.#at++;
  }

  #string(): string {
    PLAIN_STRING.lastIndex = this.#at;
    const plain = PLAIN_STRING.exec(this.#json);
    if (plain === null) return JSON.parse(this.#take(STRING));
    this.#at = PLAIN_STRING.lastIndex;
    return plain[1]!;
  }

  #take(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const text = pattern.exec(this.#json)?.[0] ?? '';
    this.#at += text.length;
    return text;
  }
}

function scalar(path: string, text: string): EventValue {
  if (text === 'null') return { path, kind: 'null', text };
  return { path, kind: text === 'true' || text === 'false' ? 'boolean' : 'number', text };
}
