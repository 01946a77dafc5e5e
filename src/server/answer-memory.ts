/**
 * Memory for answers on their way out, taken from the same budget as request bodies: a client that asks for
 * much and takes it slowly is refused before it is a burden to others.
 */
import type { FastifyReply } from 'fastify';
import type { ByteBudget } from './byte-budget.ts';

/**
 * Takes `bytes` until the answer is with the system or the client is gone; nothing when it is gone already, since no
 * event would give it back. @throws HttpProblem overloaded.
 */
export function reserveAnswer(reply: FastifyReply, budget: ByteBudget, bytes: number): void {
  if (reply.raw.closed) return;
  budget.take(bytes);
  let held = true;
  const release = () => {
    if (held) budget.release(bytes);
    held = false;
  };
  reply.raw.once('finish', release);
  reply.raw.once('close', release);
}
