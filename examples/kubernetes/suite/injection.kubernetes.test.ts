import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { APPLICATION_USER } from "./client-pod-fixture.ts";
import {
  apply,
  createNamespace,
  getObjects,
  INJECTED,
  kubectl,
  runKubectl,
  type TestNamespace,
} from "./kubectl-fixture.ts";

let mesh: TestNamespace;
let outside: TestNamespace;

beforeAll(async () => {
  mesh = await createNamespace("injection", INJECTED);
  outside = await createNamespace("no-injection");
});

afterAll(async () => {
  await Promise.all([mesh.remove(), outside.remove()]);
});

const IMAGE = process.env["ENTENTE_IMAGE"];

function podSpec(script: string): object {
  const container = { name: "app", image: IMAGE, command: ["node", "-e", script], securityContext: APPLICATION_USER };
  return { containers: [container] };
}

const WAIT = podSpec("process.once('SIGTERM', () => process.exit()); setInterval(() => {}, 1e9)");
const DONE = { ...podSpec("process.exit(0)"), restartPolicy: "Never" };

function template(app: string, spec: object, labels: object = {}): object {
  return { metadata: { labels: { app, ...labels } }, spec };
}

function workload(kind: string, name: string, extra: object = {}): KubernetesObject {
  return {
    apiVersion: "apps/v1",
    kind,
    metadata: { name, namespace: mesh.name },
    spec: { selector: { matchLabels: { app: name } }, template: template(name, WAIT), ...extra },
  };
}

/** Every container of the pods with this label. */
async function containersOf(app: string, namespace = mesh.name): Promise<readonly (readonly string[])[]> {
  const pods = await getObjects("pods", "-n", namespace, "-l", `app=${app}`);
  return pods.map((pod) => {
    const { containers = [], initContainers = [] }: PodContainers = JSON.parse(JSON.stringify(pod["spec"]));
    return [...initContainers, ...containers].map(({ name }) => name);
  });
}

interface PodContainers {
  readonly containers?: readonly { readonly name: string }[];
  readonly initContainers?: readonly { readonly name: string }[];
}

const WITH_SIDECAR = expect.arrayContaining(["istio-init", "istio-proxy", "app"]);

describe("a pod of a labelled namespace gets a sidecar", () => {
  it.each([
    ["Deployment", {}],
    ["StatefulSet", { serviceName: "set" }],
    ["DaemonSet", {}],
  ])("of a %s", async (kind, extra) => {
    const name = kind.toLowerCase();
    await apply([workload(kind, name, extra)]);
    await kubectl(["rollout", "status", `${name}/${name}`, "-n", mesh.name, "--timeout=90s"]);
    expect(await containersOf(name)).toEqual([WITH_SIDECAR]);
  });

  it("of a Job, which ends without a word from its owner", async () => {
    const job = { apiVersion: "batch/v1", kind: "Job", metadata: { name: "job", namespace: mesh.name } };
    await apply([{ ...job, spec: { template: template("job", DONE), backoffLimit: 0 } }]);
    await kubectl(["wait", "--for=condition=complete", "job/job", "-n", mesh.name, "--timeout=90s"]);
    expect(await containersOf("job")).toEqual([WITH_SIDECAR]);
  });

  it("of a CronJob", async () => {
    const metadata = { name: "cron", namespace: mesh.name };
    const jobTemplate = { spec: { template: template("cron", DONE) } };
    await apply([{ apiVersion: "batch/v1", kind: "CronJob", metadata, spec: { schedule: "0 0 1 1 *", jobTemplate } }]);
    await kubectl(["create", "job", "cron-now", "--from=cronjob/cron", "-n", mesh.name]);
    await kubectl(["wait", "--for=condition=complete", "job/cron-now", "-n", mesh.name, "--timeout=90s"]);
    expect(await containersOf("cron")).toEqual([WITH_SIDECAR]);
  });

  it("made directly, with a name that the server completes", async () => {
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { generateName: "bare-", namespace: mesh.name, labels: { app: "bare" } },
      spec: WAIT,
    };
    const created = await runKubectl(["create", "-f", "-"], { input: JSON.stringify(pod) });
    expect(created).toMatchObject({ status: 0 });
    await kubectl(["wait", "--for=condition=Ready", "pod", "-l", "app=bare", "-n", mesh.name, "--timeout=90s"]);
    expect(await containersOf("bare")).toEqual([WITH_SIDECAR]);
  });
});

describe("a pod gets none", () => {
  function pod(namespace: string, name: string, labels: object, extra: object = {}): KubernetesObject {
    const metadata = { name, namespace, labels: { app: name, ...labels } };
    return { apiVersion: "v1", kind: "Pod", metadata, spec: { ...WAIT, ...extra } };
  }

  it.each([
    { name: "opted-out", labels: { "sidecar.istio.io/inject": "false" }, extra: {} },
    { name: "host-network", labels: {}, extra: { hostNetwork: true } },
  ])("if it is $name", async ({ name, labels, extra }) => {
    await apply([pod(mesh.name, name, labels, extra)]);
    expect(await containersOf(name)).toEqual([["app"]]);
  });

  it("in a namespace without the label, unless it asks for one itself", async () => {
    await apply([pod(outside.name, "plain", {}), pod(outside.name, "asks", { "sidecar.istio.io/inject": "true" })]);
    expect(await containersOf("plain", outside.name)).toEqual([["app"]]);
    expect(await containersOf("asks", outside.name)).toEqual([WITH_SIDECAR]);
  });
});

describe("a pod that must not be admitted", () => {
  it("is refused with the reason, which an Event on its owner repeats", async () => {
    const containers = [{ name: "app", image: IMAGE, securityContext: { runAsUser: 1337 } }];
    await apply([workload("Deployment", "as-proxy", { template: template("as-proxy", { containers }) })]);
    const events = async (): Promise<string> => {
      const found = await getObjects("events", "-n", mesh.name);
      return found.map(({ reason, message }) => `${String(reason)} ${String(message)}`).join("\n");
    };
    await expect.poll(events, { timeout: 30_000 }).toContain("1337");
  });
});

describe("a running pod", () => {
  const OTHER_IMAGE = "registry.invalid/other:1";
  const change = async (...args: readonly string[]) => await runKubectl([...args, "-n", mesh.name]);
  /** As `kubectl debug`. By PUT, because kubectl before 1.33 cannot patch this subresource. */
  const addContainer = async (name: string, runAsUser: number) => {
    const [pod] = await getObjects("pod", "runs", "-n", mesh.name);
    const { metadata, spec } = JSON.parse(JSON.stringify(pod));
    // Without a version the kubelet's changes of the status are no conflict.
    delete metadata.resourceVersion;
    spec.ephemeralContainers = [{ name, image: IMAGE, securityContext: { runAsUser } }];
    const url = `/api/v1/namespaces/${mesh.name}/pods/runs/ephemeralcontainers`;
    const input = JSON.stringify({ apiVersion: "v1", kind: "Pod", metadata, spec });
    return await runKubectl(["replace", "--raw", url, "-f", "-"], { input });
  };

  beforeAll(async () => {
    await apply([{ apiVersion: "v1", kind: "Pod", metadata: { name: "runs", namespace: mesh.name }, spec: WAIT }]);
    await kubectl(["wait", "--for=condition=Ready", "pod/runs", "-n", mesh.name, "--timeout=90s"]);
  });

  it("can get labels and annotations, by which it does not leave the injector's view", async () => {
    expect(await change("label", "pod", "runs", "sidecar.istio.io/inject=false")).toMatchObject({ status: 0 });
    expect(await change("annotate", "pod", "runs", "note=x")).toMatchObject({ status: 0 });
    const misused = await addContainer("as-proxy", 1337);
    expect(misused.status).not.toBe(0);
    expect(misused.stderr).toContain("the container as-proxy has runAsUser: 1337");
    expect(await addContainer("as-user", 1000)).toMatchObject({ status: 0 });
  });

  it("cannot get another program as its proxy, but another image of its application", async () => {
    const replaced = await change("set", "image", "pod/runs", `istio-proxy=${OTHER_IMAGE}`);
    expect(replaced.status).not.toBe(0);
    expect(replaced.stderr).toContain(`the container istio-proxy would run the image ${OTHER_IMAGE}`);
    expect(await change("set", "image", "pod/runs", `app=${OTHER_IMAGE}`)).toMatchObject({ status: 0 });
  });
});
