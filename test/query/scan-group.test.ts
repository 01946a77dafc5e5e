/** Scans in a group: what one finds bounds those after it, but only those that may be cut. */
import t from 'tap';
import { nodeFileSystem } from '../../src/engine/index.ts';
import { expressionOf } from '../../src/query/log-query.ts';
import { ScanControl } from '../../src/query/scan-control.ts';
import { scanGroup, upTo } from '../../src/query/scan-group.ts';
import type { ScanAnswer, ScanRequest } from '../../src/query/scan-request.ts';
import { SearchKernel } from '../../src/query/search-kernel.ts';
import { segmentBatches } from '../helpers/event-segment.ts';

const kernel = new SearchKernel();

/** Over events of these times. */
function request(times: readonly number[], order: 'asc' | 'desc', limit = 2): ScanRequest {
  const records = times.map((timestamp) => ({
    timestamp,
    value: JSON.stringify({ message: `at ${timestamp}` }),
  }));
  return {
    source: { chunks: segmentBatches([{ records }]).map(({ bytes }) => bytes) },
    filter: {
      expression: expressionOf({ topic: 'a' }),
      from: Number.NEGATIVE_INFINITY,
      until: Number.POSITIVE_INFINITY,
      firstOffset: 0,
      endOffset: Number.MAX_SAFE_INTEGER,
      recordTimes: true,
    },
    events: { order, after: null, limit, maxBytes: 1_000_000 },
    control: new ScanControl().shared,
  };
}

const timesOf = (answer: ScanAnswer) => ('result' in answer ? [...answer.result.events!.timestamps] : answer);

async function found(requests: ScanRequest[], mayBeCut: boolean) {
  const scans = requests.map((each) => ({ request: each, mayBeCut }));
  return (await scanGroup(nodeFileSystem, kernel, scans)).map(timesOf);
}

t.test('no event is looked for behind as many as are wanted', async (t) => {
  const newest = [request([10, 20, 30], 'desc'), request([5, 19, 20, 25], 'desc'), request([1, 2], 'desc')];
  t.same(await found(newest, true), [[30, 20], [25, 20], []]);
  t.same(await found(newest, false), [
    [30, 20],
    [25, 20],
    [2, 1],
  ]);
  const oldest = [request([10, 20, 30], 'asc'), request([5, 20], 'asc'), request([20, 21], 'asc')];
  t.same(await found(oldest, true), [[10, 20], [5, 20], [20]], 'one of the same time may come before');
});

t.test('too few bound nothing', async (t) => {
  t.same(await found([request([30], 'desc'), request([1, 2, 3], 'desc')], true), [[30], [3, 2]]);
});

t.test('what fails is told, and the others are done', async (t) => {
  const gone = {
    ...request([1], 'desc'),
    source: { path: '/nowhere/at/all', ranges: [{ position: 64, end: 100 }] },
  };
  t.same(await found([gone, request([1], 'desc')], true), [{ fault: 'missing' }, [1]]);
});

t.test('a request up to a time', async (t) => {
  t.match(upTo(request([1], 'desc'), 7).filter, { from: 7, until: Number.POSITIVE_INFINITY });
  t.match(upTo(request([1], 'asc'), 7).filter, { from: Number.NEGATIVE_INFINITY, until: 8 });
});
