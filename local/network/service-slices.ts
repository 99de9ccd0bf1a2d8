import { MANAGED_BY_LABEL, SELECTOR_CONTROLLER, SERVICE_NAME_LABEL } from "../../mesh/resources/fields/slice-labels.ts";
import { type LocalService, resolveTarget, type ServicePod, selectPods } from "./services.ts";

/**
 * The EndpointSlices that Kubernetes' controller creates for Services with a selector: unready pods are listed as such,
 * pods with different named ports are in separate slices, and a Service without pods has an empty slice.
 */
export function serviceSlices(services: readonly LocalService[], pods: readonly ServicePod[]): readonly unknown[] {
  return services
    .filter(({ selector }) => Object.keys(selector).length > 0)
    .flatMap((service) => {
      const groups = groupByPorts(service, selectPods(service, pods));
      return [...groups.values()].map((group, index) => formatSlice(service, group, index));
    });
}

interface SliceGroup {
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: "TCP" }[];
  readonly pods: ServicePod[];
}

function groupByPorts(service: LocalService, pods: readonly ServicePod[]): ReadonlyMap<string, SliceGroup> {
  const groups = new Map<string, SliceGroup>();
  for (const pod of pods) {
    const ports = service.ports.flatMap((port) => {
      const target = resolveTarget(port, pod);
      return target === undefined ? [] : [{ name: port.name, port: target, protocol: "TCP" as const }];
    });
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, pods: [] };
    group.pods.push(pod);
    groups.set(key, group);
  }
  return groups.size > 0 ? groups : new Map([["", { ports: [], pods: [] }]]);
}

function formatSlice(service: LocalService, { ports, pods }: SliceGroup, index: number): unknown {
  const { name, namespace, publishesUnready } = service;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-local-${index}`,
      namespace,
      labels: { [SERVICE_NAME_LABEL]: name, [MANAGED_BY_LABEL]: SELECTOR_CONTROLLER },
    },
    addressType: "IPv4",
    endpoints: pods.map((pod) => ({
      addresses: [pod.ip],
      conditions: {
        ready: pod.isReady || publishesUnready,
        serving: pod.isReady || pod.isTerminating,
        terminating: pod.isTerminating,
      },
      targetRef: { kind: "Pod", name: pod.name, namespace: pod.namespace },
    })),
    ports,
  };
}
