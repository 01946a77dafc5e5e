import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { combinedFormat } from '../../../src/cli/formats/combined-format.ts';

const ACCESS_LOG = fileURLToPath(new URL('../../../../shared/data/raw/apache_access.log', import.meta.url));
const skip = existsSync(ACCESS_LOG) ? false : 'there is no real log file here';
const { parse } = combinedFormat({ source: 'web' });

t.test('a line of an access log is taken apart', async (t) => {
  t.same(
    parse(
      '83.149.9.216 - frank [17/May/2015:10:05:03 +0200] "GET /a%20b?c=d HTTP/1.1" 404 203 "http://x/" "Mozilla/5.0 (X; \\"Y\\")"',
    ),
    {
      timestamp: '2015-05-17T08:05:03.000Z',
      level: 'WARN',
      source: 'web',
      message: 'GET /a%20b?c=d HTTP/1.1 404',
      metadata: {
        client: '83.149.9.216',
        user: 'frank',
        method: 'GET',
        path: '/a%20b?c=d',
        protocol: 'HTTP/1.1',
        status: 404,
        bytes: 203,
        referer: 'http://x/',
        userAgent: 'Mozilla/5.0 (X; "Y")',
      },
    },
  );
});

t.test('other lines of access logs are known, too', async (t) => {
  const time = '[21/Nov/2026:08:00:00 +0000]';
  const cases: [line: string, level: string, message: string, metadata: object][] = [
    [`::1 - - ${time} "GET / HTTP/1.0" 200 -`, 'INFO', 'GET / HTTP/1.0 200', { bytes: undefined, path: '/' }],
    [`h - - ${time} "-" 408 0 "-" "-"`, 'WARN', '- 408', { method: undefined, userAgent: undefined }],
    [`h - - ${time} "\\x16\\x03\\x01" 400 5 "-" "-"`, 'WARN', '\\x16\\x03\\x01 400', { status: 400 }],
    [`h - J. Doe ${time} "GET /" 500 1 "" ""`, 'ERROR', 'GET / 500', { user: 'J. Doe', path: '/' }],
    [
      `h - - ${time} "GET / HTTP/2.0" 301 1 "-" "curl" 0.003 "x"`,
      'INFO',
      'GET / HTTP/2.0 301',
      { more: '0.003 "x"' },
    ],
  ];
  for (const [line, level, message, metadata] of cases) {
    const event = parse(line);
    t.match(event, { level, message, timestamp: '2026-11-21T08:00:00.000Z' }, line);
    for (const [name, value] of Object.entries(metadata))
      t.equal(event.metadata?.[name], value, `${line}: ${name}`);
  }
});

t.test('what is no such line is named', async (t) => {
  for (const line of ['', 'hello', 'h - - [21/Nov/2026] "GET /" 200 1', '{"a":1}'])
    t.throws(() => parse(line), /no line of an access log/, line);
  t.throws(() => parse('h - - [31/Feb/2026:08:00:00 +0000] "GET /" 200 1'), /its time is none/);
  t.throws(() => parse('h - - [01/Nov/1926:08:00:00 +0000] "GET /" 200 1'), /its time is none/);
});

t.test('real lines are taken apart without a loss', { skip }, async (t) => {
  const lines = readFileSync(ACCESS_LOG, 'latin1').trimEnd().split('\n');
  for (const line of lines) {
    const { message, metadata, timestamp } = parse(line);
    const { client, bytes, referer, userAgent, more } = metadata as Record<
      string,
      string | number | undefined
    >;
    const [request, status] = [message.slice(0, -4), message.slice(-3)];
    const date = /\[(.*?)\]/.exec(line)![1]!;
    // One of them is cut in the middle of its last field.
    const behind = more ?? `"${referer ?? '-'}" "${userAgent ?? '-'}"`;
    const again = `${client} - - [${date}] "${request}" ${status} ${bytes ?? '-'} ${behind}`;
    if (again !== line.replaceAll('\\"', '"')) t.equal(again, line);
    const [day, month, year, hours, minutes, seconds] = date.split(/[/: ]/);
    if (timestamp !== new Date(`${day} ${month} ${year} ${hours}:${minutes}:${seconds} UTC`).toISOString())
      t.fail(line);
  }
  t.equal(lines.length, 10_000);
});
