/** A found event as an answer has it: what it lacks is filled in, and nothing else is changed. */
import t from 'tap';
import { writeLogEvent } from '../../src/server/log-event-json.ts';
import { OutputBuffer } from '../../src/server/output-buffer.ts';

const TIME = '2026-11-21T08:00:00.000Z';

function written(value: string | Buffer): string {
  const out = new OutputBuffer(16);
  writeLogEvent(out, { value: Buffer.from(value), timestamp: Date.parse(TIME), partition: 3, offset: 42 });
  return out.bytes.toString('utf8', 0, out.length);
}

const CASES: { name: string; value: string | Buffer; answer: string }[] = [
  {
    name: 'the usual event, which begins with its time',
    value: '{"timestamp":"2026-11-21","message":"a"}',
    answer: '{"timestamp":"2026-11-21","message":"a","partition":3,"offset":42}',
  },
  {
    name: 'a time that stands elsewhere',
    value: '{"message":"a","timestamp":"2026-11-21"}',
    answer: '{"message":"a","timestamp":"2026-11-21","partition":3,"offset":42}',
  },
  {
    name: 'a time that is a number',
    value: '{"timestamp":1795248000,"message":"a"}',
    answer: '{"timestamp":1795248000,"message":"a","partition":3,"offset":42}',
  },
  {
    name: 'no time',
    value: '{"message":"a"}',
    answer: `{"message":"a","timestamp":"${TIME}","partition":3,"offset":42}`,
  },
  {
    name: 'a time that is null',
    value: '{"timestamp":null}',
    answer: `{"timestamp":null,"timestamp":"${TIME}","partition":3,"offset":42}`,
  },
  {
    name: 'a time whose name is escaped',
    value: '{"\\u0074imestamp":"2026-11-21"}',
    answer: '{"\\u0074imestamp":"2026-11-21","partition":3,"offset":42}',
  },
  {
    name: 'a partition of its own',
    value: '{"timestamp":"2026-11-21","partition":"a"}',
    answer: '{"timestamp":"2026-11-21","partition":"a","offset":42}',
  },
  {
    name: 'an offset of its own, and no time',
    value: '{"offset":1}',
    answer: `{"offset":1,"timestamp":"${TIME}","partition":3}`,
  },
  {
    name: 'a name that is only a value',
    value: '{"timestamp":"2026-11-21","a":"offset"}',
    answer: '{"timestamp":"2026-11-21","a":"offset","partition":3,"offset":42}',
  },
  { name: 'an empty object', value: '{ }', answer: `{ "timestamp":"${TIME}","partition":3,"offset":42}` },
  {
    name: 'the usual beginning of what is no JSON',
    value: '{"timestamp":"2026-11-21","message":"a" "b"}',
    answer: `{"timestamp":"${TIME}","message":"{\\"timestamp\\":\\"2026-11-21\\",\\"message\\":\\"a\\" \\"b\\"}","partition":3,"offset":42}`,
  },
  {
    name: 'the usual event with text beyond ASCII',
    value: '{"timestamp":"2026-11-21","message":"für 5 €"}',
    answer: '{"timestamp":"2026-11-21","message":"für 5 €","partition":3,"offset":42}',
  },
  {
    name: 'the usual event with bytes that are no UTF-8',
    value: Buffer.from('{"timestamp":"2026-11-21","message":"\xff"}', 'latin1'),
    answer: `{"timestamp":"${TIME}","message":"${Buffer.from('{"timestamp":"2026-11-21","message":"\xff"}', 'latin1').toString('base64')}","messageEncoding":"base64","partition":3,"offset":42}`,
  },
  {
    name: 'the usual event on two lines, with space behind it',
    value: '{"timestamp":"2026-11-21",\n"message":"a"} ',
    answer: '{"timestamp":"2026-11-21", "message":"a","partition":3,"offset":42}',
  },
  {
    name: 'line breaks',
    value: '{"a":1,\r\n"b":2}',
    answer: `{"a":1,  "b":2,"timestamp":"${TIME}","partition":3,"offset":42}`,
  },
  {
    name: 'no object',
    value: 'plain "text"',
    answer: `{"timestamp":"${TIME}","message":"plain \\"text\\"","partition":3,"offset":42}`,
  },
  {
    name: 'no text',
    value: Buffer.from([0xff, 0xfe]),
    answer: `{"timestamp":"${TIME}","message":"//4=","messageEncoding":"base64","partition":3,"offset":42}`,
  },
];

for (const { name, value, answer } of CASES) t.test(name, async (t) => t.equal(written(value), answer));
