import type { V1EnvVar, V1Service, V1Volume } from "@kubernetes/client-node";
import { NODE_MEMORY_ENV } from "../../injector/admission/proxy-container/node-memory-env.ts";
import { SIDECAR_MOUNTS } from "../../injector/admission/proxy-container/sidecar-container.ts";
import type { InstallValues } from "../values/install-values.ts";
import { controlPlaneAddress } from "./mesh-config.ts";
import { componentLabels, componentSelector, withRevision } from "./names.ts";
import { containerResources, deployment, fromField, POD_ENV, podDisruptionBudget, serviceAccount } from "./workload.ts";

const COMPONENT = "istio-ingressgateway";

/** A load balancer finds out by its own health checks that a gateway ends, and sends clients to it until then. */
const DRAIN_S = 20;
const GRACE_S = 45;

/**
 * The default ingress gateway. Its pods run as user 1337 and cannot listen below 1024: the Service leads port 80 to 8080,
 * and a Gateway's `port: 80` is served there, as Istio does it.
 */
export function gatewayObjects(values: InstallValues) {
  if (!values.gateway.enabled) return [];
  const account = `${withRevision(COMPONENT, values)}-service-account`;
  return [
    serviceAccount(account, COMPONENT, values),
    service(values),
    deployment({
      component: COMPONENT,
      values,
      replicas: values.gateway.replicas,
      serviceAccount: account,
      apiAccess: "none",
      metrics: { port: 15090, path: "/stats/prometheus" },
      terminationGracePeriodSeconds: GRACE_S,
      container: {
        name: "istio-proxy",
        args: ["proxy", "gateway"],
        env: env(values),
        ports: [
          { name: "http2", containerPort: 8080 },
          { name: "status-port", containerPort: 15021 },
          { name: "http-envoy-prom", containerPort: 15090 },
        ],
        readinessProbe: {
          httpGet: { path: "/healthz/ready", port: 15021 },
          periodSeconds: 3,
          timeoutSeconds: 3,
          failureThreshold: 3,
        },
        resources: containerResources(values.gateway.resources),
        volumeMounts: SIDECAR_MOUNTS.map((mount) => ({ ...mount })),
      },
      volumes: VOLUMES,
    }),
    podDisruptionBudget(COMPONENT, values),
  ];
}

function env(values: InstallValues): V1EnvVar[] {
  return [
    ...NODE_MEMORY_ENV.map(({ name, value }) => ({ name, value: value ?? "" })),
    { name: "CA_ADDR", value: controlPlaneAddress(values) },
    { name: "TRUST_DOMAIN", value: values.trustDomain },
    { name: "TERMINATION_DRAIN_DURATION_SECONDS", value: String(DRAIN_S) },
    { name: "ENTENTE_DRAIN_DEADLINE_SECONDS", value: String(GRACE_S - 5) },
    ...POD_ENV,
    fromField("INSTANCE_IP", "status.podIP"),
    fromField("SERVICE_ACCOUNT", "spec.serviceAccountName"),
    ...(values.accessLogFile === "" ? [] : [{ name: "ENTENTE_ACCESS_LOG", value: values.accessLogFile }]),
  ];
}

/** The control plane writes the ConfigMap with the roots; until it has, the pod waits. */
const VOLUMES: readonly V1Volume[] = [
  {
    name: "istio-token",
    projected: {
      sources: [{ serviceAccountToken: { audience: "istio-ca", expirationSeconds: 43_200, path: "istio-token" } }],
    },
  },
  { name: "istiod-ca-cert", configMap: { name: "istio-ca-root-cert" } },
];

function service(values: InstallValues) {
  const { serviceType, serviceAnnotations } = values.gateway;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: withRevision(COMPONENT, values),
      namespace: values.namespace,
      labels: { ...componentLabels(COMPONENT, values), istio: "ingressgateway" },
      ...(Object.keys(serviceAnnotations).length > 0 && { annotations: { ...serviceAnnotations } }),
    },
    spec: {
      type: serviceType,
      selector: componentSelector(COMPONENT, values),
      ports: [
        { name: "status-port", port: 15021, targetPort: 15021, protocol: "TCP" },
        { name: "http2", port: 80, targetPort: 8080, protocol: "TCP" },
      ],
    },
  } satisfies V1Service;
}
