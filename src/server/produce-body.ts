/**
 * The bodies of a produce request, by media type. Each is parsed straight into the batch that the engine
 * is encoding, from slices of the body: no object is made for a record. A body that is wrong anywhere is
 * refused as a whole, with the line or byte at which it goes wrong; nothing of it is stored.
 */
import { isUtf8 } from 'node:buffer';
import { JsonFault, JsonScanner } from '../query/index.ts';
import { withoutMark } from './byte-order-mark.ts';
import { HttpProblem } from './error-mapping.ts';
import { formOf } from './media-types.ts';
import { readJsonRecords } from './produce-json.ts';
import { readMsgpackRecords } from './produce-msgpack.ts';
import type { RecordSink, ValueEncoding } from './record-sink.ts';

export interface ProduceBodyOptions {
  encoding: ValueEncoding | undefined;
  /** The key of the one record of an octet-stream. */
  key: string | undefined;
}

type BodyReader = (body: Buffer, sink: RecordSink, options: ProduceBodyOptions) => void;

const READERS: Readonly<Record<string, BodyReader>> = {
  'application/json': (body, sink, { encoding }) =>
    readJsonRecords(withoutMark(body), sink, encoding ?? 'text'),
  'application/msgpack': (body, sink) => readMsgpackRecords(body, sink),
  'application/x-msgpack': (body, sink) => readMsgpackRecords(body, sink),
  'application/vnd.msgpack': (body, sink) => readMsgpackRecords(body, sink),
  'application/x-ndjson': (body, sink) => readJsonLines(withoutMark(body), sink),
  'application/ndjson': (body, sink) => readJsonLines(withoutMark(body), sink),
  'application/jsonl': (body, sink) => readJsonLines(withoutMark(body), sink),
  'text/plain': (body, sink) => readTextLines(body, sink),
  'application/octet-stream': (body, sink, { key }) => sink.addBytes(key ?? null, body),
};

export const PRODUCE_MEDIA_TYPES = [
  'application/json',
  'application/msgpack',
  'application/x-ndjson',
  'text/plain',
  'application/octet-stream',
] as const;

/** What is said by parameters of bodies of one form only. */
const PARAMETER_FORMS: Readonly<Record<keyof ProduceBodyOptions, (typeof PRODUCE_MEDIA_TYPES)[number]>> = {
  encoding: 'application/json',
  key: 'application/octet-stream',
};

/**
 * The reader for a content-type header.
 * @throws HttpProblem unsupported_media_type; invalid_parameter where the form has no use for what is asked.
 */
export function bodyReader(
  contentType: string | undefined,
  options: Partial<ProduceBodyOptions> = {},
): BodyReader {
  const reader = formOf(READERS, contentType, PRODUCE_MEDIA_TYPES);
  for (const parameter of ['encoding', 'key'] as const) {
    const form = PARAMETER_FORMS[parameter];
    if (options[parameter] === undefined || reader === READERS[form]) continue;
    throw new HttpProblem(
      'invalid_parameter',
      `parameter "${parameter}" is for bodies of ${form} only; nothing was stored`,
      { parameter },
    );
  }
  return reader;
}

/** One value a line, whatever its bytes; only "\n" ends a line, so what goes in comes back byte for byte. */
function readTextLines(body: Buffer, sink: RecordSink): void {
  for (let start = 0; start < body.length; ) {
    const newline = body.indexOf(0x0a, start);
    const end = newline < 0 ? body.length : newline;
    sink.addBytes(null, body.subarray(start, end));
    start = end + 1;
  }
}

/** One JSON value a line, stored as the bytes that it came as; blank lines are passed over. */
function readJsonLines(body: Buffer, sink: RecordSink): void {
  const scanner = new JsonScanner(body);
  const utf8 = isUtf8(body);
  let line = 0;
  for (let start = 0; start < body.length; ) {
    line++;
    const newline = body.indexOf(0x0a, start);
    const end = newline < 0 ? body.length : newline;
    const first = scanner.skipWhitespace(start, end);
    if (first < end) {
      if (!utf8 && !isUtf8(body.subarray(first, end))) {
        throw new HttpProblem('invalid_json', `line ${line} is not valid UTF-8; nothing was stored`, {
          line,
        });
      }
      sink.addBytes(null, body.subarray(first, jsonLineEnd(scanner, first, end, line, start)));
    }
    start = end + 1;
  }
}

function jsonLineEnd(scanner: JsonScanner, first: number, end: number, line: number, start: number): number {
  try {
    const last = scanner.value(first, end);
    const rest = scanner.skipWhitespace(last, end);
    if (rest < end) throw new JsonFault(rest, 'more follows the value');
    return last;
  } catch (error) {
    if (!(error instanceof JsonFault)) throw error;
    const column = error.position - start + 1;
    const detail = `line ${line}, byte ${column}: ${error.message}; nothing was stored`;
    throw new HttpProblem(error.tooDeep ? 'nesting_too_deep' : 'invalid_json', detail, { line, column });
  }
}
