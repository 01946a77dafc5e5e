/** The daemon, to be run as a child: serves a data directory on a free port until SIGTERM. */
import { loadConfig, startServer } from '../src/server/index.ts';
import { childArgs, tell } from './child.ts';

export interface ServerArgs {
  data: string;
  /** Other than the defaults. */
  settings?: Readonly<Record<string, string>>;
}

const { data, settings } = childArgs<ServerArgs>();
const config = loadConfig({ flags: { data, listen: '127.0.0.1:0', 'log.level': 'error', ...settings } });
const server = await startServer(config);
await server.ready;
process.once('SIGTERM', () => void server.stop().then(() => process.exit(0)));
tell(Number(new URL(server.url).port));
