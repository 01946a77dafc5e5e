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
export { RunningServer, type ServerEnd, type StartOptions, startServer } from './server.ts';
export {
  allSettings,
  type KnownSetting,
  SERVER_SETTINGS,
  type ServerSettings,
} from './settings.ts';
