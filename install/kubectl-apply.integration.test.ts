import { execFile, spawnSync } from "node:child_process";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { keepCaBundle } from "../injector/cluster/ca-bundle.ts";
import { KINDS } from "../kubernetes/kinds.ts";
import type { ApiKind, KubernetesObject } from "../kubernetes/kubernetes-api.ts";
import { startTestApiServer, type TestApiServer } from "../kubernetes/test-server/test-api-server-fixture.ts";
import { RecordingLogger } from "../mesh/recording-logger-fixture.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { injectorNames } from "./objects/state-names.ts";

const HAS_KUBECTL = spawnSync("kubectl", ["version", "--client"]).status === 0;
const MANIFESTS = join(import.meta.dirname, "..", "examples", "kubernetes");
const NAMESPACE = "istio-system";
const BUNDLE = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
const CLIENT_SIDE: readonly string[] = [];
const SERVER_SIDE = ["--server-side", "--force-conflicts"];

const cleanup = new Cleanup();
let folder = "";
let server: TestApiServer;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "kubectl-"));
  cleanup.add(() => rm(folder, { recursive: true }));
  await cp(MANIFESTS, join(folder, "manifests"), { recursive: true });
  server = await startTestApiServer(cleanup);
  await writeFile(join(folder, "kubeconfig"), server.kubeconfig());
});
afterEach(() => cleanup.run());

async function apply(options: readonly string[]): Promise<void> {
  const env = { PATH: process.env["PATH"], HOME: folder, KUBECONFIG: join(folder, "kubeconfig") };
  const args = ["apply", "-k", join(folder, "manifests"), ...options];
  await promisify(execFile)("kubectl", args, { env, timeout: 60_000 });
}

/** As a user's own kustomization, or another version, changes the file. */
async function editWebhooks(from: string, to: string): Promise<void> {
  const file = join(folder, "manifests", "mesh", "webhooks.yaml");
  const text = await readFile(file, "utf8");
  expect(text).toContain(from);
  await writeFile(file, text.replaceAll(from, to));
}

/** What the injector does when it starts. */
async function writeBundles(): Promise<void> {
  const { namespace, service: name, configurations } = injectorNames({ revision: "default", namespace: NAMESPACE });
  const { signal } = new AbortController();
  const deps = {
    api: server.client(),
    configurations,
    service: { namespace, name },
    log: new RecordingLogger(),
    signal,
  };
  expect(await keepCaBundle(deps, BUNDLE)).toBe("current");
}

/** What the control plane and the injector store: the keys of the mesh. */
async function storeSecrets(): Promise<void> {
  for (const name of ["istio-ca-secret", "istio-sidecar-injector-tls"]) {
    const object = { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: NAMESPACE } };
    await server.client().create(KINDS.secrets, { ...object, data: { "ca-key.pem": "a2V5" } });
  }
}

/** Every state of the webhook configurations from now on, as API servers see them. */
async function followWebhooks(): Promise<KubernetesObject[]> {
  const stop = new AbortController();
  cleanup.add(() => stop.abort());
  const states: KubernetesObject[] = [];
  const follow = async (kind: ApiKind): Promise<void> => {
    const { resourceVersion } = await server.client().list(kind, {});
    const events = server.client().watch(kind, { resourceVersion, signal: stop.signal });
    const collect = async (): Promise<void> => {
      for await (const event of events) if (event.type !== "BOOKMARK") states.push(event.object);
    };
    void collect().catch(() => undefined);
  };
  await follow(KINDS.mutatingWebhooks);
  await follow(KINDS.validatingWebhooks);
  return states;
}

interface Webhook {
  readonly failurePolicy?: string;
  readonly timeoutSeconds?: number;
  readonly clientConfig: { readonly caBundle?: string };
}

function webhooksOf(states: readonly KubernetesObject[]): readonly Webhook[] {
  return JSON.parse(JSON.stringify(states.flatMap(({ webhooks }) => webhooks)));
}

describe.skipIf(!HAS_KUBECTL)("kubectl apply -k over a running mesh", () => {
  it.each([
    { name: "on the client", options: CLIENT_SIDE },
    { name: "on the server", options: SERVER_SIDE },
  ])("$name never empties a caBundle, lets validation fail open, or touches a Secret", async ({ options }) => {
    await apply(options);
    await writeBundles();
    await storeSecrets();
    const secrets = server.cluster.list(KINDS.secrets, {}).items;
    const states = await followWebhooks();
    await apply(options);
    await editWebhooks("timeoutSeconds: 10", "timeoutSeconds: 11");
    await apply(options);
    await expect.poll(() => webhooksOf(states.slice(-2)).map((one) => one.timeoutSeconds)).toEqual(Array(7).fill(11));
    expect(webhooksOf(states).filter(({ clientConfig }) => !clientConfig.caBundle)).toEqual([]);
    expect(webhooksOf(states).filter(({ failurePolicy }) => failurePolicy === "Ignore")).toEqual([]);
    expect(server.cluster.list(KINDS.secrets, {}).items).toEqual(secrets);
  });

  it.each([
    { name: "on the client", options: CLIENT_SIDE },
    { name: "on the server", options: SERVER_SIDE },
  ])("$name of an upgrade closes a validating webhook that was installed open, for good", async ({ options }) => {
    const [now, before] = [
      "sideEffects: None\n    matchPolicy",
      "sideEffects: None\n    failurePolicy: Ignore\n    matchPolicy",
    ];
    await editWebhooks(now, before);
    await apply(options);
    await writeBundles();
    await editWebhooks(before, now);
    const states = await followWebhooks();
    await apply(options);
    const { items } = server.cluster.list(KINDS.validatingWebhooks, {});
    expect(webhooksOf(items)).toHaveLength(2);
    expect(webhooksOf([...items, ...states]).filter(({ failurePolicy }) => failurePolicy === "Ignore")).toEqual([]);
    expect(webhooksOf([...items, ...states]).filter(({ clientConfig }) => !clientConfig.caBundle)).toEqual([]);
  });
});
