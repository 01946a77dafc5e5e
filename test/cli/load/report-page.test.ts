/** The page of a load's report, and how it looks to a real browser. */
import { pathToFileURL } from 'node:url';
import t, { type Test } from 'tap';
import type { LoadReport } from '../../../src/cli/load/load-report.ts';
import { reportPage } from '../../../src/cli/load/report-page.ts';
import { browserPath, launchBrowser } from '../../helpers/browser.ts';
import { runCli } from '../../helpers/cli.ts';
import { FakeDaemon, sendProblem } from '../../helpers/fake-daemon.ts';

/** Loads a stand-in that refuses every tenth request, and writes a page, and the report that it is of. */
async function load(t: Test, ...args: string[]) {
  const daemon = await FakeDaemon.start();
  t.teardown(() => daemon.stop());
  daemon.addTopic('load');
  let requests = 0;
  daemon.intercept = ({ method }, response) =>
    method === 'POST' && ++requests % 10 === 0 && sendProblem(response, 503, 'overloaded', 'too much');
  const path = `${t.testdir()}/report.html`;
  const { stdout } = await runCli(
    ['load', ...args, '--batch-size', '1', '--warmup', '0', '--json', '--html', path],
    { env: { SEGLOG_SERVER: daemon.url } },
  );
  return { url: pathToFileURL(path).href, report: JSON.parse(stdout.toString()) as LoadReport };
}

const STEADY = ['steady', '--rate', '300', '-d', '500ms', '--slo', 'errors=1%', '--verify'];
const RAMP = [
  'ramp',
  '--from',
  '50',
  '--to',
  '100',
  '--step-duration',
  '200ms',
  '--slo',
  'errors=50%',
  '--slo',
  'rate=50%',
  '--slo',
  'p99=10s',
];

t.test('the page needs nothing beside itself, and carries no script', async (t) => {
  const { report } = await load(t, ...STEADY);
  const page = reportPage(report);
  t.match(
    page,
    /<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">/,
  );
  t.notMatch(page, /<script|<link|<img|<iframe| src=| href=|@import|url\(/);
  t.notMatch(page, /NaN|undefined|Infinity|\[object/);
});

t.test('it tells what the report tells', async (t) => {
  const { report } = await load(t, ...STEADY);
  const page = reportPage(report);
  t.match(page, /<p class="verdict bad">Failed: the service level broke\.<\/p>/);
  t.match(page, 'errors ≤ 1 %: 10 %, broken');
  t.match(page, 'Check of the log: all 135 acknowledged records are there, once, in order');
  t.match(page, '<td>503 overloaded</td><td>15</td>');
});

t.test('names cannot break out of it', async (t) => {
  const { report } = await load(t, ...STEADY);
  const hostile = '"><script>alert(1)</script>';
  report.title = report.server = report.topic = hostile;
  for (const step of report.steps) step.errors = { [hostile]: 1 };
  t.notMatch(reportPage(report), /<script/);
});

t.test('a load of which nothing came back has a page, too', async (t) => {
  const { report } = await load(t, ...STEADY);
  const none = { mean: null, p50: null, p90: null, p95: null, p99: null, p999: null, max: null };
  const [step] = report.steps;
  Object.assign(step!, {
    latencyMs: none,
    serviceMs: none,
    kinds: {},
    intervals: [],
    curves: { latency: [], service: [] },
  });
  t.notMatch(reportPage(report), /NaN|undefined|Infinity/);
});

const skip = browserPath === undefined ? 'there is no Chromium' : false;
t.test('in a browser', { skip }, async (t) => {
  const browser = await launchBrowser(browserPath!);
  t.teardown(() => browser.close());

  async function open(t: Test, url: string, width = 1000) {
    const page = await browser.newPage({ viewport: { width, height: 800 } });
    t.teardown(() => page.close());
    const asked: string[] = [];
    const complaints: string[] = [];
    page.on('request', (request) => asked.push(request.url()));
    page.on('console', (message) => complaints.push(message.text()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(url);
    return { page, asked, complaints };
  }

  await t.test('plots are drawn, and nothing is asked of anybody', async (t) => {
    const { url } = await load(t, ...STEADY);
    const { page, asked, complaints } = await open(t, url);
    t.same(asked, [url]);
    t.same(complaints, []);
    t.same(await page.evaluate("[...document.querySelectorAll('section')].map(({ id }) => id)"), [
      'percentiles',
      'throughput',
      'latency',
      'figures',
      'errors',
    ]);
    const lengths = (await page.evaluate(
      "[...document.querySelectorAll('svg path')].map((path) => path.getTotalLength())",
    )) as number[];
    t.equal(lengths.length, 2 + 3 + 3, 'two curves; wanted, answered and failed; p50, p99 and the maximum');
    t.ok(
      lengths.every((length) => length > 50),
      `${lengths}`,
    );
    t.match(
      await page.locator('svg circle title').first().textContent(),
      /^from when it was due: [\d.]+ % [\d.]+ ms$/,
    );
    const painted = await page.evaluate(
      "getComputedStyle(document.querySelector('#percentiles svg .line-1 path')).stroke",
    );
    t.equal(painted, 'rgb(29, 78, 216)', 'the styles are applied');
  });

  await t.test('a ramp has its steps', async (t) => {
    const { url, report } = await load(t, ...RAMP);
    const { page, complaints } = await open(t, url);
    t.same(complaints, []);
    t.equal(report.steps.length, 2);
    t.equal(await page.locator('#ramp circle').count(), 3 * 2);
    t.equal(
      await page.locator('.verdict').textContent(),
      'The highest rate that held the service level: 75 records/s.',
    );
  });

  await t.test('on a narrow screen nothing is cut off', async (t) => {
    const { url } = await load(t, ...STEADY);
    const { page } = await open(t, url, 380);
    const [content, window] = (await page.evaluate(
      '[document.documentElement.scrollWidth, innerWidth]',
    )) as number[];
    t.ok(content! <= window!, `${content} of ${window}`);
  });
});
