/** For tests of `entente ca`: a cluster with two control planes, and what the commands have stored in it. */
import { readControlConfigMap } from "../../ca-agent/control/control-config-map.ts";
import type { ControlState } from "../../ca-agent/control/control-state.ts";
import { KINDS } from "../../kubernetes/kinds.ts";
import type { Cleanup } from "../../net/cleanup-fixture.ts";
import { authority, proxy } from "../../operator/ca/replica-fixture.ts";
import { type CliCluster, componentPod, meshedPod, startCliCluster } from "../cluster/cluster-fixture.ts";

/** @param proxies those that are connected to the first control plane; one more is to the second */
export async function startCaCluster(
  cleanup: Cleanup,
  proxies: readonly ReturnType<typeof proxy>[],
): Promise<CliCluster> {
  const cluster = await startCliCluster(cleanup, { authorization: "rbac" });
  cluster.harness.put(meshedPod("web"), componentPod("istiod-1", "istiod"), componentPod("istiod-2", "istiod"));
  await cluster.serve("istio-system/istiod-1:15014", { ...authority(), proxies });
  await cluster.serve("istio-system/istiod-2:15014", { ...authority(), proxies: [proxy("other")] });
  return cluster;
}

export function storedState({ server }: CliCluster): ControlState {
  const found = server.cluster.list(KINDS.configMaps, { namespace: "istio-system" }).items;
  return readControlConfigMap(found.find(({ metadata }) => metadata.name === "entente-ca"));
}
