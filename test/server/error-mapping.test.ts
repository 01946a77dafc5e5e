import { readFileSync } from 'node:fs';
import t from 'tap';
import { ERROR_CODES, type ErrorCode, SeglogError } from '../../src/engine/index.ts';
import { ENGINE_PROBLEMS, HttpProblem, PROBLEMS, problemOf } from '../../src/server/error-mapping.ts';

const DOCUMENT = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');

/** Rows of the table: code, status, title. */
const documented = [...DOCUMENT.matchAll(/^\| `(\w+)` \| (\d{3}) \| ([^|]+) \|/gm)].map(
  ([, code, status, title]) => ({
    code: code!,
    status: Number(status),
    title: title!.trim(),
  }),
);
/** Rows of the second table: the engine's code and the problem that it becomes. */
const documentedMapping = [...DOCUMENT.matchAll(/^\| `([A-Z_]+)` \| `(\w+)`/gm)].map(([, code, problem]) => [
  code,
  problem,
]);

t.test('docs/errors.md and the code have the same codes, statuses and titles', async (t) => {
  const inCode = Object.entries(PROBLEMS).map(([code, { status, title }]) => ({ code, status, title }));
  const sorted = <T extends { code: string }>(rows: T[]) =>
    rows.toSorted((a, b) => a.code.localeCompare(b.code));
  t.strictSame(sorted(documented), sorted(inCode));
});

t.test('docs/errors.md and the code have the same answers to the engine’s codes', async (t) => {
  t.strictSame(documentedMapping.toSorted(), Object.entries(ENGINE_PROBLEMS).toSorted());
  t.strictSame(
    Object.keys(ENGINE_PROBLEMS).sort(),
    Object.keys(ERROR_CODES).sort(),
    'every code of the engine has one',
  );
});

t.test('a retriable refusal says when to try again', async (t) => {
  for (const code of Object.keys(ERROR_CODES) as ErrorCode[]) {
    const { headers } = problemOf(new SeglogError(code, 'x'));
    t.equal('retry-after' in headers, ERROR_CODES[code].retriable, code);
  }
});

t.test('the fixed fields stand first and are not overwritten by details', async (t) => {
  const { problem } = problemOf(
    new HttpProblem('invalid_offset', 'why', { status: 200, code: 'x', extra: 1 }),
  );
  t.equal(
    JSON.stringify(problem),
    '{"code":"invalid_offset","title":"The offset is not valid","detail":"why","status":400,"extra":1}',
  );
});

t.test('a partition that is missing is told apart from a topic that is', async (t) => {
  t.match(problemOf(new SeglogError('UNKNOWN_TOPIC_OR_PARTITION', 'x', { topic: 't' })), {
    problem: { code: 'unknown_topic' },
  });
  t.match(problemOf(new SeglogError('UNKNOWN_TOPIC_OR_PARTITION', 'x', { topic: 't', partition: 3 })), {
    problem: { code: 'unknown_partition', partition: 3, status: 404 },
  });
});

t.test('no file of the server is named, wherever its data are', async (t) => {
  for (const path of [
    '/var/lib/seglog/topics/a/0/1.log',
    'data/topics/a/0/1.log',
    './data/topics/a/0/1.log',
  ]) {
    const { problem } = problemOf(
      new SeglogError('CORRUPT_MESSAGE', `offsets 1 to 2 of ${path} are damaged`),
    );
    t.equal(problem.detail, 'offsets 1 to 2 of (a file) are damaged', path);
  }
});

t.test('whatever else is thrown is an internal error that tells nothing', async (t) => {
  for (const thrown of [new Error('secret'), 'secret', null, undefined, { code: 'FST_ERR_X' }]) {
    const { problem } = problemOf(thrown);
    t.equal(problem.code, 'internal_error');
    t.notMatch(JSON.stringify(problem), /secret/);
  }
});
