import t from 'tap';
import { type LineForm, lineParser } from '../../src/cli/line-parser.ts';

function parse(line: string, form: LineForm, keylessPartition?: number) {
  const record = lineParser(form, keylessPartition)(Buffer.from(line));
  const text = (value: Uint8Array | null | undefined) => (value ? Buffer.from(value).toString() : value);
  return {
    key: text(record.key),
    value: text(record.value),
    partition: record.partition,
    headers: record.headers,
  };
}

t.test('the first separator ends the key', async (t) => {
  t.match(parse('a\tb\tc', { keySeparator: '\\t' }), { key: 'a', value: 'b\tc' });
  t.match(parse('\tb', { keySeparator: '\\t' }), { key: '', value: 'b' });
  t.match(parse('a::', { keySeparator: '::' }), { key: 'a', value: '' });
});

t.test('a line without a separator has no key, and goes where lines without a key go', async (t) => {
  t.match(parse('value', { keySeparator: ':' }, 2), { key: undefined, value: 'value', partition: 2 });
  t.match(parse('k:value', { keySeparator: ':' }, 2), { key: 'k', partition: undefined });
});

t.test('the marker stands for null', async (t) => {
  t.match(parse('a:NULL', { keySeparator: ':', nullMarker: 'NULL' }), { key: 'a', value: null });
  t.match(parse('NULL:x', { keySeparator: ':', nullMarker: 'NULL' }, 1), {
    key: null,
    value: 'x',
    partition: 1,
  });
  t.match(parse('', { nullMarker: '' }), { value: null });
});

t.test('a carriage return at the end is kept unless it is to be stripped', async (t) => {
  t.equal(parse('a\r', {}).value, 'a\r');
  t.equal(parse('a\r', { stripCr: true }).value, 'a');
  t.equal(parse('a\rb', { stripCr: true }).value, 'a\rb');
});

t.test('headers are added to those of the record', async (t) => {
  const { headers } = parse('{"value":"x","headers":{"own":"1"}}', { json: true, header: [['all', '2']] });
  t.match(headers, [{ key: 'all' }, { key: 'own' }]);
});
