/** An event as expressions see it, made of the bytes of a record's value. What nobody asks for is not worked out. */
import { type EventFacts, eventFacts } from './event.ts';
import { parseValues } from './event-values.ts';
import type { SearchEvent } from './matches.ts';

export class StoredEvent implements SearchEvent {
  readonly #bytes: Buffer;
  readonly #at: number;
  readonly #end: number;
  readonly #recordTimestamp: number;
  #facts: EventFacts | undefined;
  #content: unknown;

  /** Of the value in [at, end), which has to stay as it is, of a record with this time. */
  constructor(bytes: Buffer, at: number, end: number, recordTimestamp: number) {
    this.#recordTimestamp = recordTimestamp;
    this.#bytes = bytes;
    this.#at = at;
    this.#end = end;
  }

  get facts(): EventFacts {
    this.#facts ??= eventFacts(this.#bytes, this.#at, this.#end, this.#recordTimestamp);
    return this.#facts;
  }

  get timestamp(): number {
    return this.facts.timestamp;
  }

  get source(): string | null {
    return this.facts.source;
  }

  get level(): string | null {
    return this.facts.level;
  }

  get message(): string | null {
    const { messageStart, messageEnd, messageEscaped } = this.facts;
    if (messageStart < 0) return null;
    const text = this.#bytes.toString('utf8', messageStart, messageEnd);
    return messageEscaped ? JSON.parse(`"${text}"`) : text;
  }

  get content(): unknown {
    if (this.#content === undefined) {
      const text = this.#bytes.toString('utf8', this.#at, this.#end);
      this.#content = this.facts.isObject ? parseValues(text) : text;
    }
    return this.#content;
  }
}
