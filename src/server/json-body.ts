/** Small JSON bodies that become objects: those of requests that change topics. */
import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import { JsonFault, JsonScanner } from '../query/index.ts';
import { type BodyLimits, parseBody } from './body-reader.ts';
import { withoutMark } from './byte-order-mark.ts';
import { HttpProblem } from './error-mapping.ts';

const MAX_BYTES = 1024 * 1024;

/** @throws HttpProblem, as parseBody does, and invalid_json, nesting_too_deep. Null for an empty body. */
export function readJsonBody(request: IncomingMessage, { budget }: BodyLimits): Promise<unknown> {
  return parseBody(request, { maxBytes: MAX_BYTES, maxDecompressedBytes: MAX_BYTES, budget }, parse);
}

function parse(body: Buffer): unknown {
  const bytes = withoutMark(body);
  if (bytes.length === 0) return null;
  if (!isUtf8(bytes)) throw new HttpProblem('invalid_json', 'the body is not valid UTF-8');
  try {
    const scanner = new JsonScanner(bytes);
    const end = scanner.skipWhitespace(scanner.value(0));
    if (end < bytes.length) throw new JsonFault(end, 'more follows the value');
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    const code = error.tooDeep ? 'nesting_too_deep' : 'invalid_json';
    throw new HttpProblem(code, `byte ${error.position}: ${error.message}`, { position: error.position });
  }
  return JSON.parse(bytes.toString('utf8'));
}
