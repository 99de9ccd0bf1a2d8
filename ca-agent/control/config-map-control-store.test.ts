import { randomBytes } from "node:crypto";
import { beforeEach, describe, expect, it } from "vitest";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { KubernetesObject } from "../../kubernetes/kubernetes-api.ts";
import { InProcessApi, type InProcessCall } from "../../kubernetes/test-server/in-process-api.ts";
import { TestCluster } from "../../kubernetes/test-server/test-cluster.ts";
import { systemClock } from "../../mesh/runtime.ts";
import { createConfigMapControlStore } from "./config-map-control-store.ts";
import type { ControlStore } from "./control-store.ts";
import { adding, runControlStoreContract, serialNumbersOf } from "./control-store-contract-fixture.ts";

const NAME = { namespace: "istio-system", name: "entente-ca" };
let cluster: TestCluster;
let beforeCall: (call: InProcessCall) => void;
beforeEach(() => {
  cluster = new TestCluster();
  cluster.create(KINDS.namespaces, { apiVersion: "v1", kind: "Namespace", metadata: { name: "istio-system" } });
  beforeCall = () => undefined;
});

function open(): ControlStore {
  return createConfigMapControlStore({
    ...{ api: new InProcessApi(cluster, { beforeCall: (call) => beforeCall(call) }), namespace: "istio-system" },
    ...{ clock: systemClock, random: () => 0.01, randomBytes, signal: new AbortController().signal },
  });
}

function put(fields: Readonly<Record<string, unknown>>): void {
  cluster.create(KINDS.configMaps, { apiVersion: "v1", kind: "ConfigMap", metadata: NAME, ...fields });
}

function stored(): KubernetesObject {
  return cluster.get(KINDS.configMaps, NAME);
}

describe("the state in a ConfigMap", () => {
  runControlStoreContract(open);

  it("keeps the labels of others", async () => {
    const labels = { "app.kubernetes.io/managed-by": "argocd" };
    put({ metadata: { ...NAME, labels }, data: { "revocations.json": "[]" } });
    await open().update(adding("A"));
    expect(stored().metadata.labels).toEqual(labels);
    expect(stored()["data"]).toEqual({
      "revocations.json": '[\n{"serial":"A","revokedAt":"2026-11-26T18:44:32Z"}\n]',
      "revisions.json": expect.stringMatching(/^\[\d{13}\]$/),
      ...{ version: "2", minReaderVersion: "1" },
    });
  });

  it.each([
    { name: "without the list", fields: { data: {} }, reason: "has no revocations.json" },
    { name: "without data", fields: {}, reason: "has no revocations.json" },
    {
      name: "with a misspelt key",
      fields: { data: { "revocations.json": "[]", "revocation.json": "[{}]" } },
      reason: 'has the unknown key "revocation.json"',
    },
    {
      name: "with a broken list",
      fields: { data: { "revocations.json": "[" } },
      reason: "ConfigMap istio-system/entente-ca: the list of revocations is not JSON",
    },
    {
      name: "with a list in base64",
      fields: { binaryData: { "revocations.json": "W10=" } },
      reason: "revocations.json is not a text",
    },
  ])("$name is an error, and is not replaced", async ({ fields, reason }) => {
    put(fields);
    const before = stored();
    await expect(open().read()).rejects.toThrow(`control_state: `);
    await expect(open().update(adding("A"))).rejects.toThrow(reason);
    expect(stored()).toEqual(before);
  });

  it("is created again if it is deleted between reading and writing", async () => {
    await open().update(adding("A"));
    beforeCall = ({ verb }) => {
      if (verb !== "replace") return;
      beforeCall = () => undefined;
      cluster.delete(KINDS.configMaps, NAME);
    };
    await open().update(adding("B"));
    expect(serialNumbersOf(await open().read())).toEqual(["B"]);
  });

  it("gives up when others are always faster", async () => {
    await open().update(adding("A"));
    let others = 0;
    beforeCall = ({ verb }) => {
      if (verb !== "replace") return;
      others += 1;
      cluster.replace(KINDS.configMaps, { ...stored(), data: { "revocations.json": `${" ".repeat(others)}[]` } });
    };
    await expect(open().update(adding("B"))).rejects.toThrow("control_conflict: ConfigMap istio-system/entente-ca");
  });
});
