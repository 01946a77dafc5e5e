/**
 * Stands in the bundle for node:worker_threads where piscina imports it: piscina names the file of its worker, and here
 * that is an asset (worker.ts).
 */
import { getAsset } from 'node:sea';
import { Worker as NodeWorker, type WorkerOptions } from 'node:worker_threads';
import { WORKER_ASSET } from './asset-names.ts';

export { MessageChannel, MessagePort, receiveMessageOnPort, threadId } from 'node:worker_threads';

export class Worker extends NodeWorker {
  constructor(_file: string, options: WorkerOptions) {
    super(getAsset(WORKER_ASSET, 'utf8'), { ...options, eval: true });
  }
}
