/** The memory that answers are made in, which nobody gives back but who took it. */
import t from 'tap';
import { takenBytes } from '../../src/server/buffer-pool.ts';
import { listen, openApp, rawConnection, until } from '../helpers/http-app.ts';

const RECORDS = '/api/topics/t/partitions/0/records';

t.test('the memory of answers comes back, however their clients go', async (t) => {
  const opened = await openApp(t);
  const { engine, ask } = opened;
  await engine.createTopic('t');
  const batch = Array.from({ length: 1000 }, () => ({ value: 'x'.repeat(1000) }));
  for (let i = 0; i < 20; i++) await engine.append('t', batch, { acks: i === 19 ? 'all' : 1 });
  const { port } = await listen(opened);
  const held = async () =>
    Number(/^seglog_http_body_bytes (\d+)$/m.exec((await ask({ url: '/metrics' })).body)![1]);
  const ways: Record<string, (received: string) => boolean> = {
    'at once': () => true,
    'when it has begun': (received) => received.length > 0,
    'in the middle of it': (received) => received.length > 100_000,
    'when it is there': (received) => received.length > 900_000,
  };
  for (const accept of ['application/json', 'application/x-ndjson', 'text/event-stream']) {
    for (const [way, isTime] of Object.entries(ways)) {
      const request = `GET ${RECORDS}?offset=0 HTTP/1.1\r\nhost: x\r\naccept: ${accept}\r\n\r\n`;
      const clients = Array.from({ length: 4 }, () => rawConnection(port));
      // Each asks for more answers than one at a time: those behind the first one have to wait.
      for (const { socket } of clients) socket.write(request.repeat(3));
      for (const { socket, received } of clients) {
        await until(() => isTime(received()));
        socket.destroy();
      }
      await until(async () => takenBytes() === 0 && (await held()) === 0);
      t.pass(`${accept}: ${way}`);
    }
  }
});

t.test('an answer that waits for its turn on a connection is given up when that is closed', async (t) => {
  const opened = await openApp(t);
  await opened.fill(
    't',
    Array.from({ length: 1000 }, () => 'x'.repeat(1000)),
  );
  const { port } = await listen(opened);
  const { socket } = rawConnection(port);
  const request = (accept: string) =>
    `GET ${RECORDS}?offset=0 HTTP/1.1\r\nhost: x\r\naccept: ${accept}\r\n\r\n`;
  // Event streams do not end, so the page behind one is not sent.
  socket.write(request('text/event-stream') + request('application/json'));
  await until(() => takenBytes() > 1_000_000);
  await until(() => takenBytes() < 2_000_000);
  socket.destroy();
  await until(() => takenBytes() === 0);
  t.equal(takenBytes(), 0);
});
