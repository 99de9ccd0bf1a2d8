import { expect, it } from "vitest";
import { testPod } from "../../mesh/resources/resource-set-fixture.ts";
import { createInstalledCluster } from "../installed-cluster-fixture.ts";
import { readMeshPods } from "./component-pods.ts";
import { createVersionReport, formatVersions } from "./version-report.ts";

const component = (name: string, app: string, image: string, more = {}) =>
  testPod({
    name,
    namespace: "istio-system",
    meshed: false,
    labels: { "app.kubernetes.io/name": app, "app.kubernetes.io/managed-by": "entente" },
    spec: { containers: [{ name: "main", image }] },
    ...more,
  });
const sidecar = (name: string, image: string, args = ["proxy", "sidecar"]) =>
  testPod({ name, spec: { containers: [{ name: "app" }, { name: "istio-proxy", image, args }] } });

it("the versions of a mesh are counted by its parts", async () => {
  const { api } = createInstalledCluster().putTexts(
    component("istiod-1", "istiod", "entente:2"),
    component("istiod-2", "istiod", "entente:2"),
    component("injector-1", "istio-sidecar-injector", "entente:1"),
    sidecar("a", "entente:1"),
    sidecar("b", "entente:2"),
    sidecar("c", "entente:2"),
    sidecar("of-istio", "proxyv2:1", ["proxy", "sidecar", "--domain", "$(POD_NAMESPACE).svc.cluster.local"]),
    testPod({ name: "istiod-of-istio", namespace: "istio-system", labels: { app: "istiod" }, meshed: false }),
    component("istiod-old", "istiod", "entente:0", { status: { phase: "Failed" } }),
  );
  const { signal } = new AbortController();
  const report = createVersionReport("3", await readMeshPods({ api, rootNamespace: "istio-system", signal }));
  expect(report).toEqual({
    client: "3",
    controlPlane: [{ version: "2", pods: 2 }],
    injector: [{ version: "1", pods: 1 }],
    dataPlane: [
      { version: "2", pods: 2 },
      { version: "1", pods: 1 },
    ],
  });
  expect(formatVersions(report)).toContain("data plane:     2 (2 pods), 1 (1 pod)");
  expect(formatVersions({ ...report, injector: [] })).toContain("injector:       none running");
});
