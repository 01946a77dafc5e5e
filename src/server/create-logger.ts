/** The daemon's own log: structured lines (pino) to stderr, never to stdout, which belongs to results. */
import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import type { ServerConfig } from './config.ts';

export function createLogger(config: ServerConfig, destination?: DestinationStream): PinoLogger {
  const options = { name: 'seglog', level: config.settings['log.level'] };
  return pino(options, destination ?? pino.destination({ fd: 2, sync: true }));
}
