import type { KubernetesObject } from "../kubernetes/kubernetes-api.ts";
import { CUSTOM_RESOURCES, customResourceDefinition } from "./crds/custom-resources.ts";
import { accessRights } from "./objects/access-rights.ts";
import { controlPlaneObjects } from "./objects/control-plane.ts";
import { gatewayObjects } from "./objects/gateway.ts";
import { injectorObjects } from "./objects/injector.ts";
import { meshConfig } from "./objects/mesh-config.ts";
import { OWNER_LABELS } from "./objects/names.ts";
import { webhookConfigurations } from "./objects/webhooks.ts";
import type { InstallValues } from "./values/install-values.ts";

/** A part of the installation, in the order in which parts are applied; each is one file of `examples/kubernetes`. */
export interface InstallationPart {
  readonly name: "crds" | "namespace" | "access-rights" | "control-plane" | "injector" | "gateway" | "webhooks";
  readonly objects: readonly KubernetesObject[];
}

/**
 * Everything that an installation adds to a cluster, and its only source: `entente install`, `examples/kubernetes` and
 * `local/` all have their objects from here. The webhook configurations come last: from then on pods need the injector.
 */
export function renderInstallation(values: InstallValues): readonly InstallationPart[] {
  return [
    { name: "crds", objects: CUSTOM_RESOURCES.map((resource) => customResourceDefinition(resource, OWNER_LABELS)) },
    {
      name: "namespace",
      objects: [{ apiVersion: "v1", kind: "Namespace", metadata: { name: values.namespace, labels: OWNER_LABELS } }],
    },
    { name: "access-rights", objects: accessRights(values) },
    { name: "control-plane", objects: [meshConfig(values), ...controlPlaneObjects(values)] },
    { name: "injector", objects: injectorObjects(values) },
    { name: "gateway", objects: gatewayObjects(values) },
    { name: "webhooks", objects: webhookConfigurations(values) },
  ];
}
