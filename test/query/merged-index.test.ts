/** An index of several pieces answers as one of the whole. */
import t from 'tap';
import { mergedIndex } from '../../src/query/merged-index.ts';
import { SearchIndex } from '../../src/query/search-index.ts';
import { type BuiltIndex, SearchIndexBuilder } from '../../src/query/search-index-builder.ts';
import { textTokens, wordToken } from '../../src/query/tokens.ts';
import { Random } from '../crash/sim/random.ts';
import { type SegmentBatch, segmentBatches } from '../helpers/event-segment.ts';

const FIELDS = ['source', 'level', 'user'];
const T = Date.parse('2025-11-26T00:00:00Z');

/** Each batch becomes a block of its own. */
function randomBatches(random: Random): SegmentBatch[] {
  const noise = () => random.bytes(150_000).toString('base64');
  return segmentBatches(
    Array.from({ length: 12 }, (_, i) => ({
      records: Array.from({ length: 1 + random.below(4) }, () => ({
        timestamp: T + i * 900_000,
        value: JSON.stringify({
          source: `s${random.below(3)}`,
          level: random.pick(['info', 'error', undefined]),
          user: random.pick(['a', 'b', ['a', 'b'], undefined]),
          timestamp: random.chance(0.2) ? T : undefined,
          message: `event${i} word${random.below(20)} ${noise()}`,
        }),
      })),
    })),
    100,
  );
}

function build(batches: readonly SegmentBatch[]): BuiltIndex {
  const builder = new SearchIndexBuilder({ fields: FIELDS, falsePositiveRate: 0.0001 });
  for (const { bytes, position } of batches) builder.add(bytes, 0, position);
  return builder.finish();
}

async function summed(index: SearchIndex, fields: string[]) {
  const sums = new Map<string, number>();
  for (const { hour, values, count } of (await index.counts())!.cells(fields)!) {
    const cell = JSON.stringify([hour, ...values]);
    sums.set(cell, (sums.get(cell) ?? 0) + count);
  }
  return sums;
}

t.test('blocks, values, words and counts are those of the whole', async (t) => {
  for (let seed = 0; seed < 5; seed++) {
    const random = new Random('merge', seed);
    const batches = randomBatches(random);
    const { content, counts, pages } = build(batches);
    const whole = new SearchIndex(content, {
      readCounts: async () => counts,
      readPage: (page) => pages[page]!,
      bytes: 0,
    });
    const cuts = [0, 1 + random.below(4), 6, 7 + random.below(4), 12];
    const pieces = cuts.slice(1).map((end, i) => build(batches.slice(cuts[i], end)));
    const merged = mergedIndex(pieces);
    t.same(merged.blocks, whole.blocks);
    t.same([...merged.otherTimes], [...whole.otherTimes]);
    t.same([merged.events, merged.minTime, merged.maxTime], [whole.events, whole.minTime, whole.maxTime]);
    for (const [i, dictionary] of whole.dictionaries.entries()) {
      const found = merged.dictionaries[i]!;
      t.same([...found.mixed], [...dictionary.mixed]);
      const plain = (values: typeof found.values) =>
        new Map(values.map(({ text, blocks, ...rest }) => [text, { ...rest, blocks: [...blocks] }]));
      t.same(plain(found.values), plain(dictionary.values));
    }
    for (let i = 0; i < 12; i++) t.ok((await merged.blocksWithTokens([wordToken(`event${i}`)])).has(i));
    for (let word = 0; word < 20; word++) {
      const tokens = [...textTokens(`word${word}`)];
      t.same([...(await merged.blocksWithTokens(tokens))], [...(await whole.blocksWithTokens(tokens))]);
    }
    for (const fields of [['level', 'source'], ['user']])
      t.same(await summed(merged, fields), await summed(whole, fields));
  }
});

t.test('what a piece does not know of a field, nobody knows', async (t) => {
  const many = segmentBatches([
    {
      records: Array.from({ length: 5000 }, (_, i) => ({
        timestamp: T,
        value: `{"source":"s${i}","level":"info"}`,
      })),
    },
  ]);
  const merged = mergedIndex([build(randomBatches(new Random('few'))), build(many)]);
  t.equal(merged.dictionary('source'), undefined);
  t.ok(merged.dictionary('level'));
  const counts = (await merged.counts())!;
  t.equal(counts.cells(['source']), undefined);
  t.ok(merged.memoryBytes > 1000);
});
