/**
 * The events of real systems, consumed by three processes of one group, of which one is killed in the middle: every line
 * is there, as it was.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ended, runCli, startCli } from '../helpers/cli.ts';
import { Daemon } from '../helpers/daemon.ts';
import { until } from '../helpers/until.ts';

const EVENTS = fileURLToPath(new URL('../../../shared/data/events/', import.meta.url));
const skip = existsSync(EVENTS) ? false : 'there is no ../shared/data beside this checkout';

interface Line {
  partition: number;
  offset: number;
  value: string;
}

/** A member in a process of its own; what it has written so far, line by line. */
class Consumer {
  readonly lines: Line[] = [];
  readonly #child;
  readonly end;
  #rest = '';

  constructor(server: string) {
    const args = ['consume', 'events', '-g', 'readers', '-o', 'beginning', '--json', '--max-bytes', '16k'];
    this.#child = startCli([...args, '--session-timeout', '1s'], { SEGLOG_SERVER: server });
    this.end = ended(this.#child);
    const decoder = new TextDecoder();
    this.#child.stdout!.on('data', (chunk: Buffer) => {
      const lines = (this.#rest + decoder.decode(chunk, { stream: true })).split('\n');
      this.#rest = lines.pop()!;
      for (const line of lines) this.lines.push(JSON.parse(line));
    });
  }

  kill(signal: NodeJS.Signals) {
    this.#child.kill(signal);
    return this.end;
  }
}

t.test('a group of three processes, one killed in the middle, writes every line', { skip }, async (t) => {
  // Stopped, and its data verified, before the directory goes.
  t.teardown(() => daemon.stop());
  const daemon = await Daemon.start(`${t.testdir()}/data`, ['--group.min.session.timeout.ms', '500']);
  const cli = (...args: string[]) => runCli(args, { env: { SEGLOG_SERVER: daemon.url } });
  const describe = async () =>
    JSON.parse((await cli('groups', 'describe', 'readers', '--json')).stdout.toString());
  await cli('topics', 'create', 'events', '--partitions', '6');

  const consumers = [1, 2, 3].map(() => new Consumer(daemon.url));
  t.teardown(() => Promise.all(consumers.map((consumer) => consumer.kill('SIGKILL'))));
  await until('each has two partitions', async () => {
    const { members } = await describe().catch(() => ({ members: [] }));
    return (
      members.length === 3 &&
      members.every(
        (each: { assignment: { partitions: number[] }[] }) => each.assignment[0]?.partitions.length === 2,
      )
    );
  });
  const files = readdirSync(EVENTS).map((name) => join(EVENTS, name));
  const producing = cli('produce', 'events', ...files, '--batch-bytes', '50k');
  const killed = consumers[1]!;
  await until('it is in the middle', () => killed.lines.length > 500);
  t.match(await killed.kill('SIGKILL'), { signal: 'SIGKILL' });
  const left = (await describe()).offsets.reduce((sum: number, { lag }: { lag: number }) => sum + lag, 0);
  t.comment(`${killed.lines.length} lines when it was killed, ${left} to be read by the others`);
  t.match(await producing, { code: 0 });

  const read = () =>
    new Map(consumers.flatMap(({ lines }) => lines.map((each) => [placeOf(each), each.value])));
  const expected = files.flatMap((file) => readFileSync(file, 'utf8').trimEnd().split('\n'));
  await until('every line is written', () => read().size >= expected.length, 60_000);
  t.same([...read().values()].sort(), expected.toSorted());
  const written = consumers.reduce((sum, { lines }) => sum + lines.length, 0);
  t.comment(`${expected.length} lines, ${written - expected.length} of them a second time`);
  for (const { lines } of consumers) t.ok(isInOrder(lines), 'in order within each partition');

  await until('all is committed', async () =>
    (await describe()).offsets.every(({ lag }: { lag: number }) => lag === 0),
  );
  for (const consumer of [consumers[0]!, consumers[2]!]) t.match(await consumer.kill('SIGINT'), { code: 0 });
  t.match(await describe(), { state: 'Empty', offsets: { length: 6 } });
});

const placeOf = ({ partition, offset }: Line) => `${partition}/${offset}`;

/** None of these was fenced, so none has written anything twice. */
function isInOrder(lines: readonly Line[]): boolean {
  const next = new Map<number, number>();
  return lines.every(({ partition, offset }) => {
    const inOrder = offset >= (next.get(partition) ?? 0);
    next.set(partition, offset + 1);
    return inOrder;
  });
}
