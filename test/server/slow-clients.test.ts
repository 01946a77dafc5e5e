/** What clients cost that are slow, or gone: reads wait for them, and what is held for all together is bounded. */
import t from 'tap';
import { listen, openApp, rawConnection, until } from '../helpers/http-app.ts';
import { overlay } from '../helpers/overlay.ts';

const RECORDS = '/api/topics/t/partitions/0/records';

t.test('a stream is read no faster than its client takes it', async (t) => {
  const opened = await openApp(t);
  const { engine, lifecycle } = opened;
  await engine.createTopic('t');
  const batch = Array.from({ length: 1000 }, () => ({ value: 'x'.repeat(1000) }));
  for (let i = 0; i < 32; i++) await engine.append('t', batch, { acks: i === 31 ? 'all' : 1 });
  let read = 0;
  const counting = Object.assign(Object.create(engine), {
    offsets: engine.offsets.bind(engine),
    async read(topic: string, partition: number, options: { offset: number }) {
      const result = await engine.read(topic, partition, options);
      read += result.bytes;
      return result;
    },
  });
  lifecycle.opened(counting, lifecycle.groups, lifecycle.search);
  const { port } = await listen(opened);
  const { socket, closed } = rawConnection(port);
  socket.pause();
  socket.write(
    `GET ${RECORDS} HTTP/1.1\r\nhost: x\r\naccept: application/x-ndjson\r\nconnection: close\r\n\r\n`,
  );
  let before = -1;
  await until(async () => {
    const still = read > 0 && read === before;
    before = read;
    await new Promise((resolve) => setTimeout(resolve, 50));
    return still;
  });
  t.ok(read < 16_000_000, `${read} of 32,000,000 bytes were read while nobody took them`);
  socket.resume();
  t.equal((await closed).split('"offset":').length, 32_001, 'the rest follows');
});

t.test('answers that nobody takes are bounded in all: more are refused, and memory comes back', async (t) => {
  const opened = await openApp(t, { 'http.max.in.flight.bytes': 6_000_000 });
  const { engine, ask } = opened;
  await engine.createTopic('t');
  const batch = Array.from({ length: 1000 }, () => ({ value: 'x'.repeat(1000) }));
  for (let i = 0; i < 20; i++) await engine.append('t', batch, { acks: i === 19 ? 'all' : 1 });
  const { port } = await listen(opened);
  const asked = (accept: string) => ask({ url: RECORDS, headers: { accept } });
  const lazy = Array.from({ length: 2 }, () => rawConnection(port));
  for (const { socket } of lazy) {
    socket.pause();
    socket.write(`GET ${RECORDS} HTTP/1.1\r\nhost: x\r\naccept: application/x-ndjson\r\n\r\n`);
  }
  const held = async () =>
    Number(/^seglog_http_body_bytes (\d+)$/m.exec((await ask({ url: '/metrics' })).body)![1]);
  await until(async () => (await held()) > 5_000_000);
  t.match(await asked('application/x-ndjson'), {
    problem: { code: 'overloaded' },
    headers: { 'retry-after': '1' },
  });
  for (const { socket } of lazy) socket.destroy();
  await until(async () => (await held()) === 0);
  t.equal((await asked('application/json')).statusCode, 200);
  t.equal(await held(), 0);
});

t.test('clients that go away during a long poll leave nothing behind', async (t) => {
  // Less than the pages of all of them would take.
  const opened = await openApp(t, { 'http.max.in.flight.bytes': 4_000_000 });
  const { engine, lifecycle, ask } = opened;
  await engine.createTopic('t');
  let waiting = 0;
  lifecycle.opened(
    overlay(engine, {
      waitForRecords: async (...args) => {
        waiting++;
        const woken = await engine.waitForRecords(...args);
        waiting--;
        return woken;
      },
    }),
    lifecycle.groups,
    lifecycle.search,
  );
  const { port } = await listen(opened);
  for (const accept of Array(5).fill(['application/json', 'application/x-ndjson']).flat()) {
    const { socket } = rawConnection(port);
    socket.write(`GET ${RECORDS}?wait_ms=60000 HTTP/1.1\r\nhost: x\r\naccept: ${accept}\r\n\r\n`);
    await until(() => waiting === 1);
    socket.destroy();
    await until(() => waiting === 0);
    t.match(await ask({ url: RECORDS, headers: { accept } }), { statusCode: 200 });
  }
  const metrics = (await ask({ url: '/metrics' })).body;
  t.same(metrics.match(/^seglog_http_body_bytes .*$/m), ['seglog_http_body_bytes 0']);
});

t.test('a body that is given up for want of memory takes its connection with it', async (t) => {
  const opened = await openApp(t, { 'http.max.in.flight.bytes': 100_000 });
  await opened.engine.createTopic('t');
  const { port } = await listen(opened);
  const { socket, closed } = rawConnection(port);
  // Half of it is on the way, and the rest never comes.
  socket.write(
    `POST /api/topics/t/records HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 400000\r\n\r\n${'x'.repeat(200_000)}`,
  );
  const answer = await closed;
  t.match(answer, /^HTTP\/1.1 503 /);
  t.match(answer, /\r\nconnection: close\r\n/);
  t.match(answer, /"code":"overloaded"/);
});

t.test('a client that breaks off in the middle of a body leaves nothing behind', async (t) => {
  const opened = await openApp(t);
  const { engine, ask } = opened;
  await engine.createTopic('t');
  const { port } = await listen(opened);
  const held = async () =>
    Number(/^seglog_http_body_bytes (\d+)$/m.exec((await ask({ url: '/metrics' })).body)![1]);
  for (const framing of ['content-length: 99', 'transfer-encoding: chunked']) {
    const { socket } = rawConnection(port);
    socket.write(
      `POST /api/topics/t/records HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\n${framing}\r\n\r\n4\r\nhalf\r\n`,
    );
    await until(async () => (await held()) > 0);
    socket.destroy();
    await until(async () => (await held()) === 0);
  }
  t.equal(engine.offsets('t', 0).logEndOffset, 0, 'and nothing was stored');
});

t.test(
  'answers that are sent at the same time do not mix, though they use the same memory in turn',
  async (t) => {
    const opened = await openApp(t);
    const letters = ['a', 'b', 'c', 'd'];
    for (const letter of letters)
      await opened.fill(
        letter,
        Array.from({ length: 1500 }, () => letter.repeat(1000)),
      );
    const { url } = await listen(opened);
    const get = async (letter: string, accept: string, query: string) => {
      const answer = await fetch(`${url}/api/topics/${letter}/partitions/0/records${query}`, {
        headers: { accept },
      });
      return { letter, accept, text: await answer.text() };
    };
    for (let round = 0; round < 3; round++) {
      const answers = await Promise.all(
        letters.flatMap((letter) => [
          get(letter, 'application/x-ndjson', ''),
          get(letter, 'application/json', ''),
          get(letter, 'application/json', '?max_records=9'),
        ]),
      );
      for (const { letter, accept, text } of answers) {
        const values = text.match(/(?<="value":")[^"]*/g) ?? [];
        const whole = values.every((value) => value === letter.repeat(1000));
        t.ok(
          whole && values.length >= 9 && (accept === 'application/json' || values.length === 1500),
          `${letter} as ${accept}: ${values.length} values`,
        );
      }
    }
  },
);
