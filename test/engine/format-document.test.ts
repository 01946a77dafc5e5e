import { readFileSync } from 'node:fs';
import t from 'tap';
import {
  BATCH_HEADER_BYTES,
  COMPRESSION_TYPES,
  MAX_BATCH_BYTES,
} from '../../src/engine/format/record-batch.ts';
import { SEGMENT_HEADER_BYTES } from '../../src/engine/format/segment-header.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const page = read('docs/format.md');

/** The diagrams over a codec: the lines of its first comment that are set in by four spaces or more. */
function diagramOf(module: string): string[] {
  const [comment] = read(`src/engine/${module}.ts`).split('*/');
  return comment!
    .split('\n')
    .map((line) => line.replace(/^ \* ?/, ''))
    .filter((line) => line.startsWith('    '))
    .map((line) => line.trim());
}

for (const module of [
  'format/file-header',
  'format/segment-header',
  'format/record-batch',
  'format/record-batch-builder',
  'format/offset-index',
  'format/time-index',
  'format/sidecar',
  'format/search-file',
  'format/journal-format',
  'partition/producers-file',
]) {
  t.test(`docs/format.md has the diagram that stands over ${module}`, async (t) => {
    const lines = diagramOf(module);
    t.ok(lines.length > 0);
    for (const line of lines) t.ok(page.includes(line), line);
  });
}

t.test('docs/format.md has the sizes and numbers of the code', async (t) => {
  t.equal(BATCH_HEADER_BYTES, 80);
  t.equal(SEGMENT_HEADER_BYTES, 64);
  t.equal(MAX_BATCH_BYTES, 512 * 1024 * 1024);
  const codecs = COMPRESSION_TYPES.map((name, codec) => `${codec} ${name}`).join(', ');
  t.ok(page.includes(`bits 0-2 codec (${codecs})`));
});

t.test('every link within docs/format.md leads somewhere', async (t) => {
  const anchors = [...page.matchAll(/^#+ (.+)$/gm)].map(([, title]) =>
    title!.toLowerCase().replaceAll(' ', '-'),
  );
  for (const [, anchor] of page.matchAll(/\]\(#([^)]+)\)/g)) t.ok(anchors.includes(anchor!), anchor!);
});
