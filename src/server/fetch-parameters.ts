/** What a request to read a partition says, once its parameters are checked. */
import type { RangeParameters } from './partition-scan.ts';
import type { ValueEncoding } from './record-sink.ts';

export interface FetchParameters extends RangeParameters {
  max_records?: number;
  max_bytes?: number;
  wait_ms?: number;
  encoding?: ValueEncoding;
}

export interface FetchRoute {
  Params: { topic: string; partition: number };
  Querystring: FetchParameters;
}
