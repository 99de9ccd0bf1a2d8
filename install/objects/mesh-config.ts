import { createHash } from "node:crypto";
import type { V1ConfigMap, V1Volume, V1VolumeMount } from "@kubernetes/client-node";
import { formatKubernetesYaml } from "../../mesh/resources/parsing/kubernetes-yaml.ts";
import type { InstallValues } from "../values/install-values.ts";
import { componentLabels, withRevision } from "./names.ts";

/** The address under which sidecars reach the control plane. */
export function controlPlaneAddress(values: InstallValues): string {
  return `${withRevision("istiod", values)}.${values.namespace}.svc:15012`;
}

/**
 * Istio's ConfigMap `istio`: the settings of the mesh. Injector and control plane read them again when they change; the
 * control plane reads trust domains and the root namespace only when it starts.
 */
export function meshConfig(values: InstallValues) {
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: withRevision("istio", values),
      namespace: values.namespace,
      labels: componentLabels("istiod", values),
    },
    data: { mesh: formatMeshConfig(values) },
  } satisfies V1ConfigMap;
}

/** Changes with the settings. */
export function meshConfigChecksum(values: InstallValues): string {
  return createHash("sha256").update(formatMeshConfig(values)).digest("hex");
}

function formatMeshConfig(values: InstallValues): string {
  const { numTrustedProxies } = values.gateway;
  return formatKubernetesYaml({
    trustDomain: values.trustDomain,
    ...(values.trustDomainAliases.length > 0 && { trustDomainAliases: values.trustDomainAliases }),
    ...(values.caCertificates.length > 0 && { caCertificates: values.caCertificates }),
    rootNamespace: values.namespace,
    outboundTrafficPolicy: { mode: values.outboundTrafficPolicy },
    ...(values.pathNormalization !== "BASE" && { pathNormalization: { normalization: values.pathNormalization } }),
    accessLogFile: values.accessLogFile,
    enablePrometheusMerge: true,
    defaultConfig: {
      discoveryAddress: controlPlaneAddress(values),
      ...(numTrustedProxies > 0 && { gatewayTopology: { numTrustedProxies } }),
    },
  });
}

/** Mounted, not read through the API: so neither process needs the right to read ConfigMaps. */
export function meshConfigVolume(values: InstallValues): V1Volume {
  return { name: "mesh-config", configMap: { name: withRevision("istio", values) } };
}

export const MESH_CONFIG_MOUNT: V1VolumeMount = {
  name: "mesh-config",
  mountPath: "/etc/istio/config",
  readOnly: true,
};
