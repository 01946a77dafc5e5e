/** Parts of a search index as bytes: what was written comes back, and what somebody else wrote makes no index. */
import { decode, encode } from '@msgpack/msgpack';
import t from 'tap';
import { SearchIndexBuilder } from '../../src/query/search-index-builder.ts';
import {
  CONTENT_PART,
  COUNTS_PART,
  decodeContent,
  decodeCounts,
  encodeIndex,
  partsFit,
} from '../../src/query/search-index-format.ts';
import { Random } from '../crash/sim/random.ts';
import { segmentBatches } from '../helpers/event-segment.ts';
import { mutate, mutateJson } from '../helpers/mutations.ts';

function sampleIndex() {
  const random = new Random('sample');
  const batches = segmentBatches(
    Array.from({ length: 200 }, (_, i) => ({
      records: [
        {
          timestamp: i * 600_000,
          value: JSON.stringify({
            source: `s${i % 7}`,
            level: random.pick(['info', 'error']),
            message: `event ${i} ${random.below(1000)}`,
            pad: random.bytes(3000).toString('base64'),
          }),
        },
      ],
    })),
  );
  const builder = new SearchIndexBuilder({ fields: ['source', 'level', 'no'], falsePositiveRate: 0.01 });
  for (const { bytes, position } of batches) builder.add(bytes, 0, position);
  return builder.finish();
}

const built = sampleIndex();
const parts = encodeIndex(built);

t.test('content and counts come back', async (t) => {
  const content = decodeContent(parts[CONTENT_PART]!)!;
  t.same({ ...content, dictionaries: content.dictionaries.map((each) => ({ ...each })) }, built.content);
  for (const [i, { values, mixed }] of content.dictionaries.entries()) {
    t.same([...mixed], []);
    t.same(
      values.map(({ blocks }) => [...blocks]),
      built.content.dictionaries[i]!.values.map(({ blocks }) => [...blocks]),
    );
  }
  t.ok(
    partsFit(
      parts.map(({ length }) => length),
      content,
    ),
  );
  t.notOk(
    partsFit(
      parts.slice(1).map(({ length }) => length),
      content,
    ),
  );
  t.notOk(
    partsFit(
      parts.map(({ length }) => length + 1),
      content,
    ),
  );
  const counts = decodeCounts(parts[COUNTS_PART]!, content.dictionaries)!;
  t.same(counts.tables, built.counts.tables);
});

t.test('changed bytes make an index or none', async (t) => {
  const random = new Random('mutations');
  const { dictionaries } = built.content;
  let rejected = 0;
  for (let i = 0; i < 3000; i++) {
    if (decodeContent(mutate(Buffer.from(parts[CONTENT_PART]!), random)) === undefined) rejected++;
    if (decodeCounts(mutate(Buffer.from(parts[COUNTS_PART]!), random), dictionaries) === undefined)
      rejected++;
  }
  t.ok(rejected > 100);
});

t.test('other values in the place of what is expected make an index or none', async (t) => {
  const random = new Random('values');
  const content = decode(parts[CONTENT_PART]!);
  const counts = decode(parts[COUNTS_PART]!);
  for (let i = 0; i < 2000; i++) {
    decodeContent(encode(mutateJson(content, random)));
    decodeCounts(encode(mutateJson(counts, random)), built.content.dictionaries);
  }
  t.pass('none of them threw');
});
