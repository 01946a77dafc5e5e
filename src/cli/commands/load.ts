/** `seglog load`: sends load at rates of its own, and tells how long the daemon takes. */
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Io } from '../io.ts';
import {
  type BurstFlags,
  DEFAULT_TOPIC,
  type MixedFlags,
  type RampFlags,
  type SteadyFlags,
  type Weights,
} from '../load/load-options.ts';
import { collectLevel } from '../load/service-level.ts';
import {
  jsonOption,
  parseDuration,
  parsePositiveNumber,
  parseSize,
  parseText,
  parseWholeNumber,
  serverOption,
} from '../options.ts';

const HELP = `
Requests are due at fixed times, whatever became of those before, and latency counts from when each was due: a stall of
the daemon is charged to all that fell into it (docs/load.md). Made records are log events; the topic "${DEFAULT_TOPIC}" is made
where it is not there. Ctrl-C ends it, and prints what was measured by then.

Exit code 1: the service level (--slo) broke, the log does not hold what was acknowledged (--verify), or that
was not checked to the end, or nothing was answered.

Examples:
  seglog load steady --rate 10000 --duration 60s
  seglog load burst --rate 20000 --base-rate 1000 --period 10s --duration 60s
  seglog load ramp --from 5000 --slo p99=50ms --html report.html
  seglog load mixed --rate 500 --weights produce=70,consume=20,query=10
  seglog load steady --rate 5000 --verify --slo p99=20ms --slo errors=0% --json`;

export function loadCommand(io: Io): Command {
  return new Command('load')
    .description('send load, open loop, and measure how long the daemon takes')
    .addCommand(steadyCommand(io))
    .addCommand(burstCommand(io))
    .addCommand(rampCommand(io))
    .addCommand(mixedCommand(io))
    .addHelpText('after', HELP);
}

function steadyCommand(io: Io): Command {
  const command = new Command('steady')
    .description('one rate')
    .option('-r, --rate <n>', 'records a second', parseRate)
    .addOption(timeOption('-d, --duration <time>', 'how long', '10s'));
  return common(command, [
    'steady --rate 10000 --duration 60s',
    'steady --rate 1000 --batch-size 1 --acks all --slo p99=20ms   single records',
    'steady --rate 5000 --file access.log --keys 0                 lines of a file',
    "steady --rate 5000 --template '{now} {pick:GET|POST} /orders/{int:1-9999} {key}'",
    'steady --rate 20000 --keys 1000 --skew 1.2 --verify           some keys more often',
  ]).action(async (topic: string, flags: SteadyFlags) => {
    const { steadyLoad } = await import('../load/run-load.ts');
    await steadyLoad(topic, flags, io);
  });
}

function burstCommand(io: Io): Command {
  const command = new Command('burst')
    .description('a base rate, with bursts')
    .option('-r, --rate <n>', 'records a second in bursts', parseRate)
    .option('--base-rate <n>', 'records a second between them', parseBaseRate, 0)
    .addOption(
      timeOption('--period <time>', 'from one burst to the next; each period ends with its burst', '10s'),
    )
    .option('--burst-duration <time>', 'how long a burst is (default: a fifth of the period)', parseDuration)
    .addOption(timeOption('-d, --duration <time>', 'how long', '30s'));
  return common(command, [
    'burst --rate 20000 --base-rate 1000 --period 10s --duration 60s',
    'burst --rate 50000 --period 5s --burst-duration 500ms --html report.html',
  ]).action(async (topic: string, flags: BurstFlags) => {
    const { burstLoad } = await import('../load/run-load.ts');
    await burstLoad(topic, flags, io);
  });
}

function rampCommand(io: Io): Command {
  const command = new Command('ramp')
    .description('higher and higher rates until the service level breaks; tells the highest that held')
    .option('--from <n>', 'records a second of the first step', parseRate, 1_000)
    .option('--step <n>', 'so many more in each step (default: half as many again)', parseRate)
    .option('--to <n>', 'the highest rate that is tried', parseRate, 1_000_000)
    .addOption(timeOption('--step-duration <time>', 'how long a step is', '5s'));
  return common(command, [
    'ramp --from 5000 --slo p99=50ms',
    'ramp --from 10000 --step 10000 --to 100000 --step-duration 10s --html report.html',
  ]).action(async (topic: string, flags: RampFlags) => {
    const { rampLoad } = await import('../load/run-load.ts');
    await rampLoad(topic, flags, io);
  });
}

const WEIGHTS: Weights = { produce: 70, consume: 20, query: 10 };

function mixedCommand(io: Io): Command {
  const command = new Command('mixed')
    .description('producing, consuming and querying side by side')
    .option('-r, --rate <n>', 'requests a second, of all kinds together', parseRate)
    .addOption(
      new Option('--weights <weights>', 'how often each kind comes')
        .default(WEIGHTS, 'produce=70,consume=20,query=10')
        .argParser(parseWeights),
    )
    .option(
      '--query <parameters>',
      'of GET /api/query/logs; a template, as --template',
      parseText,
      'source={key}&startTime={ago:15m}&limit=100',
    )
    .option('--fetch-bytes <size>', 'the largest page that is consumed', parseSize, 64 * 1024)
    .addOption(timeOption('-d, --duration <time>', 'how long', '10s'));
  return common(command, [
    'mixed --rate 500',
    'mixed --rate 500 --weights produce=50,query=50 --query "level=ERROR&startTime={ago:1h}&limit=20"',
  ]).action(async (topic: string, flags: MixedFlags) => {
    const { mixedLoad } = await import('../load/run-load.ts');
    await mixedLoad(topic, flags, io);
  });
}

/** "produce=70,consume=20,query=10": what is not named does not come. */
function parseWeights(text: string): Weights {
  const weights: Weights = { produce: 0, consume: 0, query: 0 };
  for (const part of text.split(',')) {
    const [, name = '', weight = ''] = /^\s*(\w+)=(\d{1,6})\s*$/.exec(part) ?? [];
    if (!Object.hasOwn(weights, name))
      throw new InvalidArgumentError('It takes weights such as produce=70,consume=20,query=10.');
    weights[name as keyof Weights] = Number(weight);
  }
  if (Object.values(weights).every((weight) => weight === 0))
    throw new InvalidArgumentError('It takes at least one weight above zero.');
  return weights;
}

/** Options that all kinds of load have, and their examples. */
function common(command: Command, examples: readonly string[]): Command {
  return command
    .argument('[topic]', `where to; "${DEFAULT_TOPIC}" is made if it is not there`, DEFAULT_TOPIC)
    .option('--batch-size <n>', 'records a request (default: 100, fewer at low rates)', parsePositiveNumber)
    .addOption(
      new Option('-a, --acks <acks>', 'all = synced to disk, 1 = written, 0 = accepted')
        .choices(['all', '1', '0'])
        .default('all'),
    )
    .option('-c, --connections <n>', 'the most requests under way at one time', parsePositiveNumber, 64)
    .addOption(timeOption('--timeout <time>', 'an answer that takes longer is an error', '10s'))
    .addOption(
      timeOption(
        '--warmup <time>',
        'sent first, at the first rate, and not counted; 0 for none',
        '1s',
      ).argParser(parseWarmUp),
    )
    .option('--value-bytes <size>', 'about how large made records are, up to 1MiB', parseValueBytes, 256)
    .addOption(
      new Option('-f, --file <file>', 'the lines of a file are the records, again and again').conflicts([
        'template',
        'valueBytes',
      ]),
    )
    .addOption(
      new Option(
        '--template <text>',
        'records of this text; {now} {key} {seq} {int:1-500} {pick:a|b} {hex:16} {text:80} are filled in',
      )
        .argParser(parseText)
        .conflicts('valueBytes'),
    )
    .option('--keys <n>', 'how many different keys; 0 for none (default: 64, of a file 0)', parseKeys)
    .option('--skew <s>', 'how uneven keys are: 0 = all alike, 1 = as Zipf’s law', parseSkew, 0)
    .option('--seed <n>', 'the same seed makes the same records', parseWholeNumber, 1)
    .option(
      '--slo <limit>',
      'p99=50ms, errors=0.1%, rate=95% …: exit 1 where it breaks; may be given again',
      collectLevel,
    )
    .option('--verify', 'afterwards check that every acknowledged record is there, once, in order')
    .option('--create-topic', 'make the topic if it does not exist')
    .option('--partitions <n>', 'of a topic that is made (default: 4)', parsePositiveNumber)
    .addOption(jsonOption('print the report as JSON'))
    .option('--html <file>', 'write the report as one page, with plots')
    .addOption(serverOption())
    .addHelpText('after', `\nExamples:\n${examples.map((each) => `  seglog load ${each}\n`).join('')}`);
}

function timeOption(flags: string, description: string, byDefault: string): Option {
  return new Option(flags, description).argParser(parseDuration).default(parseDuration(byDefault), byDefault);
}

/** A process makes some hundred thousand records a second: what is far beyond is a slip. */
const MOST_PER_SECOND = 10_000_000;
/** Skewed keys are held in a table. */
const MOST_KEYS = 10_000_000;

function parseRate(text: string): number {
  return atMost(MOST_PER_SECOND, parsePositiveNumber(text));
}

function parseBaseRate(text: string): number {
  return atMost(MOST_PER_SECOND, parseWholeNumber(text));
}

/** As long as a text in a template may be, which they are made of. */
function parseValueBytes(text: string): number {
  const bytes = parseSize(text);
  if (bytes > 1024 * 1024) throw new InvalidArgumentError('It takes at most 1MiB.');
  return bytes;
}

function parseKeys(text: string): number {
  return atMost(MOST_KEYS, parseWholeNumber(text));
}

function atMost(limit: number, value: number): number {
  if (value > limit) throw new InvalidArgumentError(`It takes at most ${limit}.`);
  return value;
}

function parseWarmUp(text: string): number {
  return /^0\s*(ms|[smhd])?$/i.test(text) ? 0 : parseDuration(text);
}

function parseSkew(text: string): number {
  const skew = /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!(skew <= 10)) throw new InvalidArgumentError('It takes a number from 0 to 10, such as 1.1.');
  return skew;
}
