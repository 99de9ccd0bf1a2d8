import { afterAll, beforeAll, expect, it } from "vitest";
import type { LocalCluster } from "../start-local-cluster.ts";
import { createTestFolder, findPod, type TestFolder } from "../test-cluster-fixture.ts";
import { leftoversOf } from "./leftovers-fixture.ts";

/** Addresses are assigned in the manifests' order, after the system's own pods. */
const SERVER_IP = "10.244.0.13";

function pod(name: string, namespace: string): string {
  return `---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, namespace: ${namespace}, labels: { app: ${name} } }
spec: { containers: [{ name: app, image: test/program, ports: [{ containerPort: 8080 }] }] }
`;
}

const MANIFESTS = `
apiVersion: v1
kind: Namespace
metadata: { name: bank, labels: { istio-injection: enabled } }
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: default, namespace: bank }
spec: { mtls: { mode: STRICT } }
${pod("server", "bank")}
${pod("client", "bank")}
${pod("outsider", "outside")}
---
apiVersion: v1
kind: Service
metadata: { name: db, namespace: bank }
spec: { ports: [{ name: http, port: 80 }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: db-1, namespace: bank, labels: { kubernetes.io/service-name: db } }
addressType: IPv4
ports: [{ name: http, port: 8080 }]
endpoints: [{ addresses: [${SERVER_IP}] }]
`;

let test: TestFolder;
let cluster: LocalCluster;

beforeAll(async () => {
  test = createTestFolder();
  test.write(MANIFESTS);
  cluster = await test.start();
});

afterAll(async () => {
  await cluster?.stop();
  test.remove();
  expect(leftoversOf()).toEqual([]);
});

/** The status of curl's response in a pod; 000: the connection was refused or reset. */
async function get(name: string): Promise<string> {
  const command = ["curl", "-s", "-m", "3", "-o", "/dev/null", "-w", "%{http_code}", "http://db.bank/"];
  return (await findPod(cluster, name).exec(command)).stdout;
}

it("a Service without a selector for a STRICT pod is called over mutual TLS", async () => {
  expect(findPod(cluster, "server").ip).toBe(SERVER_IP);
  await expect.poll(() => get("client")).toBe("200");
  const { stdout } = await findPod(cluster, "client").exec(["curl", "-s", "http://127.0.0.1:15000/connections"]);
  expect(JSON.parse(stdout).connections).toContainEqual(
    expect.objectContaining({
      mutual_tls: expect.objectContaining({ peer: "spiffe://cluster.local/ns/bank/sa/default" }),
    }),
  );
});

it("a client without a sidecar reaches the same endpoint, which refuses it", async () => {
  expect(await get("outsider")).toBe("000");
});
