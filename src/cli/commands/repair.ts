/** `seglog repair`: makes a damaged data directory whole again; with --accept-loss also where that costs records. */
import { Command } from 'commander';
import type { RepairLoss, RepairReport } from '../../engine/index.ts';
import { createProgress } from '../byte-progress.ts';
import { ReportedFailure } from '../errors.ts';
import type { Io } from '../io.ts';
import { jsonOption } from '../options.ts';
import { count, jsonText, range } from '../text.ts';
import { findingText } from './verify.ts';

interface RepairFlags {
  acceptLoss?: boolean;
  json?: boolean;
}

export function repairCommand(io: Io): Command {
  return new Command('repair')
    .description('make a data directory whole again, while no daemon has it open')
    .argument('<directory>', 'the data directory')
    .option('--accept-loss', 'give up what cannot be read: the gap is recorded, the bytes are kept aside')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
Without --accept-loss only what loses nothing is done, and what would be lost is listed: look at that first.

Examples:
  seglog repair ./data
  seglog repair ./data --accept-loss`,
    )
    .action((directory: string, flags: RepairFlags) => repair(directory, flags, io));
}

async function repair(directory: string, flags: RepairFlags, io: Io): Promise<void> {
  const { repairDirectory } = await import('../../engine/index.ts');
  const progress = await createProgress(io.stderr);
  const report = await repairDirectory({
    directory,
    acceptLoss: flags.acceptLoss === true,
    onProgress: ({ bytesDone, bytesTotal }) => progress.update(bytesDone, bytesTotal),
  }).finally(() => progress.stop());
  io.stdout.write(flags.json ? jsonText(io.stdout, report) : reportText(report));
  if (!report.ok) throw new ReportedFailure();
}

function reportText(report: RepairReport): string {
  const lines = report.actions.map(({ file, message }) => `done    ${file}: ${message}`);
  for (const loss of report.losses) lines.push(lossText(loss));
  for (const finding of report.remaining) lines.push(findingText(finding));
  if (report.keptIn !== null) lines.push(`what was cut is kept in ${report.directory}/${report.keptIn}`);
  lines.push(verdict(report));
  return `${lines.join('\n')}\n`;
}

function lossText(loss: RepairLoss): string {
  const what = loss.accepted ? 'gave up' : 'lost   ';
  const kept = loss.keptAs === null ? '' : `, kept as ${loss.keptAs}`;
  const where = `${loss.topic} partition ${loss.partition}`;
  return `${what} ${where} offsets ${range(loss.firstOffset, loss.endOffset)} (${count(loss.bytes, 'byte')}): ${loss.reason}${kept}`;
}

function verdict(report: RepairReport): string {
  if (report.ok) return report.actions.length === 0 ? 'ok: there was nothing to repair' : 'ok: repaired';
  if (report.losses.some((each) => !each.accepted)) {
    return `DAMAGED: the records listed cannot be read; to go on without them: seglog repair ${report.directory} --accept-loss`;
  }
  return 'DAMAGED: this cannot be repaired';
}
