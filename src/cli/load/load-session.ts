/**
 * LoadSession: the connections, the operations and the ledger of one load, over which one measurement is made after
 * another: one, or a step of a ramp each.
 */
import { randomBytes } from 'node:crypto';
import {
  figuresOf,
  intervalFor,
  KeyPicker,
  keyName,
  type LoadFigures,
  LoadRecorder,
  loadClock,
  OpenLoop,
  RecordMaker,
  type RecordSource,
  RecordTemplate,
  Schedule,
  SeededRandom,
  type Stretch,
} from '../../server/index.ts';
import { UsageError } from '../errors.ts';
import type { HttpClient } from '../http-client.ts';
import type { Io } from '../io.ts';
import type { TopicInfo } from '../topics-client.ts';
import { FileRecords, MOST_FILE_BYTES, readLines, type TextEncoding } from './file-records.ts';
import { HttpLanes } from './http-lanes.ts';
import type { LiveLine } from './live-line.ts';
import { keysFor, type LoadFlags, type MixedFlags } from './load-options.ts';
import {
  ConsumeOperation,
  MixedOperation,
  type Operation,
  ProduceOperation,
  QueryOperation,
} from './operations.ts';
import { RecordLedger } from './record-ledger.ts';

export interface SessionParts {
  client: HttpClient;
  info: TopicInfo;
  flags: LoadFlags;
  /** Of a mixed load. */
  mix: Pick<MixedFlags, 'weights' | 'query' | 'fetchBytes'> | undefined;
  batchSize: number;
  live: LiveLine;
  io: Io;
  interruption: AbortSignal;
}

export interface Measurement {
  stretches: readonly Stretch[];
  warmUpMs: number;
}

/** How long requests that are under way have when somebody presses Ctrl-C. */
const INTERRUPTED_GRACE_MS = 1_000;
/** Seeds of what is drawn beside the records, so that one does not depend on the other. */
const QUERY_SEED = 1;
const MIX_SEED = 2;

export class LoadSession {
  readonly ledger: RecordLedger | undefined;
  readonly #parts: SessionParts;
  readonly #lanes: HttpLanes;
  readonly #operation: Operation;

  private constructor(parts: SessionParts, records: { source: RecordSource; encoding: TextEncoding }) {
    const { client, flags, info } = parts;
    this.#parts = parts;
    this.#lanes = new HttpLanes(new URL(client.server), flags.connections, flags.timeout);
    const run = randomBytes(4).toString('hex');
    this.ledger = flags.verify ? new RecordLedger(run, flags.connections, info.partitions.length) : undefined;
    this.#operation = this.#operationOf(records);
  }

  /** Throws UsageError for a template that makes no sense, an Error for a file that cannot be read. */
  static async open(parts: SessionParts): Promise<LoadSession> {
    return new LoadSession(parts, await recordsOf(parts));
  }

  /** Resolves when all that was due is over, or, after an interruption, what was sent. */
  async measure({ stretches, warmUpMs }: Measurement): Promise<LoadFigures> {
    const { flags, live, interruption } = this.#parts;
    const schedule = new Schedule(stretches);
    const durationMs = schedule.durationMs - warmUpMs;
    const recorder = new LoadRecorder(intervalFor(durationMs));
    const loop = new OpenLoop({
      schedule,
      lanes: this.#lanes.count,
      recorder,
      clock: loadClock,
      warmUpMs,
      graceMs: flags.timeout,
      begin: (_index, lane, ended) => this.#operation.begin(lane, ended),
    });
    let breaking: NodeJS.Timeout | undefined;
    const stop = () => {
      loop.stop();
      breaking = setTimeout(() => this.#lanes.breakAll('interrupted'), INTERRUPTED_GRACE_MS);
    };
    const idle = performance.eventLoopUtilization();
    const running = loop.run();
    if (interruption.aborted) stop();
    interruption.addEventListener('abort', stop);
    live.follow(recorder, durationMs);
    await running.finally(() => {
      interruption.removeEventListener('abort', stop);
      clearTimeout(breaking);
      live.stop();
    });
    const { utilization } = performance.eventLoopUtilization(idle);
    return figuresOf(recorder, {
      durationMs: interruption.aborted ? undefined : durationMs,
      lanes: this.#lanes.count,
      busy: utilization,
    });
  }

  /** By kind of error: what the server said of the first one. */
  get errorDetails(): Record<string, string> {
    return Object.fromEntries([...this.#lanes.details].filter(([, detail]) => detail !== ''));
  }

  close(): Promise<void> {
    return this.#lanes.close();
  }

  #operationOf({ source, encoding }: { source: RecordSource; encoding: TextEncoding }): Operation {
    const { flags, info, mix, batchSize } = this.#parts;
    const lanes = this.#lanes;
    const partitions = info.partitions.length;
    const { ledger } = this;
    const parts = {
      lanes,
      topic: info.name,
      partitions,
      acks: flags.acks,
      batchSize,
      source,
      encoding,
      ledger,
    };
    const produce = new ProduceOperation(parts);
    if (mix === undefined) return produce;
    const starts = info.partitions.map(({ logStartOffset }) => logStartOffset);
    const random = new SeededRandom(flags.seed + QUERY_SEED);
    const keys = new KeyPicker(Math.max(1, keysFor(flags)), flags.skew, random);
    const query = usable(() => new RecordTemplate(mix.query, random));
    return new MixedOperation(
      [
        { weight: mix.weights.produce, operation: produce },
        {
          weight: mix.weights.consume,
          operation: new ConsumeOperation(lanes, info.name, starts, mix.fetchBytes),
        },
        { weight: mix.weights.query, operation: new QueryOperation(lanes, info.name, query, keys) },
      ],
      new SeededRandom(flags.seed + MIX_SEED),
    );
  }
}

async function recordsOf({
  flags,
  io,
}: SessionParts): Promise<{ source: RecordSource; encoding: TextEncoding }> {
  const { seed, skew, template, valueBytes, file } = flags;
  const keys = keysFor(flags);
  if (file === undefined) {
    const source = usable(() => new RecordMaker({ seed, keys, skew, template, valueBytes }));
    return { source, encoding: 'text' };
  }
  const { values, encoding, cut } = await readLines(file);
  if (cut) {
    const mib = MOST_FILE_BYTES / 2 ** 20;
    io.stderr.write(`seglog: of ${file} only the first ${mib} MiB are used, ${values.length} lines\n`);
  }
  const picker = keys === 0 ? undefined : new KeyPicker(keys, skew, new SeededRandom(seed));
  return { source: new FileRecords(values, picker, keyName), encoding };
}

/** A template that makes no sense was typed. */
function usable<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    throw error instanceof RangeError ? new UsageError(error.message, { cause: error }) : error;
  }
}
