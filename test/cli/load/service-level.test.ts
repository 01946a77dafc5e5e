import t from 'tap';
import { collectLevel, judgeLevel, type ServiceLevel } from '../../../src/cli/load/service-level.ts';
import type { LoadFigures } from '../../../src/server/index.ts';

const figures = (p99: number | null, failed = 0, answeredPerSecond = 100) =>
  ({
    requests: { wanted: 1_000, failed, wantedPerSecond: 100, answeredPerSecond },
    latencyMs: { p99, p999: p99 },
  }) as unknown as LoadFigures;

const level = (...limits: string[]) =>
  limits.reduce<ServiceLevel | undefined>((all, each) => collectLevel(each, all), undefined)!;

t.test('limits hold up to their very value', async (t) => {
  const limits = level('p99=50ms', 'errors=0.1%', 'rate=95%');
  t.same(
    judgeLevel(limits, figures(50, 1, 95)).map(({ held }) => held),
    [true, true, true],
  );
  t.same(judgeLevel(limits, figures(50.1, 2, 94.9)), [
    { name: 'p99', wanted: '≤ 50 ms', measured: '50.1 ms', held: false },
    { name: 'errors', wanted: '≤ 0.1 %', measured: '0.2 %', held: false },
    { name: 'rate', wanted: '≥ 95 %', measured: '94.9 %', held: false },
  ]);
});

t.test('where nothing was answered no latency held', async (t) => {
  t.match(judgeLevel(level('p99.9=1h'), figures(null)), [{ measured: 'nothing', held: false }]);
});

t.test('a limit that is given again replaces the first', async (t) => {
  t.match(judgeLevel(level('p99=1ms', 'p99=1s'), figures(500)), [{ wanted: '≤ 1000 ms', held: true }]);
});
