/** The server's door: what the command line, and later the query layer's routes, may use. */
export { type AppOptions, buildApp } from './app.ts';
export {
  type ConfigSources,
  type ConfigValue,
  describeConfig,
  environmentName,
  loadConfig,
  type ServerConfig,
} from './config.ts';
export { decodePieces } from './content-stream.ts';
export { createLogger } from './create-logger.ts';
export { KeyPicker } from './load/key-picker.ts';
export type { CurvePoint, Percentiles } from './load/latency-histogram.ts';
export { figuresOf, type LoadFigures, type LoadLimit } from './load/load-figures.ts';
export { intervalFor, type LoadInterval, LoadRecorder, type Outcome } from './load/load-recorder.ts';
export { loadClock, OpenLoop } from './load/open-loop.ts';
export { keyName, type MadeRecord, RecordMaker, type RecordSource } from './load/record-maker.ts';
export { RecordTemplate } from './load/record-template.ts';
export { burstStretches, fittingBatchSize, Schedule, type Stretch, wholeDueIn } from './load/schedule.ts';
export { SeededRandom } from './load/seeded-random.ts';
export { RunningServer, type ServerEnd, type StartOptions, startServer } from './server.ts';
export {
  allSettings,
  type KnownSetting,
  SERVER_SETTINGS,
  type ServerSettings,
} from './settings.ts';
