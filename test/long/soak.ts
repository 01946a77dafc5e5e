/**
 * The soak: the real daemon under load for as long as asked, killed, stopped and started again all the time, with all
 * that was acknowledged checked after each start. Ends with 1 at the first thing that is wrong, and leaves the data
 * directory for a look.
 *
 *     node test/long/soak.ts [minutes]
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { verifyDirectory } from '../../src/engine/inspection/verify.ts';
import { DaemonLoad, HttpClient, LOAD_SETTINGS } from '../crash/daemon-load.ts';
import { Random } from '../crash/sim/random.ts';
import { Daemon } from '../helpers/daemon.ts';
import { testSeed } from '../helpers/test-size.ts';

const LONGEST_LIFE_MS = 30_000;
/** A topic that is larger is deleted and made anew, so that the disk does not fill. */
const TOPIC_BYTES = 100 * 1024 * 1024;
const MEMORY_LIMIT_MIB = 512;

class Soak {
  readonly #directory = mkdtempSync(join(tmpdir(), 'seglog-soak-'));
  readonly #random = new Random(testSeed, 'soak');
  readonly #load = new DaemonLoad(this.#random);
  #lives = 0;
  #daemon: Daemon | undefined;

  async run(minutes: number): Promise<void> {
    say(`${minutes} minutes in ${this.#directory}, SEGLOG_TEST_SEED=${testSeed}`);
    const end = performance.now() + minutes * 60_000;
    try {
      while (performance.now() < end) await this.#life();
      await this.#checkAll();
    } finally {
      await this.#daemon?.kill('SIGKILL');
    }
    rmSync(this.#directory, { recursive: true });
    say(`${this.#lives} lives, ${this.#load.acknowledged} batches acknowledged: all as it should be`);
  }

  async #start(): Promise<HttpClient> {
    this.#daemon = await Daemon.start(this.#directory, LOAD_SETTINGS);
    return new HttpClient(this.#daemon.url);
  }

  async #life(): Promise<void> {
    const begin = performance.now();
    const client = await this.#start();
    const openMs = performance.now() - begin;
    if (this.#lives++ === 0) await this.#load.createTopics(client);
    await this.#load.check(client);
    const recreated = await this.#load.recreateTopics(client, TOPIC_BYTES);
    const working = this.#load.run(client);
    await Promise.race([working, delay(this.#random.below(LONGEST_LIFE_MS))]);
    const memory = residentMib(this.#daemon!.pid);
    const graceful = this.#random.chance(0.25);
    const { code } = await (graceful ? this.#daemon!.stop() : this.#daemon!.kill('SIGKILL'));
    await working;
    client.close();
    if (graceful && code !== 0) throw new Error(`a graceful stop ended with ${code}`);
    if (memory > MEMORY_LIMIT_MIB) throw new Error(`${memory} MiB were resident`);
    const { ok, findings } = await verifyDirectory({ directory: this.#directory });
    if (!ok) throw new Error(`verify finds ${JSON.stringify(findings, undefined, 2)}`);
    say(
      `life ${this.#lives} ${graceful ? 'stopped' : 'killed'}: opened in ${Math.round(openMs)} ms, ` +
        `${this.#load.acknowledged} batches, ${memory} MiB${recreated > 0 ? `, ${recreated} topics made anew` : ''}`,
    );
  }

  /** A last start, and every record once more. */
  async #checkAll(): Promise<void> {
    const client = await this.#start();
    await this.#load.check(client);
    await this.#load.checkAgain(client);
    client.close();
  }
}

function residentMib(pid: number): number {
  try {
    const kib = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))![1];
    return Math.round(Number(kib) / 1024);
  } catch {
    // Not on this system.
    return 0;
  }
}

const say = (text: string) => process.stdout.write(`soak: ${text}\n`);

const minutes = Number(process.argv[2] ?? 60);
if (!(minutes > 0)) throw new Error('usage: node test/long/soak.ts [minutes]');
await new Soak().run(minutes);
