/** What no route takes: 404, or 405 with the methods that the path has. */
import type { FastifyInstance } from 'fastify';
import { HttpProblem } from './error-mapping.ts';

export class RouteTable {
  readonly #routes = new Map<string, { pattern: RegExp; methods: Set<string> }>();

  /** Collects every route that is registered from now on. */
  constructor(app: FastifyInstance) {
    app.addHook('onRoute', ({ method, url }) => {
      const pattern = new RegExp(`^${url.replace(/:[^/]+/g, '[^/]+')}$`);
      const route = this.#routes.get(url) ?? { pattern, methods: new Set<string>() };
      for (const name of [method].flat()) route.methods.add(name);
      this.#routes.set(url, route);
    });
  }

  /** The problem of a request that matched no route. */
  problem(method: string, url: string): HttpProblem {
    const path = url.split('?', 1)[0]!;
    const found = [...this.#routes.values()].find(({ pattern }) => pattern.test(path));
    if (found === undefined) return new HttpProblem('not_found', 'there is no such route; see /openapi.json');
    const allow = [...found.methods].sort().join(', ');
    return new HttpProblem('method_not_allowed', `this route takes ${allow}, not ${method}`, {}, { allow });
  }
}
