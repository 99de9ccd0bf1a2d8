import { existsSync, rmSync } from "node:fs";
import { decodeJwt } from "jose";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalCluster } from "../start-local-cluster.ts";
import { leftoversOf } from "../system/leftovers-fixture.ts";
import { createTestFolder, findPod, type TestFolder } from "../test-cluster-fixture.ts";
import type { LocalPod } from "./local-pod.ts";

const WRITTEN = `/tmp/entente-test-${process.pid}-written-by-a-container`;
const MANIFESTS = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: twin, namespace: there }
spec:
  replicas: 2
  selector: { matchLabels: { app: twin } }
  template:
    metadata: { labels: { app: twin } }
    spec: { containers: [{ name: app, image: "test/program:1", ports: [{ name: web, containerPort: 8080 }] }] }
---
apiVersion: v1
kind: Service
metadata: { name: twin, namespace: there }
spec: { selector: { app: twin }, ports: [{ port: 80, targetPort: web }] }
---
apiVersion: v1
kind: Service
metadata: { name: headless, namespace: there }
spec: { clusterIP: None, selector: { app: twin }, ports: [{ port: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: empty, namespace: there }
spec: { selector: { app: empty }, ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: alias, namespace: here }
spec: { type: ExternalName, externalName: twin.there.svc.cluster.local, ports: [{ port: 80 }] }
---
apiVersion: v1
kind: Service
metadata: { name: outside, namespace: here }
spec: { type: ExternalName, externalName: db.example.com }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: words, namespace: here }
data: { greeting: hello }
---
apiVersion: v1
kind: Secret
metadata: { name: keys, namespace: here }
stringData: { tls.key: the key }
---
apiVersion: v1
kind: Pod
metadata: { name: single, namespace: here, labels: { app: single } }
spec:
  serviceAccountName: web
  securityContext: { runAsUser: 4321, fsGroup: 5555 }
  initContainers:
  - { name: first, image: test/program, args: [append, /tmp/shared/order, "1"], volumeMounts: [{ name: shared, mountPath: /tmp/shared }] }
  - { name: second, image: test/program, args: [append, /tmp/shared/order, "2"], volumeMounts: [{ name: shared, mountPath: /tmp/shared }] }
  - { name: third, image: test/program, args: [append, ${WRITTEN}, "x"] }
  containers:
  - name: app
    image: test/program
    args: [serve, $(MY_NAME)]
    env:
    - { name: MY_NAME, valueFrom: { fieldRef: { fieldPath: metadata.name } } }
    - { name: MY_APP, valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } }
    readinessProbe: { tcpSocket: { port: 8080 } }
    volumeMounts:
    - { name: shared, mountPath: /tmp/shared, readOnly: true }
    - { name: words, mountPath: /var/run/words }
    - { name: token, mountPath: /var/run/secrets/tokens, readOnly: true }
    - { name: own-keys, mountPath: /var/run/own-keys, readOnly: true }
    - { name: keys, mountPath: /var/run/keys, readOnly: true }
  - name: shell
    image: test/program
    command: [sh, -c, 'mkdir -p /root/x /etc/x /opt/x 2>&1; id -u; exec sleep 1000']
    securityContext: { runAsUser: 0, capabilities: { add: [NET_ADMIN] } }
    volumeMounts: [{ name: keys, mountPath: /var/run/keys }]
  volumes:
  - { name: shared, emptyDir: {} }
  - { name: words, configMap: { name: words } }
  - { name: own-keys, secret: { secretName: keys } }
  - { name: keys, secret: { secretName: keys } }
  - { name: token, projected: { sources: [{ serviceAccountToken: { path: istio-token, audience: istio-ca, expirationSeconds: 600 } }] } }
`;

interface AppResponse {
  readonly pod: string;
  readonly env: Readonly<Record<string, string>>;
  readonly words: readonly string[];
  readonly remote: string;
  readonly uid: number;
  readonly gid: number;
  readonly capabilities: string;
}

let test: TestFolder;
let cluster: LocalCluster;
let single: LocalPod;
let twins: readonly LocalPod[];
const warnings: string[] = [];

beforeAll(async () => {
  test = createTestFolder();
  test.write(MANIFESTS);
  cluster = await test.start({ onWarning: (message) => warnings.push(message) });
  single = findPod(cluster, "single");
  twins = cluster.pods.filter(({ labels }) => labels["app"] === "twin");
});

afterAll(async () => {
  await cluster.stop();
  test.remove();
  expect(leftoversOf()).toEqual([]);
  expect(existsSync(WRITTEN)).toBe(false);
  rmSync(WRITTEN, { force: true });
});

async function get(pod: LocalPod, url: string): Promise<AppResponse> {
  const { status, stdout, stderr } = await pod.exec(["curl", "-sS", "-m", "30", url]);
  if (status !== 0) throw new Error(`curl ended with ${status}: ${stderr}`);
  return JSON.parse(stdout);
}

/** Reads a file as the container sees it. */
async function readIn(pod: LocalPod, container: string, path: string): Promise<string> {
  const { stdout } = await pod.exec(["cat", `/proc/${pod.pidOf(container)}/root${path}`]);
  return stdout;
}

describe("the network of local pods", () => {
  it.each([
    "http://twin.there/",
    "http://twin.there.svc/",
    "http://twin.there.svc.cluster.local/",
    "http://headless.there:8080/",
    "http://alias/",
  ])("%s leads to the pods, which see the client's own address", async (url) => {
    const response = await get(single, url);
    expect(twins.map(({ name }) => name)).toContain(response.pod);
    expect(response.remote).toBe(`::ffff:${single.ip}`);
  });

  it("each of a Service's pods receives requests", async () => {
    const seen = new Set<string>();
    await expect
      .poll(async () => seen.add((await get(single, "http://twin.there/")).pod).size, { interval: 1 })
      .toBe(twins.length);
  });

  it("short names exist only for the pod's own namespace", async () => {
    const [twin] = twins;
    if (twin === undefined) throw new Error("there are twins");
    expect((await get(twin, "http://twin/")).uid).toBe(65_534);
    await expect(get(single, "http://twin/")).rejects.toThrow("Could not resolve host");
  });

  it("an ExternalName Service for an outside host has no name, and there is a warning", async () => {
    await expect(get(single, "http://outside/")).rejects.toThrow("Could not resolve host");
    expect(warnings).toEqual([
      expect.stringMatching(/^Service\/outside\.here cannot be resolved here.*db\.example\.com/),
    ]);
  });

  it("a pod can call itself through its Service", async () => {
    const [twin] = twins;
    if (twin === undefined) throw new Error("there are twins");
    const seen = new Set<string>();
    await expect.poll(async () => seen.add((await get(twin, "http://twin/")).pod).has(twin.name)).toBe(true);
  });

  it("a Service without pods refuses connections, like the API server's", async () => {
    // 7: connection refused; 28 would be a timeout.
    await expect(get(single, "http://empty.there/")).rejects.toThrow("curl ended with 7");
    await expect(get(single, "http://kubernetes.default.svc:443/")).rejects.toThrow("curl ended with 7");
  });

  it("hosts outside cannot be reached", async () => {
    const { status } = await single.exec(["curl", "-s", "-m", "3", "http://192.0.2.1/"]);
    expect(status).not.toBe(0);
  });
});

describe("a container", () => {
  it("runs as its pod's user, without capabilities, with the environment and arguments of its manifest", async () => {
    expect(await get(single, "http://127.0.0.1:8080/")).toMatchObject({
      uid: 4321,
      gid: 4321,
      capabilities: "0000000000000000",
      words: ["single"],
      env: { MY_NAME: "single", MY_APP: "single", HOSTNAME: "single" },
    });
  });

  it("runs as nobody by default, without our environment", async () => {
    const response = await get(single, "http://twin.there/");
    expect([response.uid, response.gid]).toEqual([65_534, 65_534]);
    const names = Object.keys(response.env).filter((name) => !/^(KUBERNETES|TWIN|EMPTY)_/.test(name));
    expect(names.sort()).toEqual(["HOME", "HOSTNAME", "LANG", "PATH", "PWD"]);
  });

  it("has variables of its namespace's Services and of the API server's", async () => {
    const { env } = await get(single, "http://twin.there/");
    const twin = await get(single, `http://${env["TWIN_SERVICE_HOST"]}:${env["TWIN_SERVICE_PORT"]}/`);
    expect(twins.map(({ name }) => name)).toContain(twin.pod);
    expect(env).toHaveProperty("KUBERNETES_SERVICE_HOST");
    expect(env).not.toHaveProperty("ALIAS_SERVICE_HOST");
  });

  it("starts after the init containers, which run in order", async () => {
    expect(await readIn(single, "app", "/tmp/shared/order")).toBe("12");
  });

  it("has the ConfigMap's files, and a token for its service account and audience", async () => {
    expect(await readIn(single, "app", "/run/words/greeting")).toBe("hello");
    const claims = decodeJwt(await readIn(single, "app", "/run/secrets/tokens/istio-token"));
    expect(claims).toMatchObject({ sub: "system:serviceaccount:here:web", aud: "istio-ca" });
  });

  it.each([
    { file: "/run/secrets/tokens/istio-token", access: "600 4321:0", readers: ["4321"] },
    { file: "/run/own-keys/tls.key", access: "600 4321:0", readers: ["4321"] },
    { file: "/run/keys/tls.key", access: "640 0:5555", readers: ["4321", "1234"] },
  ])("has $file with $access: no other user can read it", async ({ file, access, readers }) => {
    const enter = ["nsenter", "-m", "-t", String(single.pidOf("app"))];
    expect((await single.exec([...enter, "stat", "-c", "%a %u:%g", file])).stdout.trim()).toBe(access);
    const groups = (await single.exec(["grep", "Groups:", `/proc/${single.pidOf("app")}/status`])).stdout.trim();
    expect(groups.split(/\s+/).slice(1)).toEqual(["5555"]);
    // The user of the container, another user of the pod, and others: none with capabilities.
    const users = { "4321": "5555", "1234": "5555", "1337": undefined, "65534": undefined };
    const readable: string[] = [];
    for (const [uid, group] of Object.entries(users)) {
      const drop = [`--reuid=${uid}`, "--regid=65534", group ? `--groups=${group}` : "--clear-groups"];
      const { status, stderr } = await single.exec([...enter, "setpriv", ...drop, "cat", file]);
      if (status === 0) readable.push(uid);
      else expect(stderr).toContain("Permission denied");
    }
    expect(readable.toSorted()).toEqual(readers.toSorted());
  });

  it("sees only its own mounts in /run and /tmp", async () => {
    const { stdout } = await single.exec(["ls", `/proc/${single.pidOf("app")}/root/run`]);
    expect(stdout.trim().split(/\s+/)).toEqual(["entente", "keys", "own-keys", "secrets", "words"]);
    const tmp = await single.exec(["ls", `/proc/${single.pidOf("app")}/root/tmp`]);
    expect(tmp.stdout.trim().split(/\s+/)).toEqual(["shared"]);
  });

  it("runs its own command with the requested capabilities, and cannot change this machine", async () => {
    const { stdout } = await single.exec(["cat", single.logFile("shell")]);
    expect(stdout.match(/Read-only file system|Permission denied/g)?.length).toBe(3);
    expect(stdout.trimEnd().endsWith("\n0")).toBe(true);
    const status = await single.exec(["grep", "CapBnd", `/proc/${single.pidOf("shell")}/status`]);
    // CAP_NET_ADMIN is bit 12.
    expect(status.stdout.trim().split(/\s+/)[1]).toBe("0000000000001000");
  });
});
