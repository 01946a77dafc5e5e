/** The image without a Docker engine: its Dockerfile is parsed and linted, and what it says is looked at; test/binary/image.test.ts runs it. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { validate } from 'dockerfile-utils';
import t from 'tap';
import { loadConfig } from '../src/server/config.ts';
import { command, DOCKERFILE, environmentOf, STAGES, said } from './helpers/dockerfile.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const packageJson = JSON.parse(readFileSync(`${ROOT}package.json`, 'utf8'));
const [build, final] = [STAGES[0]!, STAGES.at(-1)!];
const all = (stage: typeof build, name: string) =>
  stage.filter((each) => each.getInstruction() === name).map((each) => each.getArgumentsContent()!);

t.test('a linter has nothing to say', async (t) => {
  t.same(validate(DOCKERFILE), []);
});

t.test(
  'it is built in one stage, on the Node that is needed, and the other holds what came of it',
  async (t) => {
    t.equal(STAGES.length, 2);
    const needed = Number(/\d+/.exec(packageJson.engines.node)![0]);
    t.equal(Number(/^node:(\d+)-slim AS build$/.exec(build[0]!.getArgumentsContent()!)![1]), needed);
    t.match(all(build, 'RUN'), [
      /^npm ci --ignore-scripts$/,
      /^SEGLOG_COMMIT=\$COMMIT npm run build:binary$/,
      /^binary\/image-root\.sh .* \/image$/,
    ]);
    t.equal(final[0]!.getArgumentsContent(), 'scratch');
    t.equal(all(final, 'COPY').length, 1);
    t.match(DOCKERFILE, /^COPY --from=build \/image \/$/m);
    t.same(all(final, 'RUN'), [], 'there is nothing in it that could run a command');
  },
);

t.test('its program takes what is set where it runs, while the image is made and in it', async (t) => {
  for (const stage of STAGES) t.doesNotThrow(() => loadConfig({ env: environmentOf(stage) }));
});

t.test('what it copies exists, and .dockerignore lets it through, and nothing else', async (t) => {
  const rules = readFileSync(`${ROOT}.dockerignore`, 'utf8')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  t.equal(rules[0], '*', 'no data, no secrets, no node_modules reach the builder');
  const copied = all(build, 'COPY').flatMap((text) => text.split(/\s+/).slice(0, -1));
  for (const path of copied) t.ok(existsSync(ROOT + path), path);
  t.same(rules.slice(1).sort(), copied.map((path) => `!${path}`).sort());
});

t.test('it does not run as root, and keeps its data in a volume that its user owns', async (t) => {
  t.equal(said('USER'), '65532:65532');
  t.equal(said('VOLUME'), '/data');
  t.match(readFileSync(`${ROOT}binary/image-root.sh`, 'utf8'), /install -d -o 65532 -g 65532 .*\/data"/);
});

t.test('it says what it is, which port it takes, and how it is asked and stopped', async (t) => {
  t.match(said('LABEL'), `org.opencontainers.image.licenses="${packageJson.license}"`);
  t.match(said('LABEL'), `org.opencontainers.image.description="${packageJson.description}"`);
  t.equal(said('EXPOSE'), '7070');
  t.equal(said('STOPSIGNAL'), 'SIGTERM');
  t.same(command(said('ENTRYPOINT')), ['/usr/bin/seglog']);
  t.same(command(said('CMD')), ['serve', '--data', '/data', '--listen', '0.0.0.0:7070']);
  t.same(command(said('HEALTHCHECK')), ['/usr/bin/seglog', 'health']);
});
