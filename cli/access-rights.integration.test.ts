import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { V1PodTemplateSpec } from "@kubernetes/client-node";
import { afterAll, beforeAll, expect, it } from "vitest";
import { readPublishedRoots } from "../ca-agent/trust-distribution/root-config-map.ts";
import { KINDS } from "../kubernetes/kinds.ts";
import type { ApiKind, KubernetesApi, KubernetesObject } from "../kubernetes/kubernetes-api.ts";
import type { ApiAttempt } from "../kubernetes/test-server/serving/request-route.ts";
import { startTestApiServer, type TestApiServer } from "../kubernetes/test-server/test-api-server-fixture.ts";
import { parseSpiffeId } from "../mesh/identity/spiffe-id.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { systemClock } from "../mesh/runtime.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { startFastClock } from "../net/fast-clock-fixture.ts";
import { findFreePort } from "../net/free-port-fixture.ts";
import { createCertificateClient } from "../proxy/tls/control-plane/control-plane-client.ts";
import { createSvidKey, formatCertificateRequest } from "../proxy/tls/csr.ts";
import type { CommandContext } from "./command.ts";
import { runCli } from "./run-cli.ts";

const NAMESPACE = "istio-system";
const COMPONENTS = ["istiod", "istio-sidecar-injector"] as const;
const PATIENCE_MS = 90_000;

const cleanup = new Cleanup();
const folder = mkdtempSync(join(tmpdir(), "entente-rights-"));
const ports = new Map<string, number>();
const clock = startFastClock(cleanup);
const stop = new AbortController();
const ended: Promise<number>[] = [];
let server: TestApiServer;
let admin: KubernetesApi;

beforeAll(async () => {
  for (const name of ["control-plane", "metrics", "webhook"]) ports.set(name, await findFreePort());
  server = await startTestApiServer(cleanup, {
    authorization: "rbac",
    resolveService: (_, name) => (name === "istio-sidecar-injector" ? `127.0.0.1:${ports.get("webhook")}` : undefined),
  });
  admin = server.client();
  const args = ["--kubeconfig", writeFile("admin", server.kubeconfig()), "--wait", "false"];
  expect(await run(["install", ...args])).toBe(0);
  for (const component of COMPONENTS) startComponent(component);
  await useEverything();
});

afterAll(async () => {
  stop.abort();
  expect(await Promise.all(ended)).toEqual(COMPONENTS.map(() => 0));
  await cleanup.run();
  rmSync(folder, { recursive: true, force: true });
});

it("the installed rights are enough: the API server refuses the shipped programs nothing", () => {
  expect(server.denied.map(describeAttempt)).toEqual([]);
});

it.each(COMPONENTS)("and no more than is used: every right of %s is needed", (component) => {
  const used = server.requests.filter(({ user }) => user === `system:serviceaccount:${NAMESPACE}:${component}`);
  const unused = rightsOf(component).filter((right) => !used.some((attempt) => uses(attempt, right)));
  const isProved = (right: string): boolean => IMPLICIT.has(right) || PROVED_ALONE.has(right);
  expect(unused.map(describeRight).filter((right) => !isProved(right))).toEqual([]);
});

/** Asked for by the API server itself, when server-side apply creates. */
const IMPLICIT: ReadonlySet<string> = new Set([
  "create configmaps entente-ca",
  "create configmaps istio-ca-root-cert",
  "create leases.coordination.k8s.io",
  "create secrets istio-ca-secret",
  "create secrets istio-sidecar-injector-tls",
]);

/** Used when a pod is revoked, and when a control plane stops: `install/objects/` has tests of these. */
const PROVED_ALONE: ReadonlySet<string> = new Set([
  "update configmaps entente-ca",
  "delete leases.coordination.k8s.io",
]);

/** One right of a role, for one verb and one resource. */
interface Right {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly names: readonly string[];
}

function rightsOf(component: string): readonly Right[] {
  const roles = [
    server.cluster.get(KINDS.clusterRoles, { name: `${component}-clusterrole-${NAMESPACE}` }),
    server.cluster.get(KINDS.roles, { namespace: NAMESPACE, name: component }),
  ];
  return roles
    .flatMap((role) => JSON.parse(JSON.stringify(role)).rules)
    .flatMap(({ apiGroups, resources, verbs, resourceNames = [""] }) =>
      apiGroups.flatMap((group: string) =>
        resources.flatMap((resource: string) =>
          verbs.flatMap((verb: string) =>
            resourceNames.map((name: string) => ({ verb, group, resource, names: name === "" ? [] : [name] })),
          ),
        ),
      ),
    );
}

function uses({ verb, group, resource, subresource, name }: ApiAttempt, right: Right): boolean {
  const full = subresource === undefined ? resource : `${resource}/${subresource}`;
  const isNamed = right.names.length === 0 || (name !== undefined && right.names.includes(name));
  return verb === right.verb && group === right.group && full === right.resource && isNamed;
}

function describeRight({ verb, group, resource, names }: Right): string {
  return [verb, group === "" ? resource : `${resource}.${group}`, ...names].join(" ");
}

function describeAttempt({ user, verb, group, resource, subresource, namespace, name }: ApiAttempt): string {
  return [user, verb, group, resource, subresource, namespace, name].filter((part) => part !== undefined).join(" ");
}

/** Runs what the Deployment's container runs, with the token of its service account. */
function startComponent(component: (typeof COMPONENTS)[number]): void {
  const deployment = server.cluster.get(KINDS.deployments, { namespace: NAMESPACE, name: component });
  const template: V1PodTemplateSpec = Object(deployment["spec"]).template;
  const name = `${component}-1`;
  const pod = create(KINDS.pods, { name, namespace: NAMESPACE }, { spec: { ...template.spec } });
  const token = server.identities.issueToken({ namespace: NAMESPACE, serviceAccount: component, pod });
  const args = [
    ...(template.spec?.containers[0]?.args ?? []),
    ...["--kubeconfig", writeFile(component, server.kubeconfig(token))],
    ...["--mesh-config", writeFile("mesh", meshConfig())],
    ...(component === "istiod"
      ? ["--port", String(ports.get("control-plane")), "--metrics-port", String(ports.get("metrics"))]
      : ["--port", String(ports.get("webhook"))]),
  ];
  ended.push(run(args, { env: { POD_NAME: name, POD_NAMESPACE: NAMESPACE }, clock }));
}

/** Makes both programs do everything for which they have a right. */
async function useEverything(): Promise<void> {
  create(KINDS.namespaces, { name: "ns1", labels: { "istio-injection": "enabled" } });
  await until("the roots are published", () => publishedRoots("ns1").includes("BEGIN CERTIFICATE"));
  await requestCertificate();
  await Promise.all([storeInvalidResources(), useInjector(), replaceRoot()]);
}

async function useInjector(): Promise<void> {
  await until("every webhook has its roots", () => bundles().every((bundle) => bundle !== undefined));
  await refusePods();
  await damageWebhookAuthority();
}

async function until(what: string, isTrue: () => boolean | Promise<boolean>): Promise<void> {
  for (const endMs = Date.now() + PATIENCE_MS; !(await isTrue()); await sleep(20)) {
    if (Date.now() > endMs) throw new Error(`not in time: ${what}`);
  }
}

function bundles(): readonly unknown[] {
  return [KINDS.mutatingWebhooks, KINDS.validatingWebhooks]
    .flatMap((kind) => server.cluster.list(kind, {}).items)
    .flatMap((configuration) => Object(configuration)["webhooks"])
    .map(({ clientConfig }) => clientConfig.caBundle);
}

async function requestCertificate(): Promise<void> {
  const account = create(KINDS.serviceAccounts, { name: "web", namespace: "ns1" });
  const pod = create(KINDS.pods, { name: "web-1", namespace: "ns1" }, { spec: { serviceAccountName: "web" } });
  const request = { namespace: "ns1", serviceAccount: account.metadata.name, pod, audiences: ["istio-ca"] };
  const call = createCertificateClient({
    address: `localhost:${ports.get("control-plane")}`,
    rootCertificateFile: writeFile("roots", publishedRoots("ns1")),
    tokenFile: writeFile("token", server.identities.issueToken(request)),
    clock: systemClock,
  });
  const identity = parseSpiffeId("spiffe://cluster.local/ns/ns1/sa/web");
  const csr = formatCertificateRequest(createSvidKey(), identity);
  await until("a certificate is issued", async () => {
    const issued = await call(csr, AbortSignal.timeout(5000)).catch(() => ({ chain: [] }));
    return issued.chain.length > 1;
  });
}

/** As they are where an older validation let them in: each gets a condition and an Event. */
async function storeInvalidResources(): Promise<void> {
  const definitions = server.cluster.list(KINDS.customResourceDefinitions, {}).items;
  const kinds = definitions.map((definition) => {
    const { group, scope, names, versions } = JSON.parse(JSON.stringify(definition)).spec;
    const isNamespaced = scope === "Namespaced";
    return { group, version: versions[0].name, plural: names.plural, kind: names.kind, isNamespaced };
  });
  for (const kind of kinds)
    create(kind, { name: "broken", ...(kind.isNamespaced && { namespace: "ns1" }) }, { spec: 1 });
  for (const kind of kinds) {
    await until(`${kind.kind} has a status`, () => "status" in (server.cluster.list(kind, {}).items[0] ?? {}));
  }
  await until("an Event is recorded", () => server.cluster.list(KINDS.events, {}).items.length > 0);
}

/** It is replaced, as it is before its end. */
async function damageWebhookAuthority(): Promise<void> {
  const name = { namespace: NAMESPACE, name: "istio-sidecar-injector-tls" };
  const read = () => server.cluster.get(KINDS.secrets, name);
  server.cluster.replace(KINDS.secrets, { ...read(), data: {} });
  await until("the webhook's authority is replaced", () => Object.keys(Object(read()["data"])).length > 0);
}

/** By a request, which is then deleted: the control plane stores it again. */
async function replaceRoot(): Promise<void> {
  const request = { namespace: NAMESPACE, name: "entente-ca" };
  const rotation = JSON.stringify({ requestId: "first", requestedAt: "2026-01-01T00:00:00Z" });
  create(KINDS.configMaps, request, { data: { "revocations.json": "[]", "rotation.json": rotation } });
  const secret = { namespace: NAMESPACE, name: "istio-ca-secret" };
  const isPublished = (): boolean => "next-ca-cert.pem" in Object(server.cluster.get(KINDS.secrets, secret)["data"]);
  await until("a new root is published", isPublished);
  server.cluster.delete(KINDS.configMaps, request);
  await until("the request is stored again", () => server.cluster.find(KINDS.configMaps, request) !== undefined);
}

/** Each Event on a refused pod's owner is recorded only if the owner exists. */
async function refusePods(): Promise<void> {
  for (const kind of [KINDS.replicaSets, KINDS.statefulSets, KINDS.daemonSets, KINDS.jobs]) {
    const owner = create(kind, { name: "owner", namespace: "ns1" });
    const { apiVersion, metadata } = owner;
    const reference = { apiVersion, kind: kind.kind, name: metadata.name, uid: metadata.uid ?? "", controller: true };
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: `refused-${kind.plural}`,
        namespace: "ns1",
        ownerReferences: [reference],
        annotations: { "sidecar.istio.io/proxyCPU": "lots" },
      },
      spec: { containers: [{ name: "app", image: "app" }] },
    };
    await expect(admin.create(KINDS.pods, pod)).rejects.toThrow("proxyCPU");
    const isRecorded = (): boolean =>
      server.cluster.list(KINDS.events, {}).items.some((event) => JSON.stringify(event).includes(`"${kind.kind}"`));
    await until(`an Event on a ${kind.kind} is recorded`, isRecorded);
  }
}

function create(kind: ApiKind, metadata: KubernetesObject["metadata"], more: object = {}): KubernetesObject {
  const apiVersion = kind.group === "" ? kind.version : `${kind.group}/${kind.version}`;
  return server.cluster.create(kind, { apiVersion, kind: kind.kind, metadata, ...more });
}

function publishedRoots(namespace: string): string {
  const { items } = server.cluster.list(KINDS.configMaps, { namespace });
  return readPublishedRoots(items.find(({ metadata }) => metadata.name === "istio-ca-root-cert"));
}

function meshConfig(): string {
  const configMap = server.cluster.get(KINDS.configMaps, { namespace: NAMESPACE, name: "istio" });
  return Object(configMap["data"]).mesh;
}

function writeFile(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

async function run(argv: readonly string[], context: Partial<CommandContext> = {}): Promise<number> {
  let output = "";
  const print = (text: string): void => {
    output += text;
  };
  const status = await runCli(argv, {
    env: {},
    stdout: print,
    stderr: print,
    log: new RecordingLogger(),
    isTerminal: false,
    signal: stop.signal,
    ...context,
  });
  if (status !== 0) throw new Error(output);
  return status;
}
