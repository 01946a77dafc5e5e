/** Where the engine reports; the shape is pino's, so a pino logger fits as it is. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

const ignore = () => {};

/** The default of the embedded engine, which prints nothing by itself. */
export const silentLogger: Logger = { debug: ignore, info: ignore, warn: ignore, error: ignore };
