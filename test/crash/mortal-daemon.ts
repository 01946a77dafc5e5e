/** A daemon that is killed and started again under its clients: they ask whoever is there, and wait while nobody is. */
import { Daemon } from '../helpers/daemon.ts';
import { type Answer, HttpClient, NoAnswer } from './daemon-load.ts';

export class MortalDaemon {
  readonly #directory: string;
  readonly #settings: readonly string[];
  #daemon: Daemon | undefined;
  #client: HttpClient | undefined;
  #back = Promise.withResolvers<void>();

  constructor(directory: string, settings: readonly string[]) {
    this.#directory = directory;
    this.#settings = settings;
  }

  async start(): Promise<void> {
    this.#daemon = await Daemon.start(this.#directory, this.#settings);
    this.#client = new HttpClient(this.#daemon.url);
    this.#back.resolve();
  }

  /** How it ended. */
  async end(signal: 'SIGKILL' | 'SIGTERM') {
    const [daemon, client] = [this.#daemon!, this.#client!];
    this.#back = Promise.withResolvers();
    this.#client = undefined;
    const end = await daemon.kill(signal);
    client.close();
    return end;
  }

  /** The answer to a request that can be sent again; undefined where there is none. */
  async ask(
    method: string,
    path: string,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<Answer | undefined> {
    await this.#back.promise;
    try {
      const answer = await this.#client?.ask(method, path, body, headers);
      // One that stops sends its clients away.
      return answer?.status === 503 ? undefined : answer;
    } catch (error) {
      if (error instanceof NoAnswer) return undefined;
      throw error;
    }
  }

  /** As `ask`, again and again until there is an answer. */
  async insist(
    method: string,
    path: string,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    for (;;) {
      const answer = await this.ask(method, path, body, headers);
      if (answer !== undefined) return answer;
      // Whoever is dying is not asked in a circle.
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}
