import t from 'tap';
import { openApp } from '../helpers/http-app.ts';

const RECORDS = '/api/topics/a/partitions/0/records';

t.test('records before an offset are deleted', async (t) => {
  const { ask } = await openApp(t);
  await ask({ method: 'PUT', url: '/api/topics/a', payload: { config: { 'segment.bytes': '4KiB' } } });
  for (let i = 0; i < 8; i++) {
    const payload = 'x'.repeat(1000);
    const headers = { 'content-type': 'application/octet-stream' };
    await ask({ method: 'POST', url: '/api/topics/a/records', headers, payload });
  }
  const deletion = (query: string) => ask({ method: 'DELETE', url: `${RECORDS}${query}` });

  const deleted = await deletion('?before_offset=4');
  t.equal(deleted.statusCode, 200);
  t.match(deleted.json(), { partition: 0, logStartOffset: 4, segments: 1, bytes: 3331, jobId: String });
  t.match(await ask({ url: `${RECORDS}?offset=3` }), {
    statusCode: 416,
    problem: { code: 'offset_out_of_range', logStartOffset: 4, highWatermark: 8 },
  });
  t.match((await ask({ url: RECORDS })).json(), { records: [{ offset: 4 }, {}, {}, { offset: 7 }] });
  const metrics = (await ask({ url: '/metrics' })).body;
  t.match(metrics, /^seglog_deleted_segments_total 1$/m);
  t.match(metrics, /^seglog_deleted_bytes_total 3331$/m);

  for (const [query, statusCode, code] of [
    ['', 400, 'invalid_offset'],
    ['?before_offset=-1', 400, 'invalid_offset'],
    ['?before_offset=1.5', 400, 'invalid_offset'],
    ['?before_offset=9', 416, 'offset_out_of_range'],
    ['?before=1', 400, 'invalid_parameter'],
  ] as const) {
    t.match(await deletion(query), { statusCode, problem: { code } }, query);
  }
  const missing = await ask({ method: 'DELETE', url: '/api/topics/b/partitions/0/records?before_offset=1' });
  t.match(missing, { statusCode: 404, problem: { code: 'unknown_topic' } });
});
