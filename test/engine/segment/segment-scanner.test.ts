/** Finding where valid batches go on behind damage. */
import t from 'tap';
import { batchBaseOffset } from '../../../src/engine/format/record-batch.ts';
import { SegmentScanner } from '../../../src/engine/segment/segment-scanner.ts';
import { encodeCompacted } from '../../helpers/compacted-batch.ts';
import { memoryFile } from '../../helpers/memory-file.ts';

t.test(
  'behind a damaged batch of which compaction has left little, though it covers many offsets',
  async (t) => {
    const end = 1_500_000_000;
    const times = { records: [], minTimestamp: 1, maxTimestamp: 2 };
    const batches = [
      encodeCompacted({ baseOffset: 0, endOffset: 10, ...times }),
      encodeCompacted({ baseOffset: 10, endOffset: end, ...times }),
      encodeCompacted({ baseOffset: end, endOffset: end + 10, ...times }),
    ];
    // Not even its length can be read.
    batches[1]!.fill(0, 0, 8);
    const bytes = Buffer.concat(batches);
    const scanner = new SegmentScanner(memoryFile(bytes), 80, bytes.length);
    t.match(await scanner.peek(), { fault: 'magic' });
    const next = await scanner.findNext(10);
    t.equal(next, 160);
    t.equal(batchBaseOffset(bytes, next), end);
  },
);
