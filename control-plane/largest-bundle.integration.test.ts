import { randomBytes } from "node:crypto";
import { afterEach, expect, it } from "vitest";
import { createConfigMapControlStore } from "../ca-agent/control/config-map-control-store.ts";
import { parseSpiffeId, parseTrustDomain } from "../mesh/identity/spiffe-id.ts";
import { TEST_SETTINGS } from "../mesh/resources/resource-set-fixture.ts";
import { systemClock } from "../mesh/runtime.ts";
import { Cleanup } from "../net/cleanup-fixture.ts";
import { IdentityCluster, ROOT_NAMESPACE } from "./identity/cluster-identity-fixture.ts";
import { startPodSidecar } from "./identity/pod-sidecar-fixture.ts";
import { startWholeControlPlane } from "./whole-control-plane-fixture.ts";

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

it("a sidecar receives as many revoked identities as a control plane accepts, in each trust domain of the mesh", async () => {
  const cluster = await IdentityCluster.start(cleanup);
  const revocations = Array.from({ length: 10_000 }, (_, index) => ({
    what: { kind: "identity", identity: parseSpiffeId(`spiffe://cluster.local/ns/ns1/sa/a${index}`) } as const,
    revokedAt: "2026-11-26T18:44:32Z",
  }));
  const aliases = Array.from({ length: 9 }, (_, index) => parseTrustDomain(`d${index}.`.padEnd(48, "x")));
  const api = cluster.server.client();
  const store = createConfigMapControlStore({
    ...{ api, namespace: ROOT_NAMESPACE, clock: systemClock, random: Math.random, randomBytes },
    signal: new AbortController().signal,
  });
  await store.update((state) => ({ ...state, revocations }));
  const settings = { ...TEST_SETTINGS, trustDomainAliases: aliases };
  const { address, ready } = await startWholeControlPlane(cluster, cleanup, { settings });
  await ready;
  const pod = cluster.createPod("hello");
  await pod.mount();
  const sidecar = await startPodSidecar(cleanup, pod, { address });
  await expect.poll(() => sidecar.source.current()?.trust.revocations?.size).toBe(100_000);
});
