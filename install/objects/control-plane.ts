import type { V1Service } from "@kubernetes/client-node";
import type { InstallValues } from "../values/install-values.ts";
import { MESH_CONFIG_MOUNT, meshConfigChecksum, meshConfigVolume } from "./mesh-config.ts";
import { componentLabels, componentSelector, withRevision } from "./names.ts";
import { containerResources, deployment, POD_ENV, podDisruptionBudget, probes, serviceAccount } from "./workload.ts";

const COMPONENT = "istiod";

/** The certificate authority and discovery: Istio's istiod by name and ports. */
export function controlPlaneObjects(values: InstallValues) {
  const account = withRevision(COMPONENT, values);
  return [
    serviceAccount(account, COMPONENT, values),
    service(values),
    deployment({
      component: COMPONENT,
      values,
      replicas: values.controlPlane.replicas,
      serviceAccount: account,
      apiAccess: "granted",
      metrics: { port: 15014, path: "/metrics" },
      terminationGracePeriodSeconds: 30,
      container: {
        name: "control-plane",
        args: ["control-plane", "--kubernetes", ...lifetimeOptions(values)],
        env: [...POD_ENV],
        ports: [
          { name: "grpc-tls", containerPort: 15012 },
          { name: "http-monitoring", containerPort: 15014 },
        ],
        ...probes({ port: 15014 }, { ready: "/ready", live: "/live" }),
        resources: containerResources(values.controlPlane.resources),
        volumeMounts: [MESH_CONFIG_MOUNT],
      },
      volumes: [meshConfigVolume(values)],
      // It reads trust domains when it starts: other settings get other pods.
      annotations: { "checksum/mesh-config": meshConfigChecksum(values) },
    }),
    podDisruptionBudget(COMPONENT, values),
  ];
}

function lifetimeOptions({ certificates: { lifetime, maxLifetime } }: InstallValues): readonly string[] {
  return [
    ...(lifetime === undefined ? [] : ["--workload-cert-ttl", lifetime]),
    ...(maxLifetime === undefined ? [] : ["--max-workload-cert-ttl", maxLifetime]),
  ];
}

function service(values: InstallValues) {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: withRevision(COMPONENT, values),
      namespace: values.namespace,
      labels: componentLabels(COMPONENT, values),
    },
    spec: {
      selector: componentSelector(COMPONENT, values),
      ports: [
        // Named for what it carries: the mesh must not parse the sidecars' own TLS.
        { name: "tls-grpc", port: 15012, targetPort: 15012, protocol: "TCP" },
        { name: "http-monitoring", port: 15014, targetPort: 15014, protocol: "TCP" },
      ],
    },
  } satisfies V1Service;
}
