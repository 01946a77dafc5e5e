/** What is wrong with a JSON body, in words: which member is unknown, which choices there are. */
import type { ErrorObject } from 'ajv';
import { HttpProblem } from './error-mapping.ts';

/** An offset that cannot be one has a code of its own, as it has among parameters. */
export function bodyProblem(errors: readonly ErrorObject[]): HttpProblem {
  const isOffset = errors.some(({ instancePath }) => /\/offset$/.test(instancePath));
  return new HttpProblem(isOffset ? 'invalid_offset' : 'invalid_request', bodyErrorText(errors));
}

function bodyErrorText(errors: readonly ErrorObject[]): string {
  // A value that may have several forms fails in each of them: what counts is the form that it comes near to, if any.
  const forms = errors.find(({ keyword }) => keyword === 'anyOf');
  if (forms === undefined) return errors.map(textOf).join(', ');
  const inside = errors.filter(({ instancePath }) => instancePath.length > forms.instancePath.length);
  if (inside.length > 0) return inside.map(textOf).join(', ');
  return `body${forms.instancePath} has none of the forms that it may have; /openapi.json shows them`;
}

function textOf({ instancePath, keyword, message, params }: ErrorObject): string {
  const text = `body${instancePath} ${message}`;
  if (keyword === 'additionalProperties')
    return `${text}: ${JSON.stringify(String(params.additionalProperty).slice(0, 100))}`;
  if (keyword === 'enum') return `${text}: ${params.allowedValues.join(', ')}`;
  return text;
}
