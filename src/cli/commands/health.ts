/** `seglog health`: asks a daemon whether it is ready. The container image's HEALTHCHECK runs it. */
import { Command } from 'commander';
import { ReportedFailure, ServerError } from '../errors.ts';
import { HttpClient } from '../http-client.ts';
import type { Io } from '../io.ts';
import { jsonOption, parseDuration, type ServerFlag, serverOption } from '../options.ts';
import { jsonText } from '../text.ts';

interface HealthFlags extends ServerFlag {
  json?: boolean;
  timeoutMs: number;
}

export function healthCommand(io: Io): Command {
  return new Command('health')
    .description('ask a daemon whether it is ready: exit code 0 if it is, 1 if not')
    .addOption(serverOption())
    .addOption(jsonOption('print its whole answer as JSON'))
    .option('--timeout-ms <time>', 'how long to wait for the answer', parseDuration, 5000)
    .addHelpText(
      'after',
      `
Examples:
  seglog health
  seglog health --server http://127.0.0.1:7070 && echo ready`,
    )
    .action((flags: HealthFlags) => health(flags, io));
}

async function health(flags: HealthFlags, io: Io): Promise<void> {
  const client = new HttpClient(flags.server, io.env);
  try {
    const answer = await client.json<Record<string, unknown>>('GET', '/readyz', {
      timeoutMs: flags.timeoutMs,
    });
    io.stdout.write(flags.json ? jsonText(io.stdout, answer) : 'ready\n');
  } catch (error) {
    if (!(error instanceof ServerError)) throw error;
    io.stdout.write(flags.json ? jsonText(io.stdout, error.problem) : `not ready: ${error.message}\n`);
    throw new ReportedFailure();
  }
}
