import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { FastifyReply } from 'fastify';
import t from 'tap';
import { ResponseStream } from '../../src/server/response-stream.ts';
import { rawConnection } from '../helpers/http-app.ts';

t.test(
  'to a client that was gone before the stream began nothing is written, and nothing waits',
  async (t) => {
    const { promise, resolve } = Promise.withResolvers<ServerResponse>();
    const server = createServer((_request, response) => {
      response.once('close', () => resolve(response));
      socket.destroy();
    });
    t.teardown(() => server.close());
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    const { socket } = rawConnection((server.address() as AddressInfo).port);
    socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
    const reply = { hijack() {}, raw: await promise } as unknown as FastifyReply;
    const stream = new ResponseStream(reply, {});
    t.equal(stream.closed, true);
    t.equal(await stream.write('x'), false);
    stream.end();
    stream.abort('x');
  },
);
