/** The work of `seglog load`: finds or makes the topic, sends what is wanted, reports, and checks the log afterwards. */
import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import {
  burstStretches,
  fittingBatchSize,
  type LoadFigures,
  type Stretch,
  wholeDueIn,
} from '../../server/index.ts';
import { ReportedFailure, UsageError } from '../errors.ts';
import { HttpClient, type RequestOptions } from '../http-client.ts';
import type { Io } from '../io.ts';
import { count, humanDuration, jsonText } from '../text.ts';
import { describeTopic, isUnknownTopic, type TopicInfo, topicPath } from '../topics-client.ts';
import { assertOneDue, batchSizeFor } from './batch-size.ts';
import { createLiveLine, type LiveLine } from './live-line.ts';
import {
  type BurstFlags,
  burstMsFor,
  DEFAULT_PARTITIONS,
  DEFAULT_TOPIC,
  type LoadFlags,
  type LoadMode,
  levelFor,
  type MixedFlags,
  type RampFlags,
  rampRates,
  type SteadyFlags,
  timeoutOf,
} from './load-options.ts';
import { failuresOf, type LoadReport, type LoadStep } from './load-report.ts';
import { LoadSession } from './load-session.ts';
import { reportText } from './load-text.ts';
import { judgeLevel } from './service-level.ts';
import { unchecked, verifyLog } from './verification.ts';

/** What is sent, whatever the topic and the daemon. */
interface LoadPlan {
  mode: LoadMode;
  title: string;
  unit: LoadReport['unit'];
  batchSize: number;
  mix?: Pick<MixedFlags, 'weights' | 'query' | 'fetchBytes'>;
  steps: { rate: number; stretches: Stretch[] }[];
}

export async function steadyLoad(topic: string, flags: SteadyFlags, io: Io): Promise<void> {
  const { duration } = flags;
  const rate = wantedRate(flags, 'records');
  const stretches = [{ perSecond: rate, ms: duration }];
  const batchSize = batchSizeFor(flags, rate, stretches, `--duration (${humanDuration(duration)})`);
  return runLoad(
    {
      mode: 'steady',
      title: `${rate} records/s for ${humanDuration(duration)} in ${batchesText(batchSize)}`,
      unit: 'records',
      batchSize,
      steps: [{ rate, stretches: inBatches(stretches, batchSize) }],
    },
    topic,
    flags,
    io,
  );
}

export async function burstLoad(topic: string, flags: BurstFlags, io: Io): Promise<void> {
  const { baseRate, period, duration } = flags;
  const rate = wantedRate(flags, 'records');
  const burstMs = burstMsFor(flags);
  const stretches = burstStretches({
    perSecond: rate,
    basePerSecond: baseRate,
    periodMs: period,
    burstMs,
    durationMs: duration,
  });
  const batchSize = batchSizeFor(flags, rate, stretches, `--duration (${humanDuration(duration)})`);
  const bursts = `${rate} records/s for ${humanDuration(burstMs)} of each ${humanDuration(period)}, else ${baseRate}`;
  return runLoad(
    {
      mode: 'burst',
      title: `${bursts}, for ${humanDuration(duration)} in ${batchesText(batchSize)}`,
      unit: 'records',
      batchSize,
      steps: [{ rate, stretches: inBatches(stretches, batchSize) }],
    },
    topic,
    flags,
    io,
  );
}

export async function rampLoad(topic: string, flags: RampFlags, io: Io): Promise<void> {
  const rates = rampRates(flags);
  // One size for all steps: a larger batch would be another load.
  const { from, stepDuration: ms } = flags;
  const lowest = [{ perSecond: from, ms }];
  const batchSize = batchSizeFor(flags, from, lowest, `--step-duration (${humanDuration(ms)}) at --from`);
  return runLoad(
    {
      mode: 'ramp',
      title: `${from} records/s and more, ${humanDuration(ms)} each, in ${batchesText(batchSize)}`,
      unit: 'records',
      batchSize,
      steps: rates.map((rate) => ({ rate, stretches: inBatches([{ perSecond: rate, ms }], batchSize) })),
    },
    topic,
    flags,
    io,
  );
}

export async function mixedLoad(topic: string, flags: MixedFlags, io: Io): Promise<void> {
  const { duration, weights } = flags;
  const rate = wantedRate(flags, 'requests');
  const stretches = [{ perSecond: rate, ms: duration }];
  assertOneDue(wholeDueIn(stretches), 'request', `--duration (${humanDuration(duration)})`);
  const batchSize = flags.batchSize ?? fittingBatchSize(Number.POSITIVE_INFINITY);
  const kinds = Object.entries(weights).filter(([, weight]) => weight > 0);
  const parts = kinds.map(([kind, weight]) => `${weight} ${kind}`);
  return runLoad(
    {
      mode: 'mixed',
      title: `${rate} requests/s (${parts.join(', ')}) for ${humanDuration(duration)}, produced in ${batchesText(batchSize)}`,
      unit: 'requests',
      batchSize,
      mix: flags,
      steps: [{ rate, stretches }],
    },
    topic,
    flags,
    io,
  );
}

/** Not left to commander: it would complain of a missing rate where somebody misspelt it. */
function wantedRate({ rate }: { rate?: number }, unit: LoadReport['unit']): number {
  if (rate === undefined) throw new UsageError(`say with --rate how many ${unit} a second`);
  return rate;
}

/** Stretches of requests a second, of such of records. */
const inBatches = (stretches: readonly Stretch[], batchSize: number): Stretch[] =>
  stretches.map(({ perSecond, ms }) => ({ perSecond: perSecond / batchSize, ms }));

const batchesText = (batchSize: number) => (batchSize === 1 ? 'single records' : `batches of ${batchSize}`);

async function runLoad(plan: LoadPlan, topic: string, flags: LoadFlags, io: Io): Promise<void> {
  const client = new HttpClient(flags.server, io.env);
  const interruption = io.interruption();
  if (flags.html !== undefined) await assertDirectoryOf(flags.html);
  const info = await findTopic(client, topic, flags, io, interruption);
  const live = await createLiveLine(io.stderr);
  const { batchSize, mix } = plan;
  const session = await LoadSession.open({ client, info, flags, mix, batchSize, live, io, interruption });
  // Before the load: it is too late afterwards to say that it may not be written.
  const page = flags.html === undefined ? undefined : await open(flags.html, 'w');
  const startedAt = new Date();
  try {
    const steps = await runSteps(plan, flags, session, live, interruption);
    const report: LoadReport = {
      mode: plan.mode,
      title: plan.title,
      server: client.server,
      topic,
      partitions: info.partitions.length,
      acks: flags.acks,
      batchSize,
      connections: flags.connections,
      warmUpSeconds: flags.warmup / 1000,
      startedAt: startedAt.toISOString(),
      unit: plan.unit,
      interrupted: interruption.aborted,
      steps,
      highestRate: plan.mode === 'ramp' ? (steps.findLast(({ held }) => held)?.rate ?? null) : null,
      errorDetails: session.errorDetails,
      verification: await verify(client, info, flags, session, live, interruption),
    };
    io.stdout.write(flags.json ? jsonText(io.stdout, report) : reportText(report));
    if (page !== undefined) {
      const { reportPage } = await import('./report-page.ts');
      await page.writeFile(reportPage(report));
      io.stderr.write(`seglog: wrote ${flags.html}\n`);
    }
    const failures = failuresOf(report);
    for (const failure of failures) io.stderr.write(`seglog: ${failure}\n`);
    if (failures.length > 0) throw new ReportedFailure();
  } finally {
    await Promise.all([session.close(), client.close(), page?.close()]);
  }
}

/** Before anything is made or sent: it is too late afterwards to say so. */
async function assertDirectoryOf(file: string): Promise<void> {
  const directory = dirname(file);
  const found = await stat(directory).catch(() => undefined);
  if (!found?.isDirectory()) throw new Error(`--html ${file}: there is no directory ${directory}`);
}

async function runSteps(
  { mode, steps }: LoadPlan,
  flags: LoadFlags,
  session: LoadSession,
  live: LiveLine,
  interruption: AbortSignal,
): Promise<LoadStep[]> {
  const level = levelFor(mode, flags);
  const done: LoadStep[] = [];
  for (const { rate, stretches } of steps) {
    // Both sides are warm once they have had some load.
    const warmUpMs = done.length === 0 ? flags.warmup : 0;
    const warmUp = { perSecond: stretches[0]!.perSecond, ms: warmUpMs };
    const figures: LoadFigures = await session.measure({ stretches: [warmUp, ...stretches], warmUpMs });
    const judged = judgeLevel(level, figures);
    const held = judged.every((each) => each.held);
    done.push({ rate, level: judged, held, ...figures });
    if (interruption.aborted || (mode === 'ramp' && !held)) break;
    if (mode === 'ramp') live.show(`${rate} records/s held`);
  }
  live.stop();
  return done;
}

async function verify(
  client: HttpClient,
  info: TopicInfo,
  flags: LoadFlags,
  { ledger }: LoadSession,
  live: LiveLine,
  interruption: AbortSignal,
): Promise<LoadReport['verification']> {
  if (ledger === undefined) return null;
  if (interruption.aborted) return unchecked(ledger, 'the load was interrupted');
  const progress = (found: number) =>
    live.show(`checking the log: ${found} of ${ledger.acknowledged} records`);
  try {
    const parts = {
      client,
      topic: info,
      ledger,
      mayLag: flags.acks !== 'all',
      timeout: timeoutOf(flags),
      progress,
    };
    return await verifyLog(parts, interruption);
  } catch (error) {
    // What was measured counts all the same, and is still to be printed.
    return unchecked(ledger, interruption.aborted ? 'the check was interrupted' : (error as Error).message);
  } finally {
    live.stop();
  }
}

async function findTopic(
  client: HttpClient,
  topic: string,
  flags: LoadFlags,
  io: Io,
  signal: AbortSignal,
): Promise<TopicInfo> {
  const { createTopic, partitions, verify } = flags;
  const options = { signal, ...timeoutOf(flags) };
  const mayMake = createTopic || topic === DEFAULT_TOPIC;
  if (partitions !== undefined && !mayMake)
    throw new UsageError('--partitions counts for a topic that is made: give --create-topic, too');
  const info = mayMake
    ? await client
        .json<TopicInfo>('GET', topicPath(topic), options)
        .catch((error: unknown) => makeTopic(client, topic, partitions, error, io, options))
    : await describeTopic(client, topic, options);
  if (verify && String(info.config['cleanup.policy']?.value ?? '').includes('compact'))
    throw new UsageError(`--verify needs a topic that keeps every record, and "${topic}" is compacted`);
  return info;
}

async function makeTopic(
  client: HttpClient,
  topic: string,
  partitions: number = DEFAULT_PARTITIONS,
  error: unknown,
  io: Io,
  options: RequestOptions,
): Promise<TopicInfo> {
  if (!isUnknownTopic(error)) throw error;
  const info = await client.json<TopicInfo>('PUT', topicPath(topic), { ...options, body: { partitions } });
  io.stderr.write(`seglog: made topic ${topic} with ${count(partitions, 'partition')}\n`);
  return info;
}
