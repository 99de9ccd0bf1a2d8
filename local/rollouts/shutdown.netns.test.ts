import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, inject, it } from "vitest";
import type { LocalPod } from "../pods/local-pod.ts";
import { leftoversOf } from "../system/leftovers-fixture.ts";
import { formatDeployment, type RolloutMesh, startRolloutMesh } from "./rollout-fixture.ts";

const FAREWELL = { FAREWELL: "http://world.mesh/" };
const ONE = { replicas: 1, drainSeconds: 1 };

const MANIFESTS = [
  formatDeployment({ name: "world", args: ["graceful"], isNative: false, replicas: 1 }),
  formatDeployment({
    ...{ name: "polite", args: ["graceful"], isNative: false, replicas: 1, env: FAREWELL },
    // Its farewell comes after the sidecar has stopped to accept.
    ...{ preStopSeconds: 2, drainSeconds: 3 },
  }),
  formatDeployment({ ...ONE, name: "polite-native", args: ["graceful"], isNative: true, env: FAREWELL }),
  formatDeployment({ ...ONE, name: "held", args: ["graceful"], isNative: false, graceSeconds: 10 }),
  formatDeployment({ ...ONE, name: "streaming", args: ["graceful"], isNative: false }),
  // The second signal ends its drain, not the time.
  formatDeployment({ ...ONE, drainSeconds: 100, name: "hurried", args: ["abrupt"], isNative: false }),
  formatDeployment({
    ...{ name: "job", args: ["abrupt"], isNative: false, replicas: 1, env: { UPSTREAM: "http://world.mesh/" } },
    // Nor does it wait for the end of this time.
    drainSeconds: 100,
  }),
].join("");

let mesh: RolloutMesh;

beforeAll(async () => {
  mesh = await startRolloutMesh(MANIFESTS);
});
afterAll(async () => {
  await mesh?.stop();
  expect(leftoversOf()).toEqual([]);
});

/** Ends a proxy as soon as its log says that it waits for its certificate. */
const END_WHEN_WAITING = `
  log=$(mktemp)
  "$@" >$log & proxy=$!
  until grep -qs certificate $log; do sleep 0.1; done
  kill -TERM $proxy; wait $proxy; status=$?
  cat $log; rm $log; exit $status`;

const REMOVAL = { graceMs: 30_000, newsDelayMs: 0 };

function podOf(deployment: string): LocalPod {
  const [pod] = mesh.podsOf(deployment);
  if (pod === undefined) throw new Error(`there is no pod of ${deployment}`);
  return pod;
}

/** curl's output, with the status as its last word. */
async function curl(pod: LocalPod, ...args: readonly string[]): Promise<string> {
  const { stdout } = await pod.exec(["curl", "-s", "-m", "60", "-w", " %{http_code}", ...args]);
  return stdout.trim();
}

function readLog(pod: LocalPod, container: string): string {
  return readFileSync(pod.logFile(container), "utf8");
}

// Each test has a pod of its own, and its time is the drain's: they run side by side. Those that poll do it by an `expect` of
// their own: the shared one has no test any more when another one ends.
it.concurrent.each(["polite", "polite-native"])("an application that ends can still call others (%s)", async (name) => {
  const pod = podOf(name);
  const ends = await mesh.cluster.remove(pod, REMOVAL);
  expect(readLog(pod, "app")).toMatch(/^farewell: 200 served by world-/m);
  expect(Object.fromEntries(ends)).toEqual({ app: 0, "istio-proxy": 0 });
});

it.concurrent("a response that ends within the drain is whole", async ({ expect }) => {
  const pod = podOf("streaming");
  const answer = curl(mesh.client, "http://streaming.mesh/slow");
  await expect.poll(() => readLog(pod, "app")).toContain("slow");
  const ends = await mesh.cluster.remove(pod, REMOVAL);
  expect(await answer).toMatch(/piece 0\n.*piece 5\nthe end\n 200$/s);
  expect(Object.fromEntries(ends)).toEqual({ app: 0, "istio-proxy": 0 });
});

it.concurrent("a client that never leaves holds a pod only to the deadline, and not to the kill", async ({
  expect,
}) => {
  const pod = podOf("held");
  const held = curl(mesh.client, "http://held.mesh/endless");
  await expect.poll(() => readLog(pod, "app")).toContain("endless");
  const startMs = performance.now();
  // Its grace period is 10 s, and the deadline 5 s before that. The kill comes later: a busy machine needs a while to end.
  const ends = await mesh.cluster.remove(pod, REMOVAL);
  expect(performance.now() - startMs).toBeGreaterThan(4500);
  expect(Object.fromEntries(ends)).toEqual({ app: 0, "istio-proxy": 0 });
  await held;
  expect(readLog(pod, "istio-proxy")).toContain("the drain has reached its deadline");
});

describe.concurrent("the commands of the status port", () => {
  it.each(["drain", "quitquitquit"])("are refused to other pods: %s", async (command) => {
    const { ip } = podOf("world");
    expect(await curl(mesh.outsider, "-X", "POST", `http://${ip}:15020/${command}`)).toMatch(/ 403$/);
    // A sidecar speaks mutual TLS to pods of the mesh, which this port does not.
    expect(await curl(mesh.client, "-X", "POST", `http://${ip}:15020/${command}`)).toMatch(/000$/);
    expect(await curl(mesh.outsider, `http://${ip}:15021/healthz/ready`)).toMatch(/^ready\s+200$/);
  });

  it("let a finished Job's pod end at once: it has no clients to wait for", async ({ expect }) => {
    const pod = podOf("job");
    await curl(pod, "http://127.0.0.1:8080/finish");
    await expect.poll(() => pod.containers.map(({ pid }) => pid)).toEqual([undefined, undefined]);
    expect(readLog(pod, "app")).toMatch(/^job: 200 served by world-.*quit: 200 ok/s);
    expect(readLog(pod, "istio-proxy")).toContain("nothing needs the proxy any more");
  });
});

describe.concurrent("a signal", () => {
  it("makes the pod unready at once, and a second one ends the proxy", async ({ expect }) => {
    const pod = podOf("hurried");
    const pid = pod.pidOf("istio-proxy") ?? 0;
    process.kill(pid, "SIGTERM");
    const ready = () => curl(pod, "http://127.0.0.1:15021/healthz/ready");
    await expect.poll(ready).toMatch(/^the proxy is draining\s+503$/);
    expect(await curl(mesh.client, "http://hurried.mesh/")).toMatch(/^served by .* 200$/s);
    process.kill(pid, "SIGTERM");
    await expect.poll(() => pod.pidOf("istio-proxy")).toBeUndefined();
  });

  it("during the start ends the proxy with status 0", async () => {
    const environment = [
      "POD_NAME=x",
      "POD_NAMESPACE=y",
      "CA_ADDR=127.0.0.1:1",
      "ENTENTE_TOKEN_FILE=/none",
      `ENTENTE_ROOT_CERT_FILE=${join(mesh.cluster.authorityFolder, "self-signed", "ca-cert.pem")}`,
    ];
    const proxy = [process.execPath, inject("image"), "proxy", "sidecar"];
    const command = ["sh", "-c", END_WHEN_WAITING, "sh", "env", ...environment, ...proxy];
    const { status, stdout, stderr } = await mesh.outsider.exec(command, { timeoutMs: 100_000 });
    expect([stderr, status, stdout]).toEqual(["", 0, expect.stringContaining("certificate")]);
  });
});
