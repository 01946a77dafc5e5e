/**
 * The image without a Docker engine: its Dockerfile is read, what it copies is looked for, and the commands
 * that it runs are run here, with the paths of this checkout.
 */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { ended, startCli } from './helpers/cli.ts';
import { Daemon } from './helpers/daemon.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const packageJson = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));

interface Instruction {
  name: string;
  text: string;
}

/** By stage, its instructions. */
const stages = parseDockerfile(readFileSync(`${ROOT}Dockerfile`, 'utf8'));
const final = stages.at(-1)!;

function parseDockerfile(text: string): Instruction[][] {
  const stages: Instruction[][] = [];
  for (const line of text.replace(/\\\n/g, ' ').split('\n')) {
    const match = /^([A-Z]+)\s+(.*)$/.exec(line);
    if (match === null) continue;
    const instruction = { name: match[1]!, text: match[2]!.trim() };
    if (instruction.name === 'FROM') stages.push([]);
    stages.at(-1)!.push(instruction);
  }
  return stages;
}

function only(name: string): string {
  const found = final.filter((each) => each.name === name);
  t.equal(found.length, 1, `one ${name}`);
  return found[0]!.text;
}

/** What runs in the image, as arguments of the program. */
function argumentsOf(command: string): string[] {
  const [program, ...args] = JSON.parse(command) as string[];
  t.equal(program, 'seglog');
  return args;
}

t.test('it is built in one stage and runs in another, on the Node that is needed', async (t) => {
  t.equal(stages.length, 2);
  const needed = Number(/\d+/.exec(packageJson.engines.node)![0]);
  for (const stage of stages) t.equal(Number(/^node:(\d+)-slim/.exec(stage[0]!.text)![1]), needed);
  const run = stages[0]!.filter((each) => each.name === 'RUN').map((each) => each.text);
  t.match(run[0], /^npm ci /);
  t.match(run[1], /^npm run build && npm prune --omit=dev/);
});

t.test('what it copies exists, and .dockerignore lets it through', async (t) => {
  const rules = readFileSync(`${ROOT}.dockerignore`, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  t.equal(rules[0], '*', 'nothing else reaches the builder: no data, no secrets, no node_modules');
  for (const { text } of stages
    .flat()
    .filter((each) => each.name === 'COPY' && !each.text.startsWith('--from'))) {
    for (const path of text.split(/\s+/).slice(0, -1)) {
      t.ok(existsSync(ROOT + path), path);
      t.ok(rules.includes(`!${path}`), `${path} is not ignored`);
    }
  }
});

t.test('it does not run as root, and keeps its data in a volume that its user owns', async (t) => {
  t.equal(only('USER'), 'node');
  t.equal(only('VOLUME'), '/data');
  const position = (name: string) => final.findIndex((each) => each.name === name);
  t.ok(position('USER') < position('ENTRYPOINT'));
  t.match(final.find((each) => each.name === 'RUN')!.text, /install -d -o node -g node \/data/);
  t.match(only('LABEL'), /org\.opencontainers\.image\.licenses="Apache-2\.0"/);
});

t.test('the program that it links is the one that the package names', async (t) => {
  const run = final.find((each) => each.name === 'RUN')!.text;
  t.match(run, `ln -s /app/${packageJson.bin.seglog} /usr/local/bin/seglog`);
  t.match(packageJson.scripts.build, `chmod +x ${packageJson.bin.seglog}`);
});

t.test('its commands serve, answer the health check, and end with 0 on its stop signal', async (t) => {
  const [verb, ...flags] = [...argumentsOf(only('ENTRYPOINT')), ...(JSON.parse(only('CMD')) as string[])];
  t.equal(verb, 'serve');
  t.same(flags, ['--data', '/data', '--listen', '0.0.0.0:7070']);
  t.equal(only('EXPOSE'), '7070', 'the port that the health check and clients expect');
  const signal = only('STOPSIGNAL') as NodeJS.Signals;

  const here = flags.map(
    (each) => ({ '/data': `${t.testdir()}/data`, '0.0.0.0:7070': '0.0.0.0:0' })[each] ?? each,
  );
  const daemon = await Daemon.start(here[1]!, here.slice(2));
  const [, check] = /CMD (\[.*\])$/.exec(only('HEALTHCHECK'))!;
  const env = { SEGLOG_SERVER: `http://127.0.0.1:${new URL(daemon.url).port}` };
  t.match(await ended(startCli(argumentsOf(check!), env)), { code: 0, stderr: '' });
  t.match(await daemon.kill(signal), { code: 0, signal: null });
  t.match(await ended(startCli(argumentsOf(check!), env)), { code: 1, stderr: /no seglog daemon answers/ });
});
