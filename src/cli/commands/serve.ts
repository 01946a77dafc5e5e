/** `seglog serve`: runs the daemon in the foreground until SIGTERM or Ctrl-C. */
import { Command } from 'commander';
import type { ConfigValue, RunningServer } from '../../server/index.ts';
import { readVersion } from '../build-facts.ts';
import { ReportedFailure, UsageError } from '../errors.ts';
import { EXIT_CODES } from '../exit-codes.ts';
import type { Io } from '../io.ts';
import { jsonOption } from '../options.ts';
import { jsonText, table } from '../text.ts';

interface ServeFlags {
  data?: string;
  listen?: string;
  config?: string;
  printConfig?: boolean;
  json?: boolean;
}

const HELP = `
Every setting can be a flag (--segment.bytes 64MiB), an environment variable (SEGLOG_SEGMENT_BYTES=64MiB) or
a line of the file, and counts in that order. --print-config lists them all; an unknown one is refused.
Sizes are bytes, or 64k, 64KiB, 1m, 2GiB; times are milliseconds, or 500ms, 30s, 15m, 1h, 7d.

Examples:
  seglog serve
  seglog serve --data /var/lib/seglog --listen 0.0.0.0:7070 --config /etc/seglog.yaml
  seglog serve --flush interval --flush.ms 100ms
  seglog serve --print-config`;

export function serveCommand(io: Io): Command {
  return (
    new Command('serve')
      .description('run the daemon')
      .option('--data <dir>', 'the data directory (default: ./data)')
      .option('--listen <address>', 'host:port; port 0 takes a free one (default: 127.0.0.1:7070)')
      .option('--config <file>', 'settings in YAML or JSON (default: $SEGLOG_CONFIG)')
      .option('--print-config', 'print each setting, its value and where it came from, and end')
      .addOption(jsonOption('with --print-config: as JSON'))
      .addHelpText('after', HELP)
      // What commander does not know are settings; the server knows those.
      .allowUnknownOption()
      .allowExcessArguments()
      .action((flags: ServeFlags, command: Command) => serve(flags, command.args, io))
  );
}

async function serve(flags: ServeFlags, rest: readonly string[], io: Io): Promise<void> {
  const settings = parseSettingFlags(rest);
  // Before the server is loaded: a signal that comes meanwhile ends it cleanly, too.
  const interruption = io.interruption();
  const { createLogger, describeConfig, loadConfig, startServer } = await import('../../server/index.ts');
  const config = loadConfig({
    flags: { ...settings, data: flags.data, listen: flags.listen },
    env: io.env,
    file: flags.config,
  });
  if (flags.printConfig) {
    printConfig(describeConfig(config), flags.json === true, io);
    return;
  }
  const logger = createLogger(config, io.stderr);
  const server = await startServer(config, { logger, version: readVersion() }).catch((error: unknown) => {
    throw explainListenError(error, config.settings.listen);
  });
  await runServer(server, interruption, io);
}

function explainListenError(error: unknown, listen: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const reasons: Record<string, string> = {
    EADDRINUSE: 'another program, or another seglog, listens there',
    EADDRNOTAVAIL: 'this machine has no such address',
    EACCES: 'ports below 1024 need a privilege',
    ENOTFOUND: 'there is no such host',
  };
  const reason = typeof code === 'string' ? reasons[code] : undefined;
  if (reason === undefined) return error;
  return new Error(`cannot listen on ${listen}: ${reason}; give another address with --listen`, {
    cause: error,
  });
}

/** "--name value" and "--name=value", again and again. */
export function parseSettingFlags(args: readonly string[]): Record<string, string> {
  const settings: Record<string, string> = {};
  for (let i = 0; i < args.length; i++) {
    const match = /^--([^=]+)(?:=(.*))?$/s.exec(args[i]!);
    if (match === null) throw new UsageError(`"${args[i]}" is no setting: give settings as --name value`);
    const value = match[2] ?? args[++i];
    if (value === undefined) throw new UsageError(`--${match[1]} takes a value`);
    settings[match[1]!] = value;
  }
  return settings;
}

function printConfig(entries: readonly ConfigValue[], json: boolean, io: Io): void {
  if (json) {
    io.stdout.write(jsonText(io.stdout, { settings: entries }));
    return;
  }
  const rows = entries.map((each) => [each.name, String(each.value), each.source, each.origin]);
  io.stdout.write(table(['SETTING', 'VALUE', 'FROM', 'WHERE'], rows));
}

async function runServer(server: RunningServer, interruption: AbortSignal, io: Io): Promise<void> {
  const stop = () => void server.stop();
  interruption.addEventListener('abort', stop);
  if (interruption.aborted) stop();
  const end = await server.finished;
  if (end.reason === 'stopped' && end.clean) return;
  io.stderr.write(
    `seglog: ${end.detail ?? 'stopped before the log could be closed: the next start recovers it'}\n`,
  );
  // What did not end in its time may go on for ever.
  if (!end.clean) io.abandon(EXIT_CODES.failed);
  throw new ReportedFailure();
}
