/**
 * DaemonLoad: load that the daemon makes for itself, for a demonstration: made records, appended straight to the log at a
 * fixed rate, open loop. One at a time.
 *
 * It shares the thread that serves and appends. Its figures are those of appends, without HTTP.
 */
import { type Clock, type Engine, type Logger, systemClock } from '../../engine/index.ts';
import { HttpProblem, problemOf } from '../error-mapping.ts';
import type { Percentiles } from './latency-histogram.ts';
import { figuresOf } from './load-figures.ts';
import { intervalFor, LoadRecorder, type Outcome } from './load-recorder.ts';
import { OpenLoop } from './open-loop.ts';
import { RecordMaker } from './record-maker.ts';
import { Schedule } from './schedule.ts';

export const DEMO_TOPIC = 'load';
const DEMO_PARTITIONS = 4;
/** Beyond that the log is the limit, and what is due waits here, where it costs nothing. */
const MOST_APPENDS = 256;
const KEYS = 64;

export interface DemoLoad {
  /** The topic `load` is made where it is not there. */
  topic: string;
  /** Records a second. */
  rate: number;
  durationSeconds: number;
  /** Records in an append. */
  batchSize: number;
  valueBytes: number;
}

export const DEMO_STATES = ['idle', 'running', 'done', 'stopped'] as const;

export interface DemoStats {
  /** `idle` before the first one. */
  state: (typeof DEMO_STATES)[number];
  load: DemoLoad | null;
  /** Milliseconds since 1970. */
  startedAt: number | null;
  elapsedSeconds: number;
  records: { wanted: number; acknowledged: number; failed: number; perSecond: number; bytes: number };
  /** By code of the problem. */
  errors: Readonly<Record<string, number>>;
  /** From when an append was due to when it was on disk. */
  latencyMs: Percentiles;
  /** The part of the time in which the thread that serves, appends and makes the load did something. */
  busy: number;
}

interface Run {
  load: DemoLoad;
  loop: OpenLoop;
  recorder: LoadRecorder;
  startedAt: number;
  idle: ReturnType<typeof performance.eventLoopUtilization>;
  stopped: boolean;
  /** Once it is over. */
  final: DemoStats | undefined;
  ended: Promise<void>;
}

export class DaemonLoad {
  readonly #logger: Logger;
  readonly #clock: Clock;
  #run: Run | undefined;
  #starting = false;

  constructor(logger: Logger, clock: Clock = systemClock) {
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Resolves once it runs. Throws HttpProblem load_running, and what the engine says of the topic. */
  async start(engine: Engine, load: DemoLoad): Promise<DemoStats> {
    if (this.#starting || (this.#run !== undefined && this.#run.final === undefined))
      throw new HttpProblem('load_running', 'a load is running: stop it first, or wait for its end');
    this.#starting = true;
    try {
      await prepareTopic(engine, load.topic);
      this.#begin(engine, load);
    } finally {
      this.#starting = false;
    }
    return this.stats();
  }

  /** Begins nothing more, and resolves once what is under way has ended. */
  async stop(): Promise<DemoStats> {
    const run = this.#run;
    if (run !== undefined && run.final === undefined) {
      run.stopped = true;
      run.loop.stop();
      await run.ended;
    }
    return this.stats();
  }

  stats(): DemoStats {
    if (this.#run === undefined) return IDLE;
    return this.#run.final ?? statsOf(this.#run, 'running');
  }

  #begin(engine: Engine, load: DemoLoad): void {
    const { topic, rate, durationSeconds, batchSize, valueBytes } = load;
    const ms = durationSeconds * 1000;
    const recorder = new LoadRecorder(intervalFor(ms));
    const maker = new RecordMaker({ seed: 1, keys: KEYS, skew: 1, valueBytes });
    const loop = new OpenLoop({
      schedule: new Schedule([{ perSecond: rate / batchSize, ms }]),
      lanes: MOST_APPENDS,
      recorder,
      clock: this.#clock,
      graceMs: 0,
      begin: (_index, _lane, ended) => void append(engine, topic, maker, batchSize).then(ended),
    });
    const idle = performance.eventLoopUtilization();
    const startedAt = this.#clock.now();
    const ended = loop.run().then(() => {
      run.final = statsOf(run, run.stopped ? 'stopped' : 'done');
      const { state, records, errors } = run.final;
      this.#logger.info({ ...load, state, records, errors }, 'a load ended');
    });
    const run: Run = { load, loop, recorder, startedAt, idle, stopped: false, final: undefined, ended };
    this.#run = run;
    this.#logger.info({ ...load }, 'a load began');
  }
}

function statsOf({ load, recorder, startedAt, idle }: Run, state: DemoStats['state']): DemoStats {
  const figures = figuresOf(recorder, {
    durationMs: state === 'done' ? load.durationSeconds * 1000 : undefined,
    lanes: MOST_APPENDS,
    busy: performance.eventLoopUtilization(idle).utilization,
  });
  const { requests, records, errors, latencyMs, generator, seconds } = figures;
  return {
    state,
    load,
    startedAt,
    elapsedSeconds: seconds,
    records: {
      wanted: requests.wanted * load.batchSize,
      acknowledged: records.count,
      failed: requests.failed * load.batchSize,
      perSecond: records.perSecond,
      bytes: records.bytes,
    },
    errors,
    latencyMs,
    busy: generator.busy,
  };
}

async function prepareTopic(engine: Engine, topic: string): Promise<void> {
  if (topic === DEMO_TOPIC) {
    const exists = engine.listTopics().some(({ name }) => name === topic);
    if (!exists) await engine.createTopic(topic, { partitions: DEMO_PARTITIONS });
  } else {
    await engine.describeTopic(topic);
  }
}

/** Appends a batch, and says what came of it; never rejects. */
async function append(
  engine: Engine,
  topic: string,
  maker: RecordMaker,
  batchSize: number,
): Promise<Outcome> {
  const records = Array.from({ length: batchSize }, () => maker.next());
  const bytes = records.reduce((sum, { key, value }) => sum + value.length + key!.length, 0);
  try {
    await engine.append(topic, records);
    return { kind: 'produce', records: batchSize, bytes };
  } catch (error) {
    return { kind: 'produce', error: problemOf(error).problem.code, records: batchSize, bytes };
  }
}

const NOTHING: Percentiles = {
  mean: null,
  p50: null,
  p90: null,
  p95: null,
  p99: null,
  p999: null,
  max: null,
};

const IDLE: DemoStats = {
  state: 'idle',
  load: null,
  startedAt: null,
  elapsedSeconds: 0,
  records: { wanted: 0, acknowledged: 0, failed: 0, perSecond: 0, bytes: 0 },
  errors: {},
  latencyMs: NOTHING,
  busy: 0,
};
