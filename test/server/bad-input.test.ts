/**
 * Bad input gets a clear answer: one case for each row of the table in the reliability rules that concerns
 * HTTP as it is now. Method: a real server on a real socket; after each case it must still answer, hold no
 * body in memory, and nothing may exist outside its data directory that was not there before.
 */
import { cpSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Engine } from '../../src/engine/index.ts';
import { rawExchange, startTestServer, until } from '../helpers/http-app.ts';
import { verifyNow } from '../helpers/verify-after.ts';
import { EVENT_CASES } from './bad-event-cases.ts';
import { CASES, type Context, parseAnswer, requestText } from './bad-input-cases.ts';

t.test('bad input', async (t) => {
  const root = t.testdir({ template: {} });
  await makeTemplate(join(root, 'template'));
  for (const [i, badInput] of [...CASES, ...EVENT_CASES].entries()) {
    await t.test(badInput.name, async (t) => {
      const data = join(root, `case-${i}`, 'data');
      cpSync(join(root, 'template'), data, { recursive: true });
      badInput.prepare?.(data);
      const before = everythingBut(root, data);
      const server = await startTestServer(t, { data, ...badInput.flags }, badInput.options);
      await server.ready;
      const port = Number(new URL(server.url).port);
      const send: Context['send'] = async (...request) =>
        parseAnswer(await rawExchange(port, requestText(...request)));

      const answer = await badInput.act({ server, port, send });
      t.match({ ...answer, code: answer.problem.code }, badInput.expect);
      t.match(answer.headers['content-type'], /^application\/problem\+json/);
      t.match(answer.problem, { code: String, title: String, detail: String, status: answer.status });
      t.notMatch(
        JSON.stringify(answer.problem),
        /node_modules|\.ts:|case-\d|at \w+ \(/,
        'it tells no stack trace and no path',
      );

      await until(async () => (await send('GET', '/livez')).status === 200);
      const { text } = await (await fetch(`${server.url}/metrics`)).text().then((text) => ({ text }));
      t.match(text, /^seglog_http_body_bytes 0$/m, 'no body is held in memory');
      t.equal(({} as Record<string, unknown>).polluted, undefined);
      t.strictSame(readdirSync(join(data, 'topics')), ['t'], 'no topic was made');
      await server.stop();
      if (badInput.prepare === undefined) await verifyNow(data);
      t.strictSame(everythingBut(root, data), before, 'nothing was made outside of the data directory');
    });
  }
});

/** A data directory with one topic of three records. */
async function makeTemplate(directory: string): Promise<void> {
  const engine = await Engine.open({
    directory,
    settings: { 'journal.files': 0, 'log.dir.reserve.bytes': 0 },
  });
  await engine.createTopic('t');
  await engine.append('t', [{ value: 'one' }, { value: 'two' }, { value: 'three' }]);
  await engine.close();
}

function everythingBut(root: string, data: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => join(root, name))
    .filter((path) => !path.startsWith(data))
    .sort();
}
