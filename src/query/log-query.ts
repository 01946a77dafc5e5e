/** LogQuery: what somebody asks of the log events of a topic, and how that becomes one expression. */
import type { Order } from './event-order.ts';
import { both, type Expression, normalized } from './expression.ts';
import { fieldFilter, parseExpression } from './expression-parser.ts';

export interface LogFilter {
  readonly topic: string;
  /** startTime ≤ t < endTime, ms since 1970; missing: no bound. */
  readonly startTime?: number;
  readonly endTime?: number;
  /** Sources and levels, several of them separated by commas; `*` stands for anything. */
  readonly source?: string;
  readonly level?: string;
  /** In the language of queries (docs/query-language.md). */
  readonly q?: string;
}

export interface LogQuery extends LogFilter {
  readonly order?: Order;
  /** Default: all of them. */
  readonly limit?: number;
  /** Goes on behind the answer that gave it. */
  readonly cursor?: string;
  /** So many events are passed over. */
  readonly skip?: number;
}

/** @throws QueryError. */
export function expressionOf({ source, level, q }: LogFilter): Expression {
  const filters = both(anyOf('source', source), anyOf('level', level));
  return both(filters, parseExpression(q ?? ''));
}

function anyOf(field: string, values: string | undefined): Expression {
  const given = (values ?? '').split(',').map((value) => value.trim());
  const of = given.filter((value) => value !== '').map((value) => fieldFilter(field, value));
  return of.length === 0 ? { type: 'all' } : normalized({ type: 'or', of });
}
