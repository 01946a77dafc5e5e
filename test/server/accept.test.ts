import t from 'tap';
import { negotiate } from '../../src/server/accept.ts';

const OFFERS = [
  'application/json',
  'application/x-ndjson',
  'application/msgpack',
  'text/event-stream',
] as const;

t.test('the client gets the media type that it wants most', async (t) => {
  const cases: [accept: string | undefined, given: string][] = [
    [undefined, 'application/json'],
    ['*/*', 'application/json'],
    ['application/*', 'application/json'],
    ['application/msgpack', 'application/msgpack'],
    ['application/x-msgpack', 'application/msgpack'],
    ['application/vnd.msgpack;q=0.9, application/json;q=0.5', 'application/msgpack'],
    ['Application/X-NDJSON', 'application/x-ndjson'],
    ['application/jsonl', 'application/x-ndjson'],
    ['text/event-stream', 'text/event-stream'],
    ['text/*', 'text/event-stream'],
    ['text/html, application/xhtml+xml, */*;q=0.8', 'application/json'],
    ['application/json;q=0, */*', 'application/x-ndjson'],
    ['application/json; q=0.1 , application/msgpack ; q=0.2', 'application/msgpack'],
  ];
  for (const [accept, given] of cases) t.equal(negotiate(accept, OFFERS), given, String(accept));
});

t.test('what cannot be given is refused', async (t) => {
  for (const accept of ['text/html', 'application/json;q=0', 'image/*', '', ',,;q=']) {
    t.throws(() => negotiate(accept, ['application/json']), { code: 'not_acceptable' }, accept);
  }
});
