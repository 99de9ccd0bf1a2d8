import type { V1Service } from "@kubernetes/client-node";
import type { InstallValues } from "../values/install-values.ts";
import { MESH_CONFIG_MOUNT, meshConfigVolume } from "./mesh-config.ts";
import { componentLabels, componentSelector, withRevision } from "./names.ts";
import { injectorNames } from "./state-names.ts";
import { containerResources, deployment, POD_ENV, podDisruptionBudget, probes, serviceAccount } from "./workload.ts";

const COMPONENT = "istio-sidecar-injector";

/** The admission webhooks, in a process of their own: any pod may call it, so it holds no CA key. */
export function injectorObjects(values: InstallValues) {
  const account = withRevision(COMPONENT, values);
  return [
    serviceAccount(account, COMPONENT, values),
    service(values),
    deployment({
      component: COMPONENT,
      values,
      replicas: values.injector.replicas,
      serviceAccount: account,
      apiAccess: "granted",
      metrics: { port: 15017, path: "/metrics" },
      terminationGracePeriodSeconds: 30,
      container: {
        name: "injector",
        // Injected pods get the image of this pod.
        args: [
          ...["injector", "--kubernetes", "--revision", values.revision],
          ...["--control-plane-namespace", values.namespace],
          ...proxyAmounts("--proxy-requests", values.proxy.resources.requests),
          ...proxyAmounts("--proxy-limits", values.proxy.resources.limits),
        ],
        env: [...POD_ENV],
        ports: [{ name: "https-webhook", containerPort: 15017 }],
        ...probes({ port: 15017, scheme: "HTTPS" }, { ready: "/healthz/ready", live: "/healthz/live" }),
        resources: containerResources(values.injector.resources),
        volumeMounts: [MESH_CONFIG_MOUNT],
      },
      volumes: [meshConfigVolume(values)],
    }),
    podDisruptionBudget(COMPONENT, values),
  ];
}

/** `--proxy-requests cpu=100m,memory=128Mi`, if anything is given. */
function proxyAmounts(flag: string, given: Partial<Record<"cpu" | "memory", string | undefined>> = {}) {
  const amounts = Object.entries(given).flatMap(([name, quantity]) => (quantity ? [`${name}=${quantity}`] : []));
  return amounts.length === 0 ? [] : [flag, amounts.join(",")];
}

function service(values: InstallValues) {
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: injectorNames(values).service,
      namespace: values.namespace,
      labels: componentLabels(COMPONENT, values),
    },
    spec: {
      selector: componentSelector(COMPONENT, values),
      ports: [{ name: "https-webhook", port: 443, targetPort: 15017, protocol: "TCP" }],
    },
  } satisfies V1Service;
}
