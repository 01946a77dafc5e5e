/**
 * RecordMaker: makes records for a load, the same ones for the same seed (but for times): log events of about a given
 * size, or what a template says.
 */
import { KeyPicker } from './key-picker.ts';
import { RecordTemplate } from './record-template.ts';
import { SeededRandom } from './seeded-random.ts';

export interface MadeRecord {
  /** Null where records have no keys. */
  key: string | null;
  value: string;
}

export interface RecordSource {
  next(): MadeRecord;
}

export interface RecordMakerOptions {
  seed: number;
  /** How many different keys; 0 for none. */
  keys: number;
  skew: number;
  /** Default: log events of `valueBytes`. */
  template?: string;
  valueBytes: number;
}

export class RecordMaker implements RecordSource {
  readonly #keys: KeyPicker | undefined;
  readonly #template: RecordTemplate;
  #seq = 0;

  /** Throws RangeError for a template that makes no sense. */
  constructor({ seed, keys, skew, template, valueBytes }: RecordMakerOptions) {
    const random = new SeededRandom(seed);
    this.#keys = keys === 0 ? undefined : new KeyPicker(keys, skew, random);
    this.#template = new RecordTemplate(template ?? eventTemplate(valueBytes), random);
  }

  next(): MadeRecord {
    const key = this.#keys === undefined ? null : keyName(this.#keys.draw());
    const values = { key: key ?? 'load', seq: this.#seq++, now: Date.now() };
    return { key, value: this.#template.render(values) };
  }
}

export const keyName = (number: number) => `service-${number}`;

/** As a service would log it, with a message to search in. */
const EVENT =
  '{"timestamp":"{now}","level":"{pick:INFO|INFO|INFO|INFO|INFO|INFO|DEBUG|DEBUG|WARN|ERROR}","source":"{key}",' +
  '"message":"request {seq}: {text:24} ({pick:200|200|200|200|201|404|500}, {int:1-900} ms)",' +
  '"metadata":{"traceId":"{hex:16}","userId":{int:1-5000}FILL}}';
const FILL = ',"note":"{text:LENGTH}"';
const SAMPLES = 64;

/** A template of events that are `bytes` long on average; of mere words where no event is so short. */
export function eventTemplate(bytes: number): string {
  const bare = EVENT.replace('FILL', '');
  const length = averageLength(bare);
  if (bytes < length - SAMPLES) return `{text:${Math.max(1, bytes)}}`;
  const fill = Math.round(bytes - length - FILL.replace('{text:LENGTH}', '').length);
  return EVENT.replace('FILL', fill > 0 ? FILL.replace('LENGTH', String(fill)) : '');
}

function averageLength(template: string): number {
  const rendered = new RecordTemplate(template, new SeededRandom(1));
  let sum = 0;
  for (let i = 0; i < SAMPLES; i++)
    sum += rendered.render({ key: keyName(i), seq: i * 1_000, now: 0 }).length;
  return sum / SAMPLES;
}
