/** `seglog verify`: checks every byte of a data directory and reports what it finds. */
import { Command } from 'commander';
import type { VerifyFinding, VerifyReport } from '../../engine/index.ts';
import { createProgress } from '../byte-progress.ts';
import { ReportedFailure } from '../errors.ts';
import type { Io } from '../io.ts';
import { jsonOption } from '../options.ts';
import { count, humanBytes, jsonText, range } from '../text.ts';

export function verifyCommand(io: Io): Command {
  return new Command('verify')
    .description('check every checksum, index, offset and header of a data directory')
    .argument('<directory>', 'the data directory')
    .addOption(jsonOption())
    .addHelpText(
      'after',
      `
While a daemon has the directory open, active segments are checked up to the last checkpoint, sealed ones
to the end. Nothing is changed.
The exit code is 1 when there is damage; \`seglog repair\` tells what can be done about it.

Examples:
  seglog verify ./data
  seglog verify ./data --json | jq .findings`,
    )
    .action((directory: string, flags: { json?: boolean }) => verify(directory, flags, io));
}

async function verify(directory: string, flags: { json?: boolean }, io: Io): Promise<void> {
  const { verifyDirectory } = await import('../../engine/index.ts');
  const progress = await createProgress(io.stderr);
  const report = await verifyDirectory({
    directory,
    onProgress: ({ bytesDone, bytesTotal }) => progress.update(bytesDone, bytesTotal),
  }).finally(() => progress.stop());
  io.stdout.write(flags.json ? jsonText(io.stdout, report) : reportText(report));
  if (!report.ok) throw new ReportedFailure();
}

const STATES = {
  clean: 'it was closed cleanly',
  unclean: 'it was not closed cleanly; the next start recovers it',
  running: 'a process has it open',
} as const;

function reportText(report: VerifyReport): string {
  const { counts, findings, findingsOmitted } = report;
  const lines = findings.map(findingText);
  if (findingsOmitted > 0) lines.push(`… and ${count(findingsOmitted, 'finding')} more`);
  const checked = [
    count(counts.topics, 'topic'),
    count(counts.partitions, 'partition'),
    count(counts.segments, 'segment'),
    count(counts.batches, 'batch', 'batches'),
    count(counts.records, 'record'),
    humanBytes(counts.bytes),
  ];
  lines.push(`checked ${checked.join(', ')} in ${report.directory}: ${STATES[report.state]}`);
  lines.push(verdict(report));
  return `${lines.join('\n')}\n`;
}

function verdict(report: VerifyReport): string {
  const damage = report.findings.filter((each) => each.severity === 'damage').length;
  if (!report.ok) return `DAMAGED: ${count(damage, 'finding')}; see \`seglog repair ${report.directory}\``;
  if (report.segmentsInUse > 0) return partialVerdict(report);
  return report.findings.length === 0 ? 'ok' : 'ok: no acknowledged record is damaged';
}

/** A process has the directory open: what it may still write to was left out. */
function partialVerdict({ counts, segmentsInUse }: VerifyReport): string {
  const soFar = counts.segments === 0 ? 'nothing to judge by yet' : 'ok so far';
  const inUse = `${count(segmentsInUse, 'active segment')} ${segmentsInUse === 1 ? 'is' : 'are'} in use`;
  return `${soFar}: ${inUse}, and what came after the last checkpoint was not checked; stop the daemon to check all`;
}

/** "damage  topics/a/0/00…0.log bytes 64–1199, offsets 0–9: checksum". */
export function findingText(finding: VerifyFinding): string {
  const { startPosition, firstOffset } = finding;
  const bytes = startPosition === null ? '' : ` bytes ${range(startPosition, finding.endPosition!)}`;
  const offsets = firstOffset === null ? '' : `, offsets ${range(firstOffset, finding.endOffset!)}`;
  return `${finding.severity.padEnd(7)} ${finding.file}${bytes}${offsets}: ${finding.message}`;
}
