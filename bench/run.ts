/**
 * `npm run bench [name…] [-- --quick] [--json]`: runs benchmarks one after the other, each in a process of its own, so
 * that none works with what another left in memory or in the compiler's caches. Writes to stdout only.
 */
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { machine, type Outcome } from './harness.ts';

const directory = fileURLToPath(new URL('.', import.meta.url));
/** In the order of the questions; the other files here are what they are made of. */
const names = [
  'append-os',
  'append-sync',
  'append-partitions',
  'journal-border',
  'produce-http',
  'ingest-http',
  'read-sequential',
  'fetch-http',
  'open',
  'latency',
  'compaction',
  'latency-cleaning',
  'search-index',
  'search',
  'search-planning',
  'group-assignment',
  'group-load',
  'start-up',
  'peers',
];

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false }, json: { type: 'boolean', default: false } },
});
const unknown = positionals.filter((name) => !names.includes(name));
if (unknown.length > 0) {
  process.stderr.write(`no benchmark ${unknown.join(', ')}; there are: ${names.join(', ')}\n`);
  process.exit(2);
}

function run(name: string): Promise<string> {
  const args = ['--expose-gc', `${directory}${name}.ts`];
  if (values.quick) args.push('--quick');
  if (values.json) args.push('--json');
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', values.json ? 'pipe' : 'inherit', 'inherit'],
  });
  let output = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`benchmark ${name} ended with ${code}`));
    });
  });
}

const facts = machine();
if (!values.json) {
  for (const [fact, value] of Object.entries(facts)) process.stdout.write(`${fact.padEnd(12)}${value}\n`);
}
const outcomes: Outcome[] = [];
for (const name of positionals.length > 0 ? positionals : names) {
  if (!values.json) process.stdout.write('\n');
  const output = await run(name);
  if (values.json) outcomes.push(JSON.parse(output) as Outcome);
}
if (values.json)
  process.stdout.write(`${JSON.stringify({ machine: facts, benchmarks: outcomes }, null, 2)}\n`);
