import type { InjectionSettings } from "../admission/injection-settings.ts";
import type { WebhookNames } from "./ca-bundle.ts";

/** The objects in the cluster that belong to this injector's identity. */
export interface IdentityNames {
  readonly namespace: string;
  /** The Service by which the API server calls the webhooks. */
  readonly service: string;
  /** The Secret with the authority of the serving certificates. */
  readonly secret: string;
  readonly configurations: WebhookNames;
}

/** The names that an installation gives the injector's objects, as Istio does: those of a revision end with its name. */
export function identityNames({
  revision,
  controlPlaneNamespace: namespace,
}: Pick<InjectionSettings, "revision" | "controlPlaneNamespace">): IdentityNames {
  const suffix = revision === "default" ? "" : `-${revision}`;
  const service = `istio-sidecar-injector${suffix}`;
  return {
    namespace,
    service,
    secret: `${service}-tls`,
    configurations: { mutating: service, validating: `istio-validator${suffix}-${namespace}` },
  };
}
