/** What a request asks of log events: from its query parameters, or from a JSON body that says the same. */
import { formatTimestamp, type LogFilter, type LogQuery, type Order } from '../query/index.ts';
import { HttpProblem } from './error-mapping.ts';
import { compileParameters, type ParametersSchema } from './query-parameters.ts';
import { DEFAULT_EVENTS, DEFAULT_TOPIC, MAX_EVENTS } from './query-schemas.ts';

/** Parameters, checked. */
export interface FilterParameters {
  topic?: string;
  startTime?: number;
  endTime?: number;
  source?: string;
  level?: string;
  q?: string;
  /** The same, for the route of that name. */
  query?: string;
}

export interface QueryParameters extends FilterParameters {
  limit?: number;
  page?: number;
  size?: number;
  cursor?: string;
  order?: Order;
}

export interface LogRequest {
  query: LogQuery & { limit: number };
  /** What the answer says again; undefined where pages are not asked for by their numbers. */
  page?: number;
  size?: number;
}

/** The parameters that a body stands for. @throws HttpProblem, as for parameters. */
export function bodyParameters(schema: ParametersSchema): (body: unknown) => object {
  const check = compileParameters(schema);
  return (body) => {
    const raw: Record<string, string> = {};
    for (const [name, value] of Object.entries((body ?? {}) as Record<string, unknown>))
      raw[name] = Array.isArray(value) ? value.join(',') : String(value);
    const checked = check(raw);
    if ('error' in checked) throw checked.error;
    return checked.value;
  };
}

/** @throws HttpProblem invalid_parameter, invalid_timestamp. */
export function filterOf({
  topic = DEFAULT_TOPIC,
  startTime,
  endTime,
  source,
  level,
  q,
  query,
}: FilterParameters): LogFilter {
  checkTimes('startTime', startTime, 'endTime', endTime);
  checkNames('source', source);
  checkNames('level', level);
  return { topic, startTime, endTime, source, level, q: q ?? query };
}

/** Nothing lies between a time and an earlier one: that is a slip, and no empty answer. @throws HttpProblem invalid_timestamp. */
export function checkTimes(
  from: string,
  fromTime: number | undefined,
  until: string,
  untilTime: number | undefined,
): void {
  if (fromTime === undefined || untilTime === undefined || fromTime <= untilTime) return;
  const [later, earlier] = [formatTimestamp(fromTime), formatTimestamp(untilTime)];
  throw new HttpProblem(
    'invalid_timestamp',
    `"${from}" (${later}) lies behind "${until}" (${earlier}): nothing is between them`,
    { parameter: from },
  );
}

/** To leave the name out is to ask for all. */
function checkNames(parameter: string, names: string | undefined): void {
  if (names === undefined || names.split(',').some((name) => name.trim() !== '')) return;
  throw new HttpProblem(
    'invalid_parameter',
    `"${parameter}" names none: leave it out, or give one or several, separated by commas`,
    { parameter },
  );
}

/** `most`: events of an answer. @throws HttpProblem. */
export function logRequestOf(parameters: QueryParameters, most: number): LogRequest {
  const { limit, page, size, cursor, order } = parameters;
  const filter = filterOf(parameters);
  if (page === undefined && size === undefined) {
    const wanted = limit ?? (most === MAX_EVENTS ? DEFAULT_EVENTS : most);
    return { query: { ...filter, order, cursor, limit: Math.min(wanted, most) } };
  }
  if (cursor !== undefined || limit !== undefined)
    throw new HttpProblem('invalid_parameter', '"page" and "size" go without "limit" and "cursor"');
  const [number, events] = [page ?? 1, size ?? DEFAULT_EVENTS];
  const query = { ...filter, order, limit: events, skip: (number - 1) * events };
  return { query, page: number, size: events };
}
