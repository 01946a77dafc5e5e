/** Real log files go in over HTTP, and come back byte for byte by offset and by time. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { decode } from '@msgpack/msgpack';
import t from 'tap';
import { openApp } from '../helpers/http-app.ts';

const DATA = fileURLToPath(new URL('../../../shared/data/', import.meta.url));
const skip = existsSync(DATA) ? false : 'there is no real data beside this checkout';

const files = (folder: string) =>
  skip === false
    ? readdirSync(DATA + folder).map((name) => ({ name, bytes: readFileSync(`${DATA}${folder}/${name}`) }))
    : [];
const topicOf = (name: string) => name.replace(/\W/g, '-');
const withoutLastLineEnd = (bytes: Buffer) => (bytes.at(-1) === 0x0a ? bytes.subarray(0, -1) : bytes);

t.test('lines of text come back as the file that they were', { skip }, async (t) => {
  const { ask, engine } = await openApp(t);
  for (const { name, bytes } of files('raw')) {
    const topic = topicOf(name);
    await engine.createTopic(topic);
    const headers = { 'content-type': 'text/plain', 'content-encoding': 'gzip' };
    await ask({
      method: 'POST',
      url: `/api/topics/${topic}/records?compression=zstd`,
      headers,
      payload: gzipSync(bytes),
    });
    const values: Uint8Array[] = [];
    for (let offset = 0; offset < engine.offsets(topic, 0).highWatermark; ) {
      const url = `/api/topics/${topic}/partitions/0/records?offset=${offset}`;
      const page = decode((await ask({ url, headers: { accept: 'application/msgpack' } })).rawPayload) as {
        records: { value: Uint8Array }[];
        nextOffset: number;
      };
      for (const { value } of page.records) values.push(value, Buffer.from('\n'));
      offset = page.nextOffset;
    }
    t.ok(
      Buffer.concat(values.slice(0, -1)).equals(withoutLastLineEnd(bytes)),
      `${name}: ${values.length / 2} lines`,
    );
  }
});

t.test('events come back by offset as they were, and by time from where they should', { skip }, async (t) => {
  const { ask, engine } = await openApp(t);
  const all: { at: number; line: string }[] = [];
  await engine.createTopic('events', { partitions: 4 });
  for (const { name, bytes } of files('events')) {
    const topic = topicOf(name);
    const lines = bytes.toString().trimEnd().split('\n');
    await engine.createTopic(topic);
    const payload = lines.map((line) => ({ value: line, key: name, timestamp: JSON.parse(line).timestamp }));
    await ask({
      method: 'POST',
      url: `/api/topics/${topic}/records`,
      headers: { 'content-type': 'application/x-ndjson' },
      payload: bytes,
    });
    await ask({ method: 'POST', url: '/api/topics/events/records', payload: { records: payload } });
    for (const { value, timestamp } of payload)
      all.push({
        at: Date.parse(/Z|[+-]\d\d:\d\d$/.test(timestamp) ? timestamp : `${timestamp}Z`),
        line: value,
      });

    const streamed = await ask({
      url: `/api/topics/${topic}/partitions/0/records?encoding=text`,
      headers: { accept: 'application/x-ndjson' },
    });
    const values = streamed.body
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).value);
    t.equal(values.join('\n'), lines.join('\n'), name);
  }
  const merged = await ask({
    url: '/api/topics/events/records',
    headers: { accept: 'application/x-ndjson' },
  });
  const values = merged.body
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line).value as string);
  t.strictSame(
    values.toSorted(),
    all.map(({ line }) => line).sort(),
    'all partitions together have every event',
  );

  const middle = all.map(({ at }) => at).sort((a, b) => a - b)[all.length >> 1]!;
  for (let partition = 0; partition < 4; partition++) {
    const { records } = (
      await ask({
        url: `/api/topics/events/partitions/${partition}/records?timestamp=${middle}&max_records=1`,
      })
    ).json();
    if (records.length > 0)
      t.ok(
        Date.parse(records[0].timestamp) >= middle,
        `partition ${partition} is sought to ${records[0].timestamp}`,
      );
  }
});
