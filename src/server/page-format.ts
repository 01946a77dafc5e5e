/** The frame of a page of records, in JSON and in MessagePack: `{records: […], <fields>}`. */

import { encode } from '@msgpack/msgpack';
import { packInteger, packString } from './msgpack-records.ts';
import { Constant, type OutputBuffer } from './output-buffer.ts';

export type PageFormat = 'application/json' | 'application/msgpack';
/** The value is plain JSON. */
export type PageField = readonly [name: string, value: unknown];

/** What stands between records. */
export const PAGE_SEPARATORS: Readonly<Record<PageFormat, number | undefined>> = {
  'application/json': 0x2c,
  'application/msgpack': undefined,
};

export const PAGE_CONTENT_TYPES: Readonly<Record<PageFormat, string>> = {
  'application/json': 'application/json; charset=utf-8',
  'application/msgpack': 'application/msgpack',
};

const JSON_BEGIN = new Constant('{"records":[');
/** A map header that endPage sets, the name, and the header of an array whose length endPage sets. */
const MSGPACK_BEGIN = new Constant('\x80\xa7records\xdd\0\0\0\0');

export function beginPage(out: OutputBuffer, format: PageFormat): void {
  out.reserve(MSGPACK_BEGIN.length);
  out.constant(format === 'application/json' ? JSON_BEGIN : MSGPACK_BEGIN);
}

/** Ends a page that began at the start of the buffer. */
export function endPage(
  out: OutputBuffer,
  format: PageFormat,
  records: number,
  fields: readonly PageField[],
): void {
  if (format === 'application/json') {
    out.text(`],${fields.map(([name, value]) => `"${name}":${JSON.stringify(value)}`).join(',')}}\n`);
    return;
  }
  out.bytes[0] = 0x80 | (fields.length + 1);
  out.view.setUint32(MSGPACK_BEGIN.length - 4, records);
  for (const [name, value] of fields) {
    packString(out, name);
    if (typeof value === 'number') packInteger(out, value);
    else out.append(encode(value));
  }
}
