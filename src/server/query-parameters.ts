/**
 * Checks path and query parameters against their JSON schemas: the very ones that /openapi.json shows.
 *
 * A parameter is text, so this is a small compiler for flat schemas of integers, choices and text. It is
 * strict where a general validator with coercion is not (" 1", "0x10", "1e3" are no offsets, an unknown
 * name is refused, a parameter occurs once), tells each failure's own code, and costs a fraction.
 */
import { nearestName } from '../engine/index.ts';
import { parseTimestamp } from '../query/index.ts';
import { HttpProblem, type ProblemCode } from './error-mapping.ts';

export interface ParameterSchema {
  readonly type: 'integer' | 'string';
  /** `timestamp`: becomes milliseconds since 1970. */
  readonly format?: 'timestamp';
  readonly minimum?: number;
  readonly maximum?: number;
  readonly enum?: readonly string[];
  readonly pattern?: string;
  readonly description: string;
  readonly default?: string | number;
  readonly examples?: readonly (string | number)[];
  /** What the value has to be, as a refusal says it; the description when missing. */
  readonly 'x-takes'?: string;
  /** The code of the answer when the value is not valid; `invalid_parameter` when missing. */
  readonly 'x-problem'?: ProblemCode;
}

export interface ParametersSchema {
  readonly type: 'object';
  readonly additionalProperties: false;
  readonly properties: Readonly<Record<string, ParameterSchema>>;
}

const SHOWN_LENGTH = 100;

type Parser = (text: string) => string | number | undefined;
type Values = Record<string, string | number>;

/** A validator as fastify wants it; values come out as numbers where the schema says so. */
export function compileParameters(
  schema: ParametersSchema,
): (raw: Readonly<Record<string, unknown>>) => { value: Values } | { error: HttpProblem } {
  const parsers = new Map<string, Parser>();
  for (const [name, property] of Object.entries(schema.properties)) parsers.set(name, parserOf(property));
  return (raw) => {
    const value: Values = {};
    for (const name in raw) {
      const given = raw[name];
      const parsed = typeof given === 'string' ? parsers.get(name)?.(given) : undefined;
      if (parsed === undefined) return { error: problemWith(schema, name, given) };
      value[name] = parsed;
    }
    return { value };
  };
}

/** As `compileParameters`, for headers: those that the schema does not name are not its business, and the others stay text. */
export function compileHeaders(
  schema: ParametersSchema,
): (raw: Readonly<Record<string, unknown>>) => true | { error: HttpProblem } {
  const parsers = Object.entries(schema.properties).map(
    ([name, property]) => [name, parserOf(property)] as const,
  );
  return (raw) => {
    for (const [name, parse] of parsers) {
      const given = raw[name];
      if (given !== undefined && parse(String(given)) === undefined)
        return { error: problemWith(schema, name, String(given)) };
    }
    return true;
  };
}

function parserOf(schema: ParameterSchema): Parser {
  if (schema.format === 'timestamp') return parseTimestamp;
  if (schema.type === 'integer') {
    const { minimum = 0, maximum = Number.MAX_SAFE_INTEGER } = schema;
    return (text) => {
      if (!/^\d{1,16}$/.test(text)) return undefined;
      const value = Number(text);
      return value >= minimum && value <= maximum ? value : undefined;
    };
  }
  const { enum: choices } = schema;
  if (choices !== undefined) return (text) => (choices.includes(text) ? text : undefined);
  const pattern = schema.pattern === undefined ? undefined : new RegExp(schema.pattern);
  return (text) => (pattern === undefined || pattern.test(text) ? text : undefined);
}

function problemWith(schema: ParametersSchema, name: string, given: unknown): HttpProblem {
  const known = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
  const shown = name.slice(0, 100);
  if (known === undefined) {
    const near = nearestName(name, Object.keys(schema.properties));
    const hint = near === undefined ? '' : `; did you mean "${near}"?`;
    return new HttpProblem('invalid_parameter', `unknown parameter "${shown}"${hint}`, { parameter: shown });
  }
  const code = known['x-problem'] ?? 'invalid_parameter';
  if (typeof given !== 'string')
    return new HttpProblem(code, `"${name}" is given more than once`, { parameter: name });
  const plus = known.format === 'timestamp' && given.includes(' ') ? ' (a plus is written %2B here)' : '';
  const detail = `"${name}" takes ${takes(known)}, not ${quoted(given)}${plus}`;
  return new HttpProblem(code, detail, { parameter: name });
}

function takes(schema: ParameterSchema): string {
  if (schema.format === 'timestamp') return 'an ISO 8601 time or an epoch number';
  if (schema.enum !== undefined) return `one of ${schema.enum.join(', ')}`;
  if (schema.type === 'string') return schema['x-takes'] ?? schema.description;
  return `a whole number from ${schema.minimum ?? 0} to ${schema.maximum ?? Number.MAX_SAFE_INTEGER}`;
}

/** Without what a terminal would take for a command, and not all of what is very long. */
function quoted(text: string): string {
  const shown = text.slice(0, SHOWN_LENGTH).replace(/\p{C}/gu, '?');
  return text.length > SHOWN_LENGTH ? `"${shown}…" (${text.length} characters)` : `"${shown}"`;
}
