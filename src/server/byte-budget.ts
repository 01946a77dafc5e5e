/** A bound on the bytes that are held at one time, over all requests: taken or refused at once, never waited for. */
import { HttpProblem } from './error-mapping.ts';

export class ByteBudget {
  readonly #limit: number;
  #used = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** @throws HttpProblem overloaded; then nothing was taken. */
  take(bytes: number): void {
    if (this.#used + bytes > this.#limit) {
      throw new HttpProblem(
        'overloaded',
        'too many bytes of requests and answers are in flight; try again shortly',
      );
    }
    this.#used += bytes;
  }

  release(bytes: number): void {
    this.#used -= bytes;
  }
}
