/** The peers that are compared, seglog first. */
import { nats } from './nats.ts';
import type { Peer } from './peer.ts';
import { postgres } from './postgres.ts';
import { redis } from './redis.ts';
import { seglog } from './seglog.ts';

export const PEERS: readonly Peer[] = [seglog, redis, nats, postgres];

export function peerNamed(name: string): Peer {
  const peer = PEERS.find((each) => each.name === name);
  if (peer === undefined) throw new Error(`there is no peer ${name}`);
  return peer;
}
