import { describe, expect, it } from "vitest";
import { KINDS } from "../../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../../kubernetes/kubernetes-api.ts";
import { InProcessApi, type InProcessCall } from "../../../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../../../kubernetes/test-server/test-cluster.ts";
import { FakeClock } from "../../../mesh/fake-clock-fixture.ts";
import { mintRoot } from "../../../mesh/identity/mint-certificate-fixture.ts";
import { textsOf } from "../../authority/authority-fixture.ts";
import { formatSelfSignedSecret } from "../../authority/secrets/authority-secret.ts";
import { readText } from "../../authority/secrets/secret-authority-fixture.ts";
import { INPUT, mintOwnRoot, OLD, PUBLISHED, SIGNING, STEADY } from "../rotation-fixture.ts";
import { publishNext, retireRoot } from "../rotation-steps.ts";
import { readRoot, runAuthorityStoreContract } from "./authority-store-contract-fixture.ts";
import { createSecretStore } from "./secret-store.ts";

const NAMESPACE = "istio-system";
const OWN = { namespace: NAMESPACE, name: "istio-ca-secret" };

function createCluster(): TestCluster {
  const clock = new FakeClock();
  const cluster = new TestCluster({ now: () => clock.now() });
  cluster.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } });
  cluster.create(KINDS.secrets, formatSelfSignedSecret(NAMESPACE, OLD));
  return cluster;
}

function open(cluster: TestCluster, beforeCall: (call: InProcessCall) => void = () => undefined) {
  return createSecretStore({ api: new InProcessApi(cluster, { beforeCall }), namespace: NAMESPACE });
}

function secretOf(texts: Readonly<Record<string, string>>, name: string): KubernetesObject {
  const data = Object.entries(texts).map(([key, text]) => [key, Buffer.from(text).toString("base64")]);
  return { apiVersion: "v1", kind: "Secret", metadata: { name, namespace: NAMESPACE }, data: Object.fromEntries(data) };
}

runAuthorityStoreContract("the Secret", () => {
  const cluster = createCluster();
  const root = mintRoot();
  return {
    open: () => open(cluster),
    replaceAll: (root) => {
      cluster.delete(KINDS.secrets, OWN);
      cluster.create(KINDS.secrets, formatSelfSignedSecret(NAMESPACE, root));
    },
    editRecord: (fields) => {
      const secret = cluster.get(KINDS.secrets, OWN);
      const record = JSON.stringify({ ...JSON.parse(readText(secret, "rotation.json") ?? ""), ...fields });
      const data = { ...Object(secret["data"]), "rotation.json": Buffer.from(record).toString("base64") };
      cluster.replace(KINDS.secrets, { ...secret, data });
    },
    removeAll: () => void cluster.delete(KINDS.secrets, OWN),
    plugIn: () => void cluster.create(KINDS.secrets, secretOf(textsOf({ signer: root, roots: [root] }), "cacerts")),
  };
});

describe("the Secret of a rotation", () => {
  it("keeps its type, its labels, and what others have put there", async () => {
    const cluster = createCluster();
    const before = cluster.get(KINDS.secrets, OWN);
    const metadata = { ...before.metadata, labels: { team: "mesh" } };
    const data = { ...Object(before["data"]), note: Buffer.from("ours").toString("base64") };
    cluster.replace(KINDS.secrets, { ...before, metadata, data });
    const store = open(cluster);
    for (const state of [PUBLISHED, SIGNING, retireRoot(SIGNING, INPUT)])
      await store.swap(await readRoot(store), state);
    const after = cluster.get(KINDS.secrets, OWN);
    expect(after["type"]).toBe("istio.io/ca-root");
    expect(after.metadata.labels).toEqual({ team: "mesh" });
    expect(readText(after, "note")).toBe("ours");
    expect(Object.keys(Object(after["data"])).sort()).toEqual([
      ...["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "key.pem", "note", "root-cert.pem", "rotation.json"],
    ]);
  });

  it("that another program changes between the reading and the writing is not replaced", async () => {
    const cluster = createCluster();
    const store = open(cluster, ({ verb }) => {
      if (verb !== "replace") return;
      const present = cluster.get(KINDS.secrets, OWN);
      cluster.replace(KINDS.secrets, { ...present, metadata: { ...present.metadata, labels: { touched: "yes" } } });
    });
    expect(await store.swap(await readRoot(store), PUBLISHED)).toBe("conflict");
    expect((await readRoot(store)).state.kind).toBe("steady");
  });

  it("that was restored from a backup is another version, though it has the same name", async () => {
    const cluster = createCluster();
    const backup = cluster.history.backup();
    const store = open(cluster);
    await store.swap(await readRoot(store), PUBLISHED);
    const published = await readRoot(store);
    cluster.history.restore(backup);
    expect(await store.swap(published, SIGNING)).toBe("conflict");
  });

  it("that has the resourceVersion of another state, as after a restored backup, is not replaced", async () => {
    const cluster = createCluster();
    const backup = cluster.history.backup();
    const store = open(cluster);
    const resourceVersion = (): string | undefined => cluster.get(KINDS.secrets, OWN).metadata.resourceVersion;
    const steady = await readRoot(store);
    await store.swap(steady, PUBLISHED);
    const [published, version] = [await readRoot(store), resourceVersion()];
    cluster.history.restore(backup);
    const other = publishNext(STEADY, { next: mintOwnRoot(), cause: "age" }, INPUT);
    await store.swap(await readRoot(store), other);
    expect(resourceVersion()).toBe(version);
    expect(await store.swap(published, SIGNING)).toBe("conflict");
    expect((await readRoot(store)).state).toEqual(other);
  });

  it("is not ours to replace if an operator has put an intermediate there", async () => {
    const cluster = createCluster();
    const root = mintRoot();
    const signer = mintRoot({ commonName: "signer", issuer: root });
    const { resourceVersion: _, ...metadata } = cluster.get(KINDS.secrets, OWN).metadata;
    const changed = secretOf(textsOf({ signer, roots: [root] }), OWN.name);
    cluster.replace(KINDS.secrets, { ...changed, metadata });
    expect(await open(cluster).read()).toEqual({ kind: "plugged_in", from: "Secret istio-system/istio-ca-secret" });
  });

  it("is not half written by a call that fails: the error is passed on", async () => {
    const cluster = createCluster();
    const store = open(cluster, ({ verb }) => {
      if (verb === "replace") throw new Error("connection reset");
    });
    await expect(store.swap(await readRoot(store), PUBLISHED)).rejects.toThrow("connection reset");
    expect((await readRoot(store)).state.kind).toBe("steady");
  });
});
