/** Which of the media types that a route can give a client wants (RFC 9110, section 12.5.1). */
import { HttpProblem } from './error-mapping.ts';

/** Other spellings of a media type in use. */
const ALIASES: Readonly<Record<string, string>> = {
  'application/x-msgpack': 'application/msgpack',
  'application/vnd.msgpack': 'application/msgpack',
  'application/ndjson': 'application/x-ndjson',
  'application/jsonl': 'application/x-ndjson',
};

/** The first of `offers` that is accepted most. @throws HttpProblem not_acceptable. */
export function negotiate<T extends string>(accept: string | undefined, offers: readonly [T, ...T[]]): T {
  if (accept === undefined || accept === '*/*') return offers[0];
  const ranges = accept.toLowerCase().split(',').map(parseRange);
  let best: T | undefined;
  let bestQuality = 0;
  for (const offer of offers) {
    const quality = qualityOf(offer, ranges);
    if (quality > bestQuality) {
      best = offer;
      bestQuality = quality;
    }
  }
  if (best === undefined) {
    throw new HttpProblem(
      'not_acceptable',
      `this route gives ${offers.join(', ')}; "accept" allows none of them`,
    );
  }
  return best;
}

interface MediaRange {
  type: string;
  quality: number;
}

function parseRange(text: string): MediaRange {
  const [name = '', ...parameters] = text.split(';').map((part) => part.trim());
  const quality = parameters.find((parameter) => parameter.startsWith('q='));
  return { type: ALIASES[name] ?? name, quality: quality === undefined ? 1 : Number(quality.slice(2)) || 0 };
}

/** The quality that the most specific range gives to an offer. */
function qualityOf(offer: string, ranges: readonly MediaRange[]): number {
  for (const wanted of [offer, `${offer.slice(0, offer.indexOf('/'))}/*`, '*/*']) {
    const range = ranges.find(({ type }) => type === wanted);
    if (range !== undefined) return range.quality;
  }
  return 0;
}
