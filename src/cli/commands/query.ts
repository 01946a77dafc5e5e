/** `seglog query`: looks for log events, counts them, follows them, or tells how a query is carried out. */
import { Command, Option } from 'commander';
import type { Io } from '../io.ts';
import { jsonOption, parsePositiveNumber, parseText, serverOption } from '../options.ts';
import type { QueryFlags } from '../query-events.ts';

const HELP = `
Expressions: words (all of them), "a phrase", prefix*, field:value, field:>5, level:ERROR, source:pay*, -not, OR, parentheses,
/regex/ and /regex/i. Letters of either case are the same. docs/query-language.md tells all.

Times T: 2026-11-21T08:00:00Z, seconds or milliseconds since 1970, now, or back from now: 15m, 2h, 3d

Examples:
  seglog query --since 1h --level ERROR
  seglog query '"connection refused" -source:test*' --since 3d --source payment-service
  seglog query --level WARN -- -timeout                  what begins with "-" stands behind "--"
  seglog query metadata.userId:42 --order asc --json | jq .message
  seglog query --tail 'level:>=WARN'                     as they come, until Ctrl-C
  seglog query timeout --stats --since 1d --interval 1h  counts, and a histogram
  seglog query timeout --explain --since 3d              what was read, and what not

Exit codes: 0 done (also when nothing was found), 1 failed or the answer is not complete, 2 misused.`;

/** An expression may begin with "-" (not …), which looks like options: it must not be taken for some of them by half. */
class QueryCommand extends Command {
  override parseOptions(args: string[]): ReturnType<Command['parseOptions']> {
    const end = args.indexOf('--');
    const given = end < 0 ? args : args.slice(0, end);
    const wrong = given.find((text, i) => !this.#isOption(text) && !this.#takesValue(given[i - 1]));
    if (wrong !== undefined)
      this.error(
        `error: "${wrong}" is no option: an expression that begins with "-" stands behind "--": seglog query -- ${wrong}`,
        { code: 'commander.unknownOption' },
      );
    return super.parseOptions(args);
  }

  /** Or nothing that looks like short ones. Only -n is usual with its value at once. */
  #isOption(text: string): boolean {
    return !/^-[^-]/.test(text) || /^-n\d+$/.test(text) || text === '-h' || this.#option(text) !== undefined;
  }

  #takesValue(before = ''): boolean {
    return this.#option(before)?.required === true;
  }

  #option(text: string): Option | undefined {
    return this.options.find(({ short, long }) => text === short || text === long);
  }
}

export function queryCommand(io: Io): Command {
  return new QueryCommand('query')
    .description('look for log events by time, source, level and words')
    .argument('[expression...]', 'what to look for; nothing is everything')
    .option('--since <time>', 'events of this time or later', parseText)
    .option('--until <time>', 'events before this time', parseText)
    .option(
      '-s, --source <names>',
      'only of these sources, separated by commas; "*" stands for anything',
      parseText,
    )
    .option('-l, --level <names>', 'only of these levels, separated by commas', parseText)
    .option('-n, --limit <n>', 'most events (default: 100)', parsePositiveNumber)
    .addOption(
      new Option('--order <order>', 'the newest first (desc) or the oldest').choices(['desc', 'asc']),
    )
    .option('-t, --topic <topic>', 'where events are (default: logs)', parseText)
    .addOption(
      new Option('-f, --tail', 'follow what comes in').conflicts([
        'stats',
        'explain',
        'since',
        'until',
        'limit',
        'order',
      ]),
    )
    .addOption(
      new Option('--stats', 'count instead: by level, by source, over time').conflicts([
        'explain',
        'limit',
        'order',
      ]),
    )
    .option('--interval <width>', 'with --stats: width of the bars: 1h, 5m, 30s', parseText)
    .addOption(new Option('--explain', 'tell how the query is carried out'))
    .addOption(jsonOption('print events as JSON, one a line, and all else as one JSON document'))
    .addOption(serverOption())
    .addHelpText('after', HELP)
    .action(async (words: string[], flags: QueryFlags) => {
      const { query } = await import('../query-events.ts');
      await query(words.join(' '), flags, io);
    });
}
