/**
 * What a load asks of the daemon: producing, consuming, querying. An operation makes the requests of one kind, one after
 * the other, and says what came of each.
 */
import { partitionForKey } from '../../engine/index.ts';
import {
  type KeyPicker,
  keyName,
  type Outcome,
  type RecordSource,
  type RecordTemplate,
  type SeededRandom,
} from '../../server/index.ts';
import { partitionRecordsPath, recordsPath } from '../topics-client.ts';
import type { TextEncoding } from './file-records.ts';
import type { HttpLanes, LaneAnswer } from './http-lanes.ts';
import { ID_HEADER, type RecordLedger } from './record-ledger.ts';

export interface Operation {
  /** Sends the next request over a lane that is idle; `ended` is called once. */
  begin(lane: number, ended: (outcome: Outcome) => void): void;
}

export interface ProduceParts {
  lanes: HttpLanes;
  topic: string;
  partitions: number;
  acks: string;
  batchSize: number;
  source: RecordSource;
  encoding: TextEncoding;
  /** With it, records carry ids, to be checked afterwards. */
  ledger: RecordLedger | undefined;
}

/** Appends batches. Records without a key go to the partitions in turns, a batch to each. */
export class ProduceOperation implements Operation {
  readonly #parts: ProduceParts;
  readonly #path: string;
  #partition = 0;

  constructor(parts: ProduceParts) {
    this.#parts = parts;
    const encoding = parts.encoding === 'text' ? '' : `&encoding=${parts.encoding}`;
    this.#path = `${recordsPath(parts.topic)}?acks=${parts.acks}${encoding}`;
  }

  begin(lane: number, ended: (outcome: Outcome) => void): void {
    const { lanes, ledger, batchSize, source, partitions, encoding } = this.#parts;
    const valueEncoding = encoding === 'text' ? 'utf8' : encoding;
    const inTurn = this.#partition;
    this.#partition = (inTurn + 1) % partitions;
    const request = ledger?.request(lane);
    let records = '';
    let bytes = 0;
    let keyed = false;
    for (let i = 0; i < batchSize; i++) {
      const { key, value } = source.next();
      keyed ||= key !== null;
      bytes += Buffer.byteLength(value, valueEncoding) + (key === null ? 0 : Buffer.byteLength(key));
      const id = request?.id(key === null ? inTurn : partitionForKey(key, partitions));
      records += `${i === 0 ? '' : ','}{${this.#keyText(key)}"value":${JSON.stringify(value)}${this.#idText(id)}}`;
    }
    const answered = ({ error, givenUp }: LaneAnswer) => {
      if (error !== undefined) request?.failed();
      ended({ kind: 'produce', error, givenUp, records: batchSize, bytes });
    };
    const path = keyed ? this.#path : `${this.#path}&partition=${inTurn}`;
    const body = Buffer.from(`{"records":[${records}]}`);
    lanes.send(lane, { method: 'POST', path, body, contentType: 'application/json' }, answered);
  }

  #keyText(key: string | null): string {
    return key === null ? '' : `"key":${this.#quoted(key)},`;
  }

  #idText(id: string | undefined): string {
    return id === undefined ? '' : `,"headers":{"${ID_HEADER}":${this.#quoted(id)}}`;
  }

  #quoted(text: string): string {
    return JSON.stringify(
      this.#parts.encoding === 'text' ? text : Buffer.from(text).toString(this.#parts.encoding),
    );
  }
}

/** Reads page after page of the partitions in turns, each from its beginning to its end, and then again. */
export class ConsumeOperation implements Operation {
  readonly #lanes: HttpLanes;
  readonly #paths: readonly string[];
  /** By partition: where it begins; undefined once that is not known any more. */
  readonly #starts: (number | undefined)[];
  /** By partition: where its next page begins. */
  readonly #offsets: (number | undefined)[];
  #partition = 0;

  /** `starts`: the log start offset of each partition. */
  constructor(lanes: HttpLanes, topic: string, starts: readonly number[], pageBytes: number) {
    this.#lanes = lanes;
    this.#starts = [...starts];
    this.#offsets = [...starts];
    this.#paths = starts.map((_, i) => `${partitionRecordsPath(topic, i)}?max_bytes=${pageBytes}`);
  }

  begin(lane: number, ended: (outcome: Outcome) => void): void {
    const partition = this.#partition;
    this.#partition = (partition + 1) % this.#paths.length;
    const offset = this.#offsets[partition];
    const path = this.#paths[partition]! + (offset === undefined ? '' : `&offset=${offset}`);
    this.#lanes.send(lane, { method: 'GET', path, keepEnd: true }, ({ error, givenUp, bytes, end }) => {
      const page = error === undefined ? PAGE_END.exec(end) : null;
      const [next, highWatermark] = page === null ? [] : [Number(page[1]), Number(page[2])];
      // The log may have been cut meanwhile: without an offset the daemon begins where it begins.
      if (next === undefined) this.#starts[partition] = undefined;
      this.#offsets[partition] =
        next === undefined || next === highWatermark ? this.#starts[partition] : next;
      const records = next === undefined || offset === undefined ? 0 : Math.max(0, next - offset);
      ended({ kind: 'consume', error, givenUp, records, bytes });
    });
  }
}

const PAGE_END = /"nextOffset":(\d+),"highWatermark":(\d+)\}\s*$/;

/** Asks for log events, by a template of the query's parameters. */
export class QueryOperation implements Operation {
  readonly #lanes: HttpLanes;
  readonly #topic: string;
  readonly #template: RecordTemplate;
  readonly #keys: KeyPicker;
  #seq = 0;

  constructor(lanes: HttpLanes, topic: string, template: RecordTemplate, keys: KeyPicker) {
    this.#lanes = lanes;
    this.#topic = topic;
    this.#template = template;
    this.#keys = keys;
  }

  begin(lane: number, ended: (outcome: Outcome) => void): void {
    const values = { key: keyName(this.#keys.draw()), seq: this.#seq++, now: Date.now() };
    const parameters = new URLSearchParams(this.#template.render(values));
    parameters.set('topic', this.#topic);
    const path = `/api/query/logs?${parameters}`;
    this.#lanes.send(lane, { method: 'GET', path }, ({ error, givenUp, bytes }) => {
      ended({ kind: 'query', error, givenUp, records: 0, bytes });
    });
  }
}

/** Several operations, each as often as its weight says. */
export class MixedOperation implements Operation {
  readonly #operations: readonly { weight: number; operation: Operation }[];
  readonly #sum: number;
  readonly #random: SeededRandom;

  constructor(operations: readonly { weight: number; operation: Operation }[], random: SeededRandom) {
    this.#operations = operations.filter(({ weight }) => weight > 0);
    this.#sum = operations.reduce((sum, { weight }) => sum + weight, 0);
    this.#random = random;
  }

  begin(lane: number, ended: (outcome: Outcome) => void): void {
    let drawn = this.#random.below(this.#sum);
    const chosen = this.#operations.find(({ weight }) => {
      drawn -= weight;
      return drawn < 0;
    });
    chosen!.operation.begin(lane, ended);
  }
}
