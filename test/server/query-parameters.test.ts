import t from 'tap';
import { compileParameters } from '../../src/server/query-parameters.ts';

const check = compileParameters({
  type: 'object',
  additionalProperties: false,
  properties: {
    offset: { type: 'integer', description: 'An offset.', 'x-problem': 'invalid_offset' },
    few: { type: 'integer', minimum: 1, maximum: 9, description: 'A few.' },
    acks: { type: 'string', enum: ['all', '1'], description: 'Which.' },
    from: { type: 'string', format: 'timestamp', description: 'A time.', 'x-problem': 'invalid_timestamp' },
    name: { type: 'string', pattern: '^[a-z]+$', description: 'small letters' },
    width: { type: 'string', pattern: '^\\d+$', description: 'How wide.', 'x-takes': 'digits' },
  },
});

t.test('values come out as the schema says', async (t) => {
  t.strictSame(check({ offset: '42', few: '9', acks: 'all', from: '1795248000', name: 'x' }), {
    value: { offset: 42, few: 9, acks: 'all', from: 1_795_248_000_000, name: 'x' },
  });
  t.strictSame(check({}), { value: {} });
});

t.test('what does not fit is refused with its own code and what would fit', async (t) => {
  const cases: [Record<string, unknown>, code: string, detail: RegExp][] = [
    [
      { offset: '-1' },
      'invalid_offset',
      /"offset" takes a whole number from 0 to 9007199254740991, not "-1"/,
    ],
    [{ offset: '1.5' }, 'invalid_offset', /not "1.5"/],
    [{ offset: '9007199254740992' }, 'invalid_offset', /not/],
    [{ offset: '1e3' }, 'invalid_offset', /not/],
    [{ offset: ' 1' }, 'invalid_offset', /not/],
    [{ offset: '' }, 'invalid_offset', /not ""/],
    [{ offset: ['1', '2'] }, 'invalid_offset', /more than once/],
    [{ few: '10' }, 'invalid_parameter', /from 1 to 9/],
    [{ acks: '2' }, 'invalid_parameter', /one of all, 1/],
    [{ from: 'yesterday' }, 'invalid_timestamp', /an ISO 8601 time or an epoch number, not "yesterday"/],
    [{ name: 'A\u0000' }, 'invalid_parameter', /small letters, not "A\?"/],
    [{ width: '' }, 'invalid_parameter', /"width" takes digits, not ""/],
    [{ ofset: '1' }, 'invalid_parameter', /unknown parameter "ofset"; did you mean "offset"\?/],
    [JSON.parse('{"__proto__": "1"}'), 'invalid_parameter', /unknown parameter "__proto__"/],
    [{ constructor: '1' }, 'invalid_parameter', /unknown parameter/],
  ];
  for (const [raw, code, message] of cases)
    t.match(check(raw), { error: { code, message } }, JSON.stringify(raw));
});
