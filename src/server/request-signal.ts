/** A signal for what waits on behalf of a request: it aborts when the client is gone or the server stops. */
import type { FastifyReply } from 'fastify';
import type { Lifecycle } from './lifecycle.ts';

export function requestSignal(
  reply: FastifyReply,
  lifecycle: Lifecycle,
): { signal: AbortSignal; release(): void } {
  const controller = new AbortController();
  const abort = () => controller.abort();
  const forget = lifecycle.onStop(abort);
  reply.raw.once('close', abort);
  return {
    signal: controller.signal,
    release() {
      forget();
      reply.raw.off('close', abort);
    },
  };
}
