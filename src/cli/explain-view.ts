/** How a query was carried out, as people read it: what there was, what was left out and why, what was read. */
import type { Output } from './io.ts';
import { bytesFor, humanDuration, table } from './text.ts';

interface Parts {
  total: number;
  pruned: Record<'time' | 'source' | 'level' | 'fields' | 'text', number>;
  scanned: number;
  unneeded: number;
}

export interface Explanation {
  query: string;
  matches: number;
  partitions: Parts;
  segments: Parts & { unindexed: number };
  blocks: Parts;
  bytesRead: number;
  bytesSkipped: number;
  recordsScanned: number;
  cachedScans: number;
  planningMs: number;
  runMs: number;
}

const KINDS = ['time', 'source', 'level', 'fields', 'text'] as const;

export function explanationText(plan: Explanation, output: Output): string {
  const rows = (['partitions', 'segments', 'blocks'] as const).map((name) => {
    const { total, pruned, scanned, unneeded } = plan[name];
    return [name, total, ...KINDS.map((kind) => pruned[kind]), unneeded, scanned].map(String);
  });
  const head = ['', 'TOTAL', ...KINDS.map((kind) => `-${kind.toUpperCase()}`), 'UNNEEDED', 'SCANNED'];
  const { segments, cachedScans } = plan;
  const notes = [
    `${plan.matches} events found among ${plan.recordsScanned} records that were looked at`,
    `${bytesFor(output, plan.bytesRead)} read, ${bytesFor(output, plan.bytesSkipped)} not`,
    `planned in ${humanDuration(plan.planningMs)}, done in ${humanDuration(plan.runMs)}`,
    ...(segments.unindexed > 0
      ? [`${segments.unindexed} segments have no search index yet: all of them is looked through`]
      : []),
    ...(cachedScans > 0 ? [`${cachedScans} pieces were known from earlier queries`] : []),
  ];
  return `query  ${plan.query}\n\n${table(head, rows)}\n${notes.map((note) => `${note}\n`).join('')}`;
}
