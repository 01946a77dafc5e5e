/** A byte order mark before JSON is passed over, wherever bodies are JSON, and kept where they are bytes. */
import t from 'tap';
import { decodeRecords } from '../../src/engine/index.ts';
import { piecesWithoutMark, withoutMark } from '../../src/server/byte-order-mark.ts';
import { openApp } from '../helpers/http-app.ts';

const MARK = '\ufeff';

t.test('it is taken away once, at the beginning, wherever the pieces are cut', async (t) => {
  for (const text of [
    `${MARK}{"a":1}`,
    `${MARK}`,
    `${MARK}${MARK}x`,
    'plain',
    '',
    `x${MARK}`,
    '\u{feff}'.slice(0, 1),
  ]) {
    const bytes = Buffer.from(text);
    const expected = text.startsWith(MARK) ? text.slice(1) : text;
    t.equal(withoutMark(bytes).toString(), expected);
    for (const size of [1, 2, 3, 100]) {
      const pieces = async function* () {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      };
      const found: Buffer[] = [];
      for await (const piece of piecesWithoutMark(pieces())) found.push(piece);
      t.equal(Buffer.concat(found).toString(), expected, `${JSON.stringify(text)} by ${size}`);
    }
  }
  const half = async function* () {
    yield Buffer.from([0xef, 0xbb]);
  };
  for await (const piece of piecesWithoutMark(half())) t.equal(piece.length, 2, 'half of one is none');
});

t.test('bodies of requests', async (t) => {
  const { ask, engine } = await openApp(t);
  const send = (method: 'PUT' | 'POST', url: string, type: string, payload: string) =>
    ask({ method, url, headers: { 'content-type': type }, payload: MARK + payload });
  const [JSON_TYPE, LINES] = ['application/json', 'application/x-ndjson'];
  const event = '{"source":"a","message":"m"}';
  const requests: [status: number, ...Parameters<typeof send>][] = [
    [201, 'PUT', '/api/topics/t', JSON_TYPE, '{"partitions":1}'],
    [200, 'POST', '/api/topics/t/records', JSON_TYPE, '{"records":[{"value":"json"}]}'],
    [200, 'POST', '/api/topics/t/records', LINES, '{"lines":1}\n{"lines":2}\n'],
    [200, 'POST', '/api/topics/t/records', 'text/plain', 'text'],
    [201, 'POST', '/api/logs/ingest', JSON_TYPE, event],
    [200, 'POST', '/api/logs/batch', LINES, `${event}\n${event}`],
    [200, 'POST', '/api/logs/batch?strict=true', LINES, event],
    [200, 'POST', '/api/logs/batch', JSON_TYPE, `[${event}]`],
    [200, 'POST', '/api/query/logs', JSON_TYPE, '{}'],
  ];
  for (const [status, ...request] of requests)
    t.equal((await send(...request)).statusCode, status, request.slice(1, 3).join(' '));
  const values: string[] = [];
  // What is in the journal and what is in the segment come in a piece each.
  for (let offset = 0; offset < engine.offsets('t', 0).highWatermark; ) {
    const { chunks, nextOffset } = await engine.read('t', 0, { offset });
    values.push(...decodeRecords(chunks, offset).map(({ value }) => String(value)));
    offset = nextOffset;
  }
  t.same(values, ['json', '{"lines":1}', '{"lines":2}', `${MARK}text`]);
  const { json } = await ask({ url: '/api/query/logs' });
  t.equal(json().logs.length, 5);
});
