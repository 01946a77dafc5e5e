/** Which of the forms that a route takes a body has, by its content-type. */
import { HttpProblem } from './error-mapping.ts';

/**
 * What `forms` has for a content-type header. A charset may be named, as long as it is UTF-8.
 * @throws HttpProblem unsupported_media_type, which lists `supported`.
 */
export function formOf<T>(
  forms: Readonly<Record<string, T>>,
  contentType: string | undefined,
  supported: readonly string[],
): T {
  const type = contentType ?? '';
  // The usual headers are exactly a key of the table.
  if (Object.hasOwn(forms, type)) return forms[type]!;
  const [name = '', ...parameters] = type.toLowerCase().split(';');
  const form = Object.hasOwn(forms, name.trim()) ? forms[name.trim()] : undefined;
  if (form === undefined) throw unsupportedMediaType(type, supported);
  for (const parameter of parameters) assertUtf8Charset(parameter);
  return form;
}

export function unsupportedMediaType(type: string, supported: readonly string[]): HttpProblem {
  const given =
    type === '' ? 'the request has no content-type' : `content-type "${type.slice(0, 100)}" is not supported`;
  return new HttpProblem(
    'unsupported_media_type',
    `${given}; send one of ${supported.join(', ')}`,
    {},
    {
      accept: supported.join(', '),
      connection: 'close',
    },
  );
}

function assertUtf8Charset(parameter: string): void {
  const charset = /^\s*charset\s*=\s*"?([^"]*)"?\s*$/.exec(parameter)?.[1];
  if (charset !== undefined && !['utf-8', 'utf8', 'us-ascii'].includes(charset)) {
    throw new HttpProblem(
      'unsupported_media_type',
      `charset "${charset.slice(0, 50)}" is not supported; send UTF-8`,
    );
  }
}
