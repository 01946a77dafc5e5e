/** The manifests, by the schemas of Kubernetes and of the Prometheus operator, and how they hang together. */
import { readFileSync } from 'node:fs';
import { ServiceMonitor } from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1/ServiceMonitor';
import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet';
import { PodDisruptionBudget } from 'kubernetes-models/policy/v1/PodDisruptionBudget';
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap';
import { Service } from 'kubernetes-models/v1/Service';
import t from 'tap';
import { parseAllDocuments } from 'yaml';
import { loadConfig } from '../../src/server/config.ts';
import { command, said } from '../helpers/dockerfile.ts';

const MODELS = { ConfigMap, Service, StatefulSet, PodDisruptionBudget, ServiceMonitor };
type Kind = keyof typeof MODELS;
type Manifest = { kind: Kind; apiVersion: string; metadata: { name: string } };

const manifests = ['seglog.yaml', 'service-monitor.yaml'].flatMap((file) => read(file));
const of = <K extends Kind>(kind: K, name = 'seglog') =>
  manifests.find((each) => each.kind === kind && each.metadata.name === name) as unknown as InstanceType<
    (typeof MODELS)[K]
  >;

function read(file: string): Manifest[] {
  const text = readFileSync(new URL(`../../deploy/kubernetes/${file}`, import.meta.url), 'utf8');
  return parseAllDocuments(text, { uniqueKeys: true, strict: true }).map((document) => {
    if ('errors' in document && document.errors.length > 0) throw document.errors[0];
    return (document as unknown as { toJS(): Manifest }).toJS();
  });
}

const pod = of('StatefulSet').spec!.template.spec!;
const [container] = pod.containers;

t.test('each is what its kind takes', async (t) => {
  for (const manifest of manifests) {
    const { kind, apiVersion, metadata } = manifest;
    const Model = MODELS[kind] as unknown as {
      new (data: object): { validate(): void };
      apiVersion: string;
    };
    t.equal(apiVersion, Model.apiVersion, kind);
    t.doesNotThrow(() => new Model(manifest).validate(), `${kind} ${metadata.name}`);
  }
  t.throws(() => new StatefulSet({ ...of('StatefulSet'), spec: { replicas: '1' } as never }).validate(), {
    message: /spec/,
  });
});

t.test('they find each other', async (t) => {
  const labels = of('StatefulSet').spec!.template.metadata!.labels!;
  t.match(labels, of('StatefulSet').spec!.selector.matchLabels!);
  t.match(labels, of('PodDisruptionBudget').spec!.selector!.matchLabels!);
  for (const name of ['seglog', 'seglog-pods']) t.match(labels, of('Service', name).spec!.selector!, name);
  t.ok(of('Service', of('StatefulSet').spec!.serviceName), 'the service that names the pod');
  const monitor = of('ServiceMonitor').spec;
  const monitored = ['seglog', 'seglog-pods'].filter((name) =>
    Object.entries(monitor.selector.matchLabels!).every(
      ([key, value]) => of('Service', name).metadata!.labels![key] === value,
    ),
  );
  t.same(monitored, ['seglog'], 'each pod is asked once');
  const ports = new Set(container!.ports!.map(({ name }) => name));
  for (const { targetPort } of of('Service').spec!.ports!) t.ok(ports.has(targetPort as string));
  for (const { port } of monitor.endpoints)
    t.ok(of('Service').spec!.ports!.some(({ name }) => name === port));
});

t.test('the container is what the image is made for', async (t) => {
  const [user, group] = said('USER').split(':').map(Number);
  t.match(pod.securityContext, { runAsUser: user, runAsGroup: group, fsGroup: group, runAsNonRoot: true });
  t.match(container!.securityContext, { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false });
  const args = command(said('CMD'));
  t.same(container!.args!.slice(0, args.length), args);
  t.equal(container!.ports![0]!.containerPort, Number(said('EXPOSE')));
  const mounts = container!.volumeMounts!.map(({ mountPath }) => mountPath);
  t.same(mounts, [said('VOLUME'), '/etc/seglog']);
  t.ok(container!.resources!.limits && container!.resources!.requests);
});

t.test('it is given the time that it takes to stop, and asked where it answers', async (t) => {
  const { settings } = loadConfig();
  t.ok(pod.terminationGracePeriodSeconds! * 1000 > settings['shutdown.timeout.ms']);
  const paths = [container!.startupProbe, container!.livenessProbe, container!.readinessProbe].map(
    (probe) => probe!.httpGet!.path,
  );
  t.same(paths, ['/livez', '/livez', '/readyz']);
});

t.test('its configuration is one', async (t) => {
  const [[name, text]] = Object.entries(of('ConfigMap').data!) as [[string, string]];
  const dir = t.testdir({ [name]: text });
  t.ok(container!.args!.join(' ').endsWith(`--config /etc/seglog/${name}`));
  const given = loadConfig({ file: `${dir}/${name}` }).entries.filter(({ source }) => source === 'file');
  t.same(
    given.map((each) => each.name),
    ['log.dir.max.used.percent'],
  );
});
