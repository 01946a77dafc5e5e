/** Bodies of produce requests that are wrong somewhere, each with what the client is told. */
import { encode } from '@msgpack/msgpack';
import t from 'tap';
import { openApp } from '../helpers/http-app.ts';

const TYPES = {
  json: 'application/json',
  msgpack: 'application/msgpack',
  lines: 'application/x-ndjson',
  text: 'text/plain',
};

t.test('a body that is wrong anywhere is refused as a whole', async (t) => {
  const { ask, engine } = await openApp(t);
  await engine.createTopic('t');
  const record = (json: string) => `{"records":[{"value":"good"},${json}]}`;
  const cases: [type: string, body: string | Buffer, code: string, detail: RegExp, query?: string][] = [
    [
      TYPES.lines,
      '{"a":1}\n{"a":}\n',
      'invalid_json',
      /line 2, byte 6: "}" where a value should be; nothing was stored/,
    ],
    [TYPES.lines, '1\n\n2 3\n', 'invalid_json', /line 3, byte 3: more follows the value/],
    [TYPES.lines, Buffer.from('1\n"\xff"\n', 'latin1'), 'invalid_json', /line 2 is not valid UTF-8/],
    [TYPES.lines, `1\n${'['.repeat(1000)}`, 'nesting_too_deep', /line 2, byte 129: nested deeper than 128/],
    [
      TYPES.json,
      record('{"value":1}'),
      'invalid_record',
      /record 1: "value" must be a string or null; other JSON goes with encoding=json/,
    ],
    [TYPES.json, record('{"key":"k"}'), 'invalid_record', /record 1: "value" is missing/],
    [TYPES.json, record('{"value":"v","valeu":1}'), 'invalid_record', /"valeu" is not known/],
    [TYPES.json, record('{"value":"v","__proto__":{"x":1}}'), 'invalid_record', /"__proto__" is not known/],
    [TYPES.json, record('{"value":"v","value":"w"}'), 'invalid_record', /"value" occurs twice/],
    [
      TYPES.json,
      record('{"value":"v","timestamp":"soon"}'),
      'invalid_record',
      /"timestamp" must be ISO 8601/,
    ],
    [
      TYPES.json,
      record('{"value":"v","timestamp":-5}'),
      'invalid_record',
      /record 1: "timestamp" .* from 1970 on, not -5; nothing was stored/,
    ],
    [
      TYPES.json,
      record('{"value":"v","partition":1.5}'),
      'invalid_record',
      /"partition" must be a whole number/,
    ],
    [
      TYPES.json,
      record('{"value":"v","partition":-1}'),
      'invalid_record',
      /"partition" must be a whole number/,
    ],
    [TYPES.json, record('{"value":"v","partition":12345678901234567890}'), 'invalid_record', /"partition"/],
    [
      TYPES.json,
      record('{"value":"v","headers":[{"value":"x"}]}'),
      'invalid_record',
      /a header has no "key"/,
    ],
    [TYPES.json, record('{"value":"v","headers":[{"key":"x","val":"x"}]}'), 'invalid_record', /a header is/],
    [TYPES.json, record('{"value":"v","headers":{"a":1}}'), 'invalid_record', /"header value" must be/],
    [TYPES.json, record('{"value":"\\ud800"}'), 'invalid_json', /half a surrogate pair/],
    [TYPES.json, record('7'), 'invalid_json', /"7" where "{" should be/],
    [
      TYPES.json,
      record('{"value":"%"}'),
      'invalid_record',
      /"value" is not valid base64/,
      '?encoding=base64',
    ],
    [TYPES.json, `${record('{"value":"v"}')}x`, 'invalid_json', /more follows the object/],
    [TYPES.json, '{"records":[],"records":[]}', 'invalid_request', /"records" occurs twice/],
    [TYPES.json, '{"recrods":[]}', 'invalid_request', /"recrods" is not known/],
    [TYPES.json, '{}', 'invalid_request', /there is no "records"/],
    [TYPES.json, '{"records":[]}', 'invalid_request', /the body has no records/],
    [TYPES.json, '[]', 'invalid_json', /"\[" where "{" should be/],
    [TYPES.json, '', 'invalid_json', /it ends where "{" should be/],
    [TYPES.json, '{"records":[{"value":"v"}', 'invalid_json', /byte 25: it ends where/],
    [TYPES.text, '', 'invalid_request', /no records/],
    [
      TYPES.msgpack,
      Buffer.from(encode({ records: [{ value: 'good' }, { value: 5 }] })),
      'invalid_record',
      /record 1: "value" must be bin, str or nil/,
    ],
    [
      TYPES.msgpack,
      Buffer.from(encode({ records: [{ value: 'v', timestamp: '1969-12-31T23:59:59Z' }] })),
      'invalid_record',
      /record 0: "timestamp" .* from 1970 on/,
    ],
    [
      TYPES.msgpack,
      Buffer.from(encode({ records: [{ value: 'v', partition: -1 }] })),
      'invalid_record',
      /"partition"/,
    ],
    [
      TYPES.msgpack,
      Buffer.from(encode({ records: [{ value: 'v', timestamp: {} }] })),
      'invalid_msgpack',
      /a number or text/,
    ],
    [
      TYPES.msgpack,
      Buffer.from(encode({ records: [{ value: 'v', x: 1 }] })),
      'invalid_record',
      /"x" is not known/,
    ],
    [TYPES.msgpack, Buffer.from(encode({ records: [{ key: 'k' }] })), 'invalid_record', /"value" is missing/],
    [TYPES.msgpack, Buffer.from(encode([1])), 'invalid_msgpack', /byte 0: type 0x91 where a map should be/],
    [TYPES.msgpack, Buffer.from(encode({})), 'invalid_request', /there is no "records"/],
    [TYPES.msgpack, Buffer.from(encode({ recs: 1 })), 'invalid_request', /"recs" is not known/],
    [
      TYPES.msgpack,
      Buffer.from(encode({ records: [{ value: Buffer.alloc(9) }] })).subarray(0, -1),
      'invalid_msgpack',
      /ends too early/,
    ],
    [
      TYPES.msgpack,
      Buffer.concat([encode({ records: [{ value: 'v' }] }), Buffer.from([0])]),
      'invalid_msgpack',
      /more follows/,
    ],
    [
      TYPES.msgpack,
      Buffer.from([0x81, 0xa7, ...Buffer.from('records'), 0xdd, 0xff, 0xff, 0xff, 0xff]),
      'invalid_msgpack',
      /4294967295 elements/,
    ],
    [TYPES.msgpack, '', 'invalid_msgpack', /ends too early/],
  ];
  for (const [type, body, code, detail, query = ''] of cases) {
    const answer = await ask({
      method: 'POST',
      url: `/api/topics/t/records${query}`,
      headers: { 'content-type': type },
      payload: body,
    });
    t.match(
      answer,
      { statusCode: 400, problem: { code, detail, status: 400 } },
      `${type} ${body.toString('latin1').slice(0, 60)}`,
    );
  }
  t.equal(engine.offsets('t', 0).logEndOffset, 0, 'nothing was stored');
});
