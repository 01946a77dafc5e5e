/** `seglog ingest`: makes log events of lines and stores them. */
import { Command, InvalidArgumentError, Option } from 'commander';
import { FORMATS } from '../formats/load-format.ts';
import type { IngestOptions } from '../ingest-run.ts';
import type { Io } from '../io.ts';
import { jsonOption, parseBatchSize, parseDuration, parseText, serverOption } from '../options.ts';

const HELP = `
Formats:
  ndjson     a line is an event: {"timestamp"?, "level"?, "source", "message", …}; stored as it is
  text       a line is a message; lines that begin with white space, "at " or "Caused by:" belong to the one before.
             A date and time at the begin of a line is the event's, else the arrival
  combined   access logs of Apache and nginx; the level by the status: ERROR from 500 on, WARN from 400 on
  syslog     RFC 3164 and RFC 5424, as sent or from files; the source is the program

The source of events that name none is --source; of text and combined it is else told by the file's name (access.log.1: access).
Lines that are no events are named and left out; all others are stored. Files in gzip or zstd are read as what is in them.

Examples:
  seglog ingest events.ndjson                            one JSON object a line
  seglog ingest --format combined /var/log/nginx/access.log*
  seglog ingest --format syslog /var/log/syslog
  journalctl -o short-iso-precise | seglog ingest --format syslog
  seglog ingest --follow --format text /var/log/app.log  as it grows, across restarts and rotation
  my-program 2>&1 | seglog ingest --format text --source my-program
  seglog ingest --json --quiet events.ndjson.zst | jq .rejected

Exit codes: 0 all lines are stored, 1 some are not (or it failed, or was interrupted), 2 misused.`;

export function ingestCommand(io: Io): Command {
  return new Command('ingest')
    .description('store lines of standard input or of files as log events')
    .argument('[file...]', 'files to read; "-" or none is standard input')
    .addOption(new Option('-f, --format <name>', 'what the lines are').choices(FORMATS).default('ndjson'))
    .option('-s, --source <name>', 'the source of events that name none', parseText)
    .option('--level <level>', 'the level of events that say none (text, syslog)', parseText)
    .option(
      '--zone <offset>',
      'of times that name none, such as +02:00 (text, syslog; default: UTC)',
      parseZone,
    )
    .option('-t, --topic <topic>', 'where events go; made if it does not exist', parseText, 'logs')
    .option('-F, --follow', 'go on with what files get, also when they are rotated, where the last run ended')
    .option('--state <dir>', 'where positions of followed files are kept (default: ~/.local/state/seglog)')
    .option('--batch-bytes <size>', 'send at most so much at a time', parseBatchSize, 4 * 1024 * 1024)
    .option(
      '--delivery-timeout-ms <time>',
      'how long to retry what is refused (default: 120000; with --follow: for ever)',
      parseDuration,
    )
    .addOption(jsonOption('print what became of the lines as JSON'))
    .option('-q, --quiet', 'print errors only')
    .addOption(serverOption())
    .addHelpText('after', HELP)
    .action(async (files: string[], options: IngestOptions) => {
      const { ingest } = await import('../ingest.ts');
      await ingest(files, options, io);
    });
}

function parseZone(text: string): string {
  if (text === 'Z' || text === 'UTC') return 'Z';
  if (!/^[+-](?:[01]\d|2[0-3]):?[0-5]\d$/.test(text))
    throw new InvalidArgumentError('It takes an offset such as +02:00, or Z.');
  return text;
}
