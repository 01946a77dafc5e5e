import t from 'tap';
import { FileRecords, readLines } from '../../../src/cli/load/file-records.ts';

t.test('lines are values, also the last one without a newline, and the empty ones', async (t) => {
  const dir = t.testdir({ a: 'one\r\n\nzwölf\nlast', b: 'x\n', empty: '', newline: '\n' });
  t.same(await readLines(`${dir}/a`), {
    values: ['one\r', '', 'zwölf', 'last'],
    encoding: 'text',
    cut: false,
  });
  t.same((await readLines(`${dir}/b`)).values, ['x']);
  t.same((await readLines(`${dir}/newline`)).values, ['']);
  await t.rejects(readLines(`${dir}/empty`), { message: `${dir}/empty has no lines to make records of` });
  await t.rejects(readLines(`${dir}/nope`), { code: 'ENOENT' });
});

t.test('bytes that are no text make all of them base64', async (t) => {
  const dir = t.testdir({ a: Buffer.from('plain\n\xff\n', 'latin1') });
  const { values, encoding } = await readLines(`${dir}/a`);
  t.equal(encoding, 'base64');
  t.same(
    values.map((each) => Buffer.from(each, 'base64').toString('latin1')),
    ['plain', '\xff'],
  );
});

t.test('of a large file as many whole lines are taken as fit', async (t) => {
  const dir = t.testdir({ a: `${'x'.repeat(999)}\n`.repeat(1_000) });
  const { values, cut } = await readLines(`${dir}/a`, 300_000);
  t.equal(cut, true);
  t.ok(values.length > 0 && values.length <= 300);
  t.ok(values.every((each) => each.length === 999));
});

t.test('they come one after the other, and again', async (t) => {
  const records = new FileRecords(['a', 'b'], undefined, String);
  t.same(
    [1, 2, 3].map(() => records.next()),
    [
      { key: null, value: 'a' },
      { key: null, value: 'b' },
      { key: null, value: 'a' },
    ],
  );
});
