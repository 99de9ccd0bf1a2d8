import { afterEach, describe, expect, it } from "vitest";
import { KINDS } from "../kubernetes/kinds.ts";
import { formatSequence } from "../mesh/identity/der-writer.ts";
import { mintRoot } from "../mesh/identity/mint-certificate-fixture.ts";
import { parseTrustDomain } from "../mesh/identity/spiffe-id.ts";
import { TEST_SETTINGS } from "../mesh/resources/resource-set-fixture.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { startFastClock } from "../net/fast-clock-fixture.ts";
import { ask } from "../net/http-fixture.ts";
import { until } from "../net/until-fixture.ts";
import { IdentityCluster, ROOT_NAMESPACE } from "./identity/cluster-identity-fixture.ts";
import { startPodSidecar } from "./identity/pod-sidecar-fixture.ts";
import { startWholeControlPlane } from "./whole-control-plane-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

async function readinessOf(port: number): Promise<string> {
  for (;;) {
    const response = await ask(port, { path: "/ready" }).catch(() => undefined);
    if (response !== undefined) return `${response.status} ${response.body.trim()}`;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe("a control plane in a cluster", () => {
  it("is ready once authority and configuration are there, and describes them", async () => {
    const { metricsPort, ready } = await startWholeControlPlane(await IdentityCluster.start(cleanup), cleanup);
    await ready;
    expect(await readinessOf(metricsPort)).toBe("200 ready");
    const { roots, revoked, trustDomains, signer } = JSON.parse((await ask(metricsPort, { path: "/debug/ca" })).body);
    expect(roots).toEqual([expect.objectContaining({ isSigning: true })]);
    expect(trustDomains).toEqual([TEST_SETTINGS.trustDomain, ...TEST_SETTINGS.trustDomainAliases]);
    expect(signer).toEqual({ serialNumbers: [roots[0].serialNumber], revoked: null });
    expect(revoked).toEqual({ certificates: 0, identities: 0, pods: 0 });
  });

  it("shows what it refuses of what is stored, with the reason, until that is put right", async () => {
    const cluster = await IdentityCluster.start(cleanup);
    const { metricsPort, ready } = await startWholeControlPlane(cluster, cleanup);
    await ready;
    const objects = cluster.server.cluster;
    const refused = async (): Promise<readonly string[]> =>
      JSON.parse((await ask(metricsPort, { path: "/debug/ca" })).body).refused;
    expect(await refused()).toEqual([]);
    const metadata = (name: string) => ({ name, namespace: ROOT_NAMESPACE });
    const data = { "ca-cert.pem": Buffer.from("garbage").toString("base64") };
    objects.create(KINDS.secrets, { apiVersion: "v1", kind: "Secret", metadata: metadata("cacerts"), data });
    const state = { apiVersion: "v1", kind: "ConfigMap", metadata: metadata("entente-ca") };
    objects.create(KINDS.configMaps, { ...state, data: { "revocations.json": "[" } });
    await until(async () => (await refused()).length === 2);
    expect(await refused()).toEqual([
      expect.stringMatching(
        /^refuses the stored authority.*ca-key\.pem of Secret istio-system\/cacerts is missing.*restore/,
      ),
      expect.stringMatching(/^refuses what is stored in entente-ca.*the list of revocations is not JSON/),
    ]);
    expect((await ask(metricsPort, { path: "/metrics" })).body).toContain("entente_authority_refused 1");
    objects.delete(KINDS.secrets, metadata("cacerts"));
    objects.replace(KINDS.configMaps, { ...state, data: { "revocations.json": "[]" } });
    await until(async () => (await refused()).length === 0);
  });

  it("says of an operator's Secret what strict verifiers would refuse, in its page and its log", async () => {
    const cluster = await IdentityCluster.start(cleanup);
    const root = mintRoot({ subject: formatSequence() });
    const files = {
      "ca-cert.pem": root.pem,
      "ca-key.pem": root.keyPem,
      "cert-chain.pem": "",
      "root-cert.pem": root.pem,
    };
    const data = Object.fromEntries(
      Object.entries(files).map(([name, text]) => [name, Buffer.from(text).toString("base64")]),
    );
    const metadata = { name: "cacerts", namespace: ROOT_NAMESPACE };
    cluster.server.cluster.create(KINDS.secrets, { apiVersion: "v1", kind: "Secret", metadata, data });
    const { metricsPort, ready, log } = await startWholeControlPlane(cluster, cleanup);
    await ready;
    const { warnings } = JSON.parse((await ask(metricsPort, { path: "/debug/ca" })).body);
    expect(warnings).toEqual([expect.stringMatching(/ has no subject: .*Issue it again with a subject/)]);
    expect(log.find("authority_not_strict")).toMatchObject([{ level: "warn", message: warnings[0] }]);
  });

  it("says what it waits for, and waits as long as it takes", async () => {
    const cluster = await IdentityCluster.start(cleanup);
    await cluster.server.away();
    const { metricsPort, ready } = await startWholeControlPlane(cluster, cleanup, { clock: startFastClock(cleanup) });
    await until(async () => (await readinessOf(metricsPort)).includes("the certificate authority is not open"));
    expect((await ask(metricsPort, { path: "/live" })).status).toBe(200);
    await cluster.server.back();
    await ready;
  });

  it("waits for an operator's Secret that is incomplete, and names the key", async () => {
    const cluster = await IdentityCluster.start(cleanup);
    const secret = { metadata: { name: "cacerts", namespace: ROOT_NAMESPACE }, data: { "ca-cert.pem": "YQ==" } };
    cluster.server.cluster.create(KINDS.secrets, { apiVersion: "v1", kind: "Secret", ...secret });
    const { metricsPort } = await startWholeControlPlane(cluster, cleanup);
    let text = "";
    await until(async () => {
      text = await readinessOf(metricsPort);
      return text.includes("ca-key.pem of Secret istio-system/cacerts is missing");
    });
    expect(text).toMatch(/^503 /);
  });

  it("lets a certificate renew itself only where its pod is", async () => {
    const cluster = await IdentityCluster.start(cleanup);
    const { address, ready } = await startWholeControlPlane(cluster, cleanup);
    await ready;
    const pod = cluster.createPod("hello");
    await pod.mount();
    const pair = await pod.requestPair(address);
    await expect(pod.renew(address, pair)).rejects.toThrow("request authenticate failure");
    const { resourceVersion: _, ...metadata } = pod.object.metadata;
    const running = { ...pod.object, metadata, status: { phase: "Running", podIP: "127.0.0.1" } };
    cluster.server.cluster.replace(KINDS.pods, running, { subresource: "status" });
    await expect.poll(() => pod.renew(address, pair).catch(() => [])).toHaveLength(2);
  });

  it("sends the foreign trust domains of its settings to sidecars", async () => {
    const cluster = await IdentityCluster.start(cleanup);
    const [trustDomains, foreign] = [[parseTrustDomain("there.example")], mintRoot({ commonName: "foreign" })];
    const caCertificates = [{ kind: "pem", trustDomains, roots: [foreign.pem] }] as const;
    const settings = { ...TEST_SETTINGS, caCertificates };
    const { address, ready } = await startWholeControlPlane(cluster, cleanup, { settings });
    await ready;
    const pod = cluster.createPod("hello");
    await pod.mount();
    const sidecar = await startPodSidecar(cleanup, pod, { address });
    const domainsOf = () => sidecar.source.current()?.trust.federated?.map(({ trustDomain }) => trustDomain);
    await expect.poll(domainsOf).toEqual(trustDomains);
  });
});
